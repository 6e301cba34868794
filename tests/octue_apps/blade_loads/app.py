"""Loads on a blade, by a program beside the app: timers, subprocesses, temporary folders, status messages."""

import json
import logging
import os
import sys
import threading

from octue.essentials.monitor_messages import send_estimated_seconds_remaining, send_status_text
from octue.utils.files import RegisteredTemporaryDirectory
from octue.utils.processes import run_logged_subprocess
from octue.utils.threads import RepeatingTimer

logger = logging.getLogger(__name__)
SOLVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "solver.py")


def run(analysis):
    send_status_text(analysis, "Starting", "blade-loads")
    has_beaten = threading.Event()
    timer = RepeatingTimer(0.01, beat, [analysis, has_beaten])
    timer.daemon = True
    timer.start()
    try:
        with RegisteredTemporaryDirectory() as folder:
            case = os.path.join(folder, "case.json")
            with open(case, "w") as stream:
                json.dump(analysis.input_values, stream)
            run_logged_subprocess([sys.executable, SOLVER, case, "loads.json"], logger, log_level="info")
        has_beaten.wait(timeout=30)
    finally:
        timer.cancel()

    with open("loads.json") as stream:  # the solver has written it into the working directory
        loads = json.load(stream)
    with open("report.txt", "w") as stream:
        stream.write(f"root moment: {loads['root_moment']}\n")
    analysis.output_values.update(loads)
    analysis.output_values["report"] = os.path.getsize("report.txt")
    send_status_text(analysis, "Finished", "blade-loads")


def beat(analysis, has_beaten):
    send_estimated_seconds_remaining(analysis, 1.5, "blade-loads")
    has_beaten.set()
