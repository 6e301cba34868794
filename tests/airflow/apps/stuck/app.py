"""Starts a process, tells the ids of that, itself and its parent in a file, and never ends."""

import json
import os
import signal
import subprocess
from pathlib import Path


def run(analysis):
    if not analysis.input_values["polite"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen(["sleep", "3600"])
    pids = {"grandchild": grandchild.pid, "app": os.getpid(), "task": os.getppid()}
    Path(analysis.input_values["pids"]).write_text(json.dumps(pids))
    while True:
        signal.pause()
