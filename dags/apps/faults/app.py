"""Goes wrong in the way that is asked for, to show what becomes of it in a terminal, in Airflow and in Prefect."""

import ctypes
import os
import subprocess
import sys
from typing import Any


def run(analysis: Any) -> None:
    """Do as `input_values.fault` says."""
    fault = analysis.input_values["fault"]
    print(f"Fault: {fault}")
    if fault == "raise":
        raise ValueError("the file holds no hour with wind")
    if fault == "exit":
        os._exit(3)
    if fault == "crash":
        ctypes.string_at(0)
    if fault == "hang":
        subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], check=True)
    if fault == "wrong output":
        analysis.output_values["speed"] = "high"
    if fault == "wrong message":
        analysis.send_monitor_message({"progress": 150})
    while fault == "flood":
        print(79 * "~")
