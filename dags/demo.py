"""Run two wind studies in a terminal, as Prefect flows and as Airflow DAGs, and show that the three agree.

The first is a twine app: the wind resource at a turbine's hub. The second is a workflow on the same weather: a map over
turbine types, a search for a layout, a decision. All hosts share one result cache, `build/demo/cache`: what the first
computes, the others find. With FAIRLEAD_DEMO_FRESH=1 each has an empty cache of its own and computes. `make demo` runs
this in the Prefect environment; Airflow runs in its own. The engines write to temporary folders, and nothing that is
started here outlives this program.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fairlead.adapters.cli.terminal import printable
from fairlead.adapters.isolation import process_tree

DAGS = Path(__file__).resolve().parent
ROOT = DAGS.parent
APP = DAGS / "apps" / "wind_resource"
DEMO = ROOT / "build" / "demo"
PREFECT = ROOT / ".venv-prefect" / "bin"
AIRFLOW = ROOT / ".venv-airflow" / "bin"
FRESH = os.environ.get("FAIRLEAD_DEMO_FRESH", "") not in {"", "0"}

console = Console(highlight=False)


@dataclass
class Study:
    """What came of the studies in one host."""

    host: str
    outcome: dict[str, Any]
    """Of the wind resource."""
    farm: dict[str, Any]
    """The report of the wind farm."""
    made: int
    """How many results the wind farm has added to the cache: of turbine types, of iterations, of the weather."""
    seconds: float
    """How long both took, the host's own start and end included."""

    @property
    def result(self) -> str:
        """What has to be identical: every output value, every file by its content, and the report."""
        values = self.outcome["outputs"]["output_values"]
        return json.dumps([values, {file["name"]: file["digest"] for file in self.outcome["files"]}, self.farm])


class StepFailed(Exception):
    """A program of the demo did not do its part."""


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    shutil.rmtree(DEMO / "fresh", ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix="fairlead-demo-") as scratch:
            studies = [in_terminal(), in_prefect(Path(scratch)), in_airflow(Path(scratch))]
    except StepFailed as failure:
        console.print(f"[bold red]The demo failed.[/] {escape(str(failure))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has been stopped.")
        return 130
    console.print()
    console.print("[bold]The wind resource[/], a twine app")
    console.print(table_of(studies))
    console.print()
    console.print("[bold]The wind farm[/], a workflow of maps, iterations and branches")
    console.print(farm_table_of(studies))
    console.print(f"Decision: {escape(studies[0].farm['decision'])}")
    console.print()
    problems = disagreements(studies)
    for problem in problems:
        console.print(f"[bold red]{problem}[/]")
    if not problems:
        console.print(f"[green]Results and fingerprints are identical.[/] {account_of(studies)}")
    chart = DEMO / "wind_rose.png"
    shutil.copyfile(
        next(file["location"] for file in studies[0].outcome["files"] if file["name"].endswith(".png")), chart
    )
    console.print("The chart of the study:", Text(str(chart)), soft_wrap=True)
    return int(bool(problems))


def in_terminal() -> Study:
    """Call the `fairlead` command, as one would type it."""
    pvlib = find_spec("pvlib")
    if pvlib is None or pvlib.origin is None:
        raise StepFailed("pvlib, which brings the weather, is not installed here. Run: make demo")
    weather = Path(pvlib.origin).parent / "data" / "703165TY.csv"
    command = [PREFECT / "fairlead", "run", APP, "--json"]
    command += ["--input-values", APP / "data" / "input_values.json"]
    command += ["--input-manifest", json.dumps({"datasets": {"weather": {"files": [str(weather)]}}})]
    command += ["--configuration-values", APP / "data" / "configuration_values.json"]
    farm = [PREFECT / "fairlead", "workflow", "run", f"{DAGS / 'wind_farm.py'}:wind_farm", "--json"]
    console.print("[bold]1 of 3  Terminal:[/] fairlead run dags/apps/wind_resource …")
    console.print("                  fairlead workflow run dags/wind_farm.py:wind_farm")
    settings = environment("terminal")
    start = time.monotonic()
    outcome = answer_of(command, settings, "wind_resource")
    before = results_in(settings)
    report = answer_of(farm, settings, "wind_farm")["outputs"]["report"]
    return Study("Terminal", outcome, report, results_in(settings) - before, time.monotonic() - start)


def answer_of(command: list[Any], settings: dict[str, str], name: str) -> dict[str, Any]:
    """Return what a command prints as JSON, which is also kept among the logs."""
    answer = DEMO / "logs" / f"terminal_{name}.json"
    answer.parent.mkdir(parents=True, exist_ok=True)
    with answer.open("w") as stdout:
        code = run(command, settings, stdout=stdout)
    if code:
        raise StepFailed(f"The command ended with exit code {code}; what it said is above.")
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def results_in(settings: dict[str, str]) -> int:
    """Return how many results are in the cache of a host."""
    return sum(1 for _ in Path(settings["FAIRLEAD_CACHE"]).glob("??/*/outcome.json"))


def in_prefect(scratch: Path) -> Study:
    """Run the flows of wind_resource_flow.py and wind_farm_flow.py on servers that live as long as they do."""
    settings = environment("prefect") | {
        "PREFECT_HOME": str(scratch / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    console.print("[bold]2 of 3  Prefect:[/] dags/wind_resource_flow.py and wind_farm_flow.py, on an ephemeral server")
    steps = {"starting a server, running the flows": [PREFECT / "python", __file__, "flow", scratch / "Prefect"]}
    return in_engine("Prefect", scratch, settings, steps)


def in_airflow(scratch: Path) -> Study:
    """Run the DAGs of wind_resource_dag.py and wind_farm_dag.py with `dag.test()` and a database in a file."""
    settings = environment("airflow") | {
        "AIRFLOW_HOME": str(scratch / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    console.print("[bold]3 of 3  Airflow:[/] dags/wind_resource_dag.py and wind_farm_dag.py, with dag.test() on SQLite")
    steps = {
        "creating the database": [AIRFLOW / "airflow", "db", "migrate"],
        "running the DAGs": [AIRFLOW / "python", __file__, "dag", scratch / "Airflow"],
    }
    return in_engine("Airflow", scratch, settings, steps)


def in_engine(host: str, scratch: Path, settings: dict[str, str], steps: dict[str, list[Any]]) -> Study:
    """Run the steps of a host one after the other, the last of which leaves the outcome in the scratch folder."""
    start = time.monotonic()
    log = DEMO / "logs" / f"{host.lower()}.log"
    with log.open("w") as stdout:
        for step, command in steps.items():
            if not Path(command[0]).exists():
                raise StepFailed(f"{command[0]} is not there. Run: make setup")
            code = run(command, settings, watched=(step, log), stdout=stdout, stderr=subprocess.STDOUT)
            if code:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise StepFailed(f"{host}, {step}: it ended with exit code {code}.\n{tail}\nThe whole log: {log}")
    return Study(host, **json.loads((scratch / host).read_text()), seconds=time.monotonic() - start)


def run(
    command: list[Any], settings: dict[str, str], *, watched: tuple[str, Path] | None = None, **streams: Any
) -> int:
    """Run a program to its end and return its exit code; nothing that it started lives on.

    While it runs, the name of the step and the last line of its log are shown, if they are given as ``watched``.
    """
    mark = uuid.uuid4().hex
    marks = process_tree.environment(mark)[process_tree.MARK]
    process = None
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            env=settings | {process_tree.MARK: marks},
            start_new_session=True,
            **streams,
        )
        if watched is None:
            return process.wait()
        step, log = watched
        start = time.monotonic()
        with console.status(step) as status:
            while process.poll() is None:
                line = f"{step}, {time.monotonic() - start:.0f} s  {last_line(log)}"
                status.update(Text(line[: console.width - 3], "dim"))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        return process.returncode
    finally:
        if process is not None:
            process_tree.stop(process, mark, 5)
        for started in process_tree.marked(mark):  # Ctrl-C may come in the midst of a start
            with contextlib.suppress(ProcessLookupError):
                os.kill(started, signal.SIGKILL)


def last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2000))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return printable(lines[-1]) if lines else ""


def environment(host: str) -> dict[str, str]:
    """Return this environment without the user's settings of either engine, and with the cache of a host."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PREFECT_"))}
    local = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    cache = DEMO / "fresh" / host if FRESH else DEMO / "cache"
    return kept | {"FAIRLEAD_CACHE": str(cache), "NO_PROXY": local, "no_proxy": local}


def table_of(studies: list[Study]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("Host", "Mean\nspeed\n[m/s]", "Weibull\nA\n[m/s]", "Weibull\nk", "Power\ndensity\n[W/m2]"):
        table.add_column(Text(heading), justify="left" if heading == "Host" else "right")
    for heading in ("Fingerprint", "Result"):
        table.add_column(heading)
    table.add_column(Text("Work\n[s]"), justify="right")
    for study in studies:
        outcome, values = study.outcome, study.outcome["outputs"]["output_values"]
        table.add_row(
            study.host,
            *(f"{values[name]:.4g}" for name in ("mean_wind_speed", "weibull_a", "weibull_k", "power_density")),
            outcome["fingerprint"][:12],
            "[green]cache hit[/]" if outcome["cached"] else "computed",
            f"{outcome['seconds']:.2f}",
        )
    return table


def farm_table_of(studies: list[Study]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("Host", "Turbine"):
        table.add_column(heading)
    for heading in ("Capacity\nfactor", "Lost in\nwakes", "Iterations", "Results\ncomputed"):
        table.add_column(Text(heading), justify="right")
    table.add_column(Text("Both\n[s]"), justify="right")
    for study in studies:
        farm = study.farm
        table.add_row(
            study.host,
            farm["turbine"],
            f"{farm['net_capacity_factor']:.1%}",
            f"{farm['wake_loss']:.2%}",
            str(farm["iterations"]),
            str(study.made) if study.made else "[green]none[/]",
            f"{study.seconds:.1f}",
        )
    return table


def disagreements(studies: list[Study]) -> list[str]:
    """Return what does not hold: one result, one fingerprint, and each cache hit where it should be."""
    problems = []
    if len({study.result for study in studies}) > 1:
        problems.append("The results differ.")
    if len({study.outcome["fingerprint"] for study in studies}) > 1:
        problems.append("The fingerprints differ.")
    expected = "computed" if FRESH else "found the results in the cache"
    unlike = [
        study.host
        for study in (studies if FRESH else studies[1:])
        if study.outcome["cached"] == FRESH or bool(study.made) != FRESH
    ]
    return problems + [f"{host} should have {expected}." for host in unlike]


def account_of(studies: list[Study]) -> str:
    if FRESH:
        return "Each host computed, with an empty cache of its own."
    if studies[0].outcome["cached"]:
        return "All three found in the cache what an earlier demo had computed (FAIRLEAD_DEMO_FRESH=1 computes anew)."
    return "The terminal computed; Prefect and Airflow found its result in the cache that they share."


def run_flow() -> dict[str, Any]:
    from wind_farm_flow import wind_farm
    from wind_resource_flow import wind_resource

    outcome = wind_resource()
    before = results_in(dict(os.environ))
    report = wind_farm()["report"]
    return {"outcome": outcome, "farm": report, "made": results_in(dict(os.environ)) - before}


def run_dag() -> dict[str, Any]:
    import wind_farm_dag
    import wind_resource_dag

    outcome = xcom_of(wind_resource_dag.dag, "wind_resource")
    before = results_in(dict(os.environ))
    report = xcom_of(wind_farm_dag.dag, "report")["report"]
    return {"outcome": outcome, "farm": report, "made": results_in(dict(os.environ)) - before}


def xcom_of(dag: Any, task: str) -> dict[str, Any]:
    """Run a DAG and return what one of its tasks has returned."""
    run = dag.test()
    if run.state != "success":
        sys.exit(f"The run of the DAG {dag.dag_id} ended as {run.state}.")
    found: dict[str, Any] = run.get_task_instance(task).xcom_pull(task_ids=task)
    return found


if __name__ == "__main__":
    if sys.argv[1:]:
        # What the engines' processes do: see in_prefect and in_airflow.
        Path(sys.argv[2]).write_text(json.dumps({"flow": run_flow, "dag": run_dag}[sys.argv[1]]()))
    else:
        sys.exit(main())
