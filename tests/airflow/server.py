"""An Airflow of its own for tests that need a real API server, scheduler and DAG processor; they ask it by its API."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(happens, limit):
    """Return the first value of a function that counts as true; fails after some seconds."""
    end, pause = time.monotonic() + limit, threading.Event()
    while not (value := happens()):
        assert time.monotonic() < end, f"did not happen within {limit} s"
        pause.wait(0.2)
    return value


class Server:
    """An Airflow with its own home, database and DAGs."""

    def __init__(self, home, files, number, *, python=sys.executable, settings=None):
        """Start it with the texts of DAG files by their names, and wait until it has found so many DAGs."""
        self._python = python
        self.url = f"http://127.0.0.1:{_free_port()}"
        port = self.url.rpartition(":")[2]
        (home / "dags").mkdir()
        for name, text in files.items():
            (home / "dags" / name).write_text(text)
        self._number = number
        (home / "passwords.json").write_text('{"asker": "open sesame"}')
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "asker:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": "s" * 64,
            "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "FAIRLEAD_CACHE": str(home / "cache"),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **(settings or {}),
        }
        self._log = (home / "log.txt").open("wb")
        self._processes = []
        subprocess.run(self._command("db", "migrate"), check=True, env=self._environment, capture_output=True)
        for part in ("api-server", "scheduler", "dag-processor"):
            self._processes.append(
                subprocess.Popen(
                    self._command(part),
                    env=self._environment,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        until(self._is_ready, 90)

    def _command(self, *arguments):
        return [self._python, "-m", "airflow", *arguments]

    def _is_ready(self):
        try:
            dags = self.get("/api/v2/dags?limit=10")["dags"]
        except OSError:
            return False
        return len(dags) == self._number

    def get(self, path):
        """Ask the API with nothing of what is tested."""
        return self.ask(path)

    def ask(self, path, body=None):
        """Ask the API, with POST if there is a body."""
        headers = {"content-type": "application/json"}
        login = json.dumps({"username": "asker", "password": "open sesame"}).encode()
        request = urllib.request.Request(f"{self.url}/auth/token", login, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            headers["authorization"] = f"Bearer {json.load(answer)['access_token']}"
        request = urllib.request.Request(
            f"{self.url}{path}", None if body is None else json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def runs(self, dag_id):
        """Return the states of a DAG's runs, by their ids."""
        return {run["dag_run_id"]: run["state"] for run in self.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]}

    def run(self, dag_id, conf=None, *, limit=120):
        """Run a DAG, and return the run's id and its state when it has ended."""
        run_id = self.ask(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf or {}})["dag_run_id"]
        return run_id, self.ended(dag_id, run_id, limit=limit)

    def ended(self, dag_id, run_id, *, limit=120):
        """Wait until a run has ended, and return its state."""

        def state():
            found = self.runs(dag_id)[run_id]
            return found if found in {"success", "failed"} else None

        return until(state, limit)

    def close(self):
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._log.close()
