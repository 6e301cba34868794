"""Reads the pages of the documentation and runs what stands in them, so that no page shows what nobody has run.

Every fenced block is proved. Its language, and comments right above it, tell how:

- ``<!-- file: PATH -->``: it is that file of the repository, or successive lines of it;
- ``sh`` and ``python``: it is run, in the order of the page, in one shell, in a fresh copy of what a clone holds; it
  must end with 0, or as ``<!-- exit: 3 -->`` says; ``<!-- with: prefect -->`` leaves it to that engine's tests;
- ``<!-- save: PATH -->``: it is written to that file, for the blocks that follow;
- anything else is what the block before it prints on both streams. There, ``…`` stands for any text in a line, alone
  for any lines. Times and durations may differ, and so may digests, as long as equal ones stay equal and no others are.

`check_api` compares the names and signatures that the page of the API lists with the code. Of what other pages say,
this module knows nothing.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.joinpath("docs").rglob("*.md"), *ROOT.glob("README.md")])
ENGINES = ("airflow", "prefect")
NOT_RUN = {
    "make setup": "changes the clone; run by tests/packaging",
    "make demo": "run by tests/contract; and it stands beside make test",
    "pip install": "changes the environment",
}
"""How blocks of ``sh`` begin that are not run, and why."""

API = {
    module: dict(re.findall(r"^- `(\w+)(.*?)`:", section, re.MULTILINE))
    for module, section in re.findall(
        r"^## (fairlead\.[\w.]+)\n(.*?)(?=^## |\Z)",
        ROOT.joinpath("docs/reference/python-api.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}

_PARTS_OF_A_CLONE = ("dags", "docs")
_FENCE = re.compile(r"((?:^ *<!--[^\n]*-->\n)*)^( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (file|save|with|exit): (.+?) -->")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_VOLATILE = re.compile(
    r"""(?P<date>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\+00:00|\.\d+Z))
      | (?P<clock>\b\d\d:\d\d:\d\d(?:\.\d+)?\b)
      | (?P<log>\b\d{8}T\d{6}Z-[0-9a-f]{8}\b)
      | (?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)
      | (?P<digest>\b(?:[0-9a-f]{2}/)?(?=\d*[a-f])[0-9a-f]{12,64}\b)
      | (?P<epoch>\b\d{10}\.\d+\b)
      | (?P<duration>\b\d+(?:\.\d+)?(?:e-\d+)?\ (?:ms|s|min)\b)""",
    re.VERBOSE,
)
_SHAPES = {
    "clock": r"\d\d:\d\d:\d\d(?:\.\d+)?",
    "log": r"\d{8}T\d{6}Z-[0-9a-f]{8}",
    "uuid": r"[0-9a-f-]{36}",
    "digest": r"((?:[0-9a-f]{2}/)?[0-9a-f]{12,64})",
    "date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\+00:00|\.\d+Z)",
    "epoch": r"\d{10}\.\d+",
    "duration": r"\d+(?:\.\d+)?(?:e-\d+)? (?:ms|s|min)",
}


@dataclass(frozen=True, eq=False)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        return "save" in self.marks or (
            self.language in {"sh", "python"} and "file" not in self.marks and not self.sets_up
        )

    @property
    def sets_up(self) -> bool:
        return self.text.startswith(tuple(NOT_RUN))

    @property
    def is_output(self) -> bool:
        return not self.marks and self.language not in {"sh", "python"}

    @property
    def engine(self) -> str | None:
        return self.marks.get("with")


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start(3)) + 1,
            language=found[3],
            text=textwrap.dedent(found[4]),
            marks=dict(_MARK.findall(found[1])),
        )
        for found in _FENCE.finditer(text)
    ]


def links(page: Path) -> Iterator[str]:
    """Return where the links of a page lead."""
    yield from _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the fragments by which GitHub finds the headings of a page."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_part(block: Block, path: Path) -> bool:
    """Tell whether a block is a file, or successive lines of it, however far they are indented there."""
    wanted = block.text.splitlines()
    lines = path.read_text(encoding="utf-8").splitlines()
    parts = ("\n".join(lines[start : start + len(wanted)]) for start in range(len(lines) - len(wanted) + 1))
    return any(textwrap.dedent(part).splitlines() == wanted for part in parts)


def check_api(name: str, listed: dict[str, str]) -> None:
    """Compare names and signatures with those of a module: all of them, if it says what is public."""
    module = importlib.import_module(name)
    for public in set(getattr(module, "__all__", ())) | listed.keys():
        assert listed.get(public) == _signature(getattr(module, public)), f"{name}.{public}"


def _signature(thing: Any) -> str:
    if not callable(thing):
        return ""
    if getattr(thing, "_is_protocol", False) or (isinstance(thing, type) and issubclass(thing, Exception)):
        return ""
    full = inspect.signature(thing)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in full.parameters.values()]
    bare = full.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return str(bare).replace(repr(sys.executable), "sys.executable")


def check_outputs(page: Path, home: Path, engine: str | None = None) -> None:
    """Run a page and compare what its blocks print with what it shows."""
    digests: dict[str, str] = {}
    for shown, printed in run_page(page, home, engine):
        _compare(shown, printed, digests)


def run_page(page: Path, home: Path, engine: str | None = None) -> list[tuple[Block, str]]:
    """Run a page's blocks in a new home folder, but for those of other engines; return each output, shown and real."""
    found = blocks(page)
    chosen = [block for block in found if block.runs and block.engine in {None, engine}]
    clone = home / "fairlead"
    for part in _PARTS_OF_A_CLONE:
        shutil.copytree(ROOT / part, clone / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ENGINES:
        if (ROOT / f".venv-{name}").exists():
            (clone / f".venv-{name}").symlink_to(ROOT / f".venv-{name}")
    printed = _run(chosen, clone, engine or "prefect")
    return [
        (following, printed[block].replace(str(home), "~"))
        for block, following in itertools.pairwise(found)
        if block in printed and following.is_output
    ]


def _run(chosen: list[Block], clone: Path, engine: str) -> dict[Block, str]:
    """Run blocks one after the other in one shell; return what each printed."""
    scripts = clone.parent / ".blocks"
    scripts.mkdir()
    divider = "----- block "
    program = ["set -e"]
    for number, block in enumerate(chosen):
        path = scripts / f"{number}.{block.language}"
        path.write_text(block.text, encoding="utf-8")
        command = f'. "{path}"' if block.language == "sh" else f'python "{path}"'
        if "save" in block.marks:
            command = f'mkdir -p "$(dirname "{block.marks["save"]}")"; cp "{path}" "{block.marks["save"]}"'
        if "exit" in block.marks:
            command = f"set +e\n{command}\n[ $? = {block.marks['exit']} ] || exit\nset -e"
        program += [f'printf "\\n{divider}{number}\\n"', command]
    done = subprocess.run(
        ["sh", "-c", "\n".join(program)],
        check=False,
        cwd=clone,
        env=_environment(clone.parent, engine),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    parts = done.stdout.split(f"\n{divider}")[1:]
    if done.returncode or len(parts) < len(chosen):
        message = f"{chosen[len(parts) - 1]}: ended with {done.returncode} after printing\n{parts[-1]}"
        raise AssertionError(message)
    return {block: part.partition("\n")[2] for block, part in zip(chosen, parts, strict=True)}


def _environment(home: Path, engine: str) -> dict[str, str]:
    """Return the environment of a reader who has just logged in, with an engine's environment activated."""
    foreign = ("FAIRLEAD", "PYTHON", "XDG_", "AIRFLOW", "PREFECT", "PYTEST", "COV_", "MPL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{ROOT / f'.venv-{engine}' / 'bin'}:{os.environ['PATH']}"
    return kept | {
        "HOME": str(home),
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "PYTHONUNBUFFERED": "1",  # both streams are read as one
        "MPLCONFIGDIR": str(ROOT / "build" / "matplotlib"),  # fonts are looked up once for all runs
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # tests tell nobody that they run
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # beside other tests
    }


def _compare(shown: Block, printed: str, digests: dict[str, str]) -> None:
    """Compare what a page shows with what was printed; ``digests`` pairs those shown so far with the real ones."""
    pattern, named = _pattern(shown.text)
    found = re.fullmatch(pattern, printed.rstrip() + "\n")
    message = f"{shown} does not show what is printed:\n{printed}"
    assert found, message
    for pair in zip(named, found.groups(), strict=True):
        ours, real = (digest.rpartition("/")[2][:12] for digest in pair)
        assert digests.setdefault(ours, real) == real, f"{shown}: {ours} stands for {digests[ours]} and for {real}"
    assert len(set(digests.values())) == len(digests), f"{shown}: different digests stand for the same one"


def _pattern(text: str) -> tuple[str, list[str]]:
    """Return an expression for what a block shows, with a group for each digest, and those digests."""
    named: list[str] = []
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*?")
            continue
        pattern, end = "", 0
        for found in _VOLATILE.finditer(line):
            kind = found.lastgroup or ""
            if kind == "digest":
                named.append(found[0])
            pattern += _literal(line[end : found.start()]) + _SHAPES[kind]
            end = found.end()
        lines.append(pattern + _literal(line[end:]) + r"\n")
    return "".join(lines), named


def _literal(text: str) -> str:
    return r"[^\n]*?".join(re.escape(part) for part in text.split("…"))
