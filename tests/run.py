"""Run the parts of the test suite one after the other, each in the environment it needs, and sum them up once.

`python tests/run.py` runs all of them, `python tests/run.py lint core` the named groups. With `--quick`, tests that are
marked as slow are left out, and so is what needs an environment that does not exist. A part that fails does not stop
the next one; a test folder that is missing or holds no test is a failure, so that no part can drop out unnoticed. It
does not make the environments: `make setup` does.
"""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "test-reports"
ENGINE_ROOT = {"airflow": "operators", "prefect": "flows"}


@dataclass(frozen=True)
class Part:
    """One row of the summary: a command, and the folder of its tests if it is a pytest run."""

    group: str
    name: str
    command: list[str]
    tests: Path | None = None


@dataclass
class Result:
    """What became of a part."""

    part: Part
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)


def report_of(group: str) -> Path:
    return REPORTS / f"{group}.xml"


def program(engine: str, name: str) -> str:
    return str(ROOT / f".venv-{engine}" / "bin" / name)


def existing() -> list[str]:
    """The engines whose environments are set up; first the one that does what either could do."""
    return [engine for engine in ("prefect", "airflow") if (ROOT / f".venv-{engine}" / "installed").exists()]


def lint_parts(engine: str) -> Iterator[Part]:
    yield Part("lint", "ruff check", [program(engine, "ruff"), "check", "--output-format=concise"])
    yield Part("lint", "ruff format", [program(engine, "ruff"), "format", "--check"])


def type_parts(engines: list[str]) -> Iterator[Part]:
    for engine in engines:
        root = ENGINE_ROOT[engine]
        # Programs that use the API as users do; those named for one engine's root are checked where that engine is.
        other = next(name for name in ENGINE_ROOT.values() if name != root)
        uses = [str(path) for path in sorted((ROOT / "tests/typing").glob("*.py")) if not path.name.startswith(other)]
        mypy = [program(engine, "mypy"), "--cache-dir", f".mypy_cache/{engine}"]
        yield Part("types", f"mypy {engine}", [*mypy, "-p", "fairlead.adapters", "-p", f"fairlead.{root}"])
        if uses:
            yield Part("types", f"mypy {engine} uses", [*mypy, *uses])
        pyright = [program(engine, "pyright"), "--pythonpath", program(engine, "python")]
        checked = [f"build/types/fairlead/{name}" for name in ("adapters", root)]
        yield Part("types", f"pyright {engine}", [*pyright, *checked, *uses])


def test_parts(engine_of_core: str, *, quick: bool) -> Iterator[Part]:
    for group, engine, *options in (
        ("core", engine_of_core, "-n", "2", "-p", "no:benchmark", *(["-m", "not slow"] if quick else [])),
        ("airflow", "airflow"),
        ("prefect", "prefect"),
        ("contract", "prefect"),
        ("packaging", "prefect"),
    ):
        folder = ROOT / "tests" / group
        command = [program(engine, "pytest"), str(folder), f"--junitxml={report_of(group)}", *options]
        yield Part(group, f"{group} tests", command, folder)


def run(part: Part, environment: dict[str, str]) -> Result:
    """Run one part with its output going straight to the terminal."""
    print(f"\n=== {part.name} ===", flush=True)
    if part.tests and not any(part.tests.rglob("test_*.py")):
        return Result(part, failed=1, remarks=[f"no tests in {part.tests.relative_to(ROOT)}"])
    report_of(part.group).unlink(missing_ok=True)
    start = time.monotonic()
    code = subprocess.run(part.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    result = Result(part, seconds=time.monotonic() - start)
    if part.tests:
        read_report(result)
    else:
        result.passed, result.failed = int(code == 0), int(code != 0)
    if code and not result.failed:
        # Such as an interpreter that died, or a plug-in that failed after the last test.
        result.failed = 1
        result.remarks.append(f"ended with exit code {code}")
    return result


def read_report(result: Result) -> None:
    """Count the tests in a junit report and note the names of those that did not pass."""
    report = report_of(result.part.group)
    if not report.exists():
        result.failed = 1
        result.remarks.append("ended without a report")
        return
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if (skip := case.find("skipped")) is not None:
            result.skipped += 1
            result.remarks.append(f"skipped {name}: {skip.get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
            result.remarks.append(f"failed {name}")
        else:
            result.passed += 1
    if not result.passed + result.failed + result.skipped:
        result.failed = 1
        result.remarks.append("no test ran")


def summarise(results: list[Result]) -> str:
    width = max(len(result.part.name) for result in results)
    lines = [f"{'part':{width}}  result  passed  failed  skipped  seconds"]
    for result in results:
        verdict = "FAILED" if result.failed else "ok"
        lines.append(
            f"{result.part.name:{width}}  {verdict:6}  {result.passed:6}  {result.failed:6}  {result.skipped:7}"
            f"  {result.seconds:7.1f}"
        )
    remarks = [f"{result.part.name}: {remark}" for result in results for remark in result.remarks]
    total = [sum(getattr(result, kind) for result in results) for kind in ("passed", "failed", "skipped")]
    last = "Total: {} passed, {} failed, {} skipped".format(*total)
    return "\n".join(["", *lines, "", *remarks, *([""] if remarks else []), last])


def main(words: list[str]) -> int:
    quick = "--quick" in words
    groups = [word for word in words if word != "--quick"]
    engines = existing() if quick else ["prefect", "airflow"]
    if not engines:
        sys.exit("there are no environments yet; make them first: make setup")
    parts = [*lint_parts(engines[0]), *type_parts(engines), *test_parts(engines[0], quick=quick)]
    known = list(dict.fromkeys(part.group for part in parts))
    if unknown := sorted(set(groups) - set(known)):
        sys.exit(f"no such group: {', '.join(unknown)}; there are {', '.join(known)}")
    # What is started in the background ignores these, and so would every program below it; tests send them.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    REPORTS.mkdir(parents=True, exist_ok=True)
    results = [run(part, environment) for part in parts if not groups or part.group in groups]
    print(summarise(results), flush=True)
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
