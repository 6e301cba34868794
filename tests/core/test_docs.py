"""Every page says what is so: its blocks run, its links lead somewhere, and its lists are those of the code.

What needs an engine is run by the test_docs.py of that engine. How a block is proved is told in
tests/documentation.py.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
from pathlib import Path

import click
import pytest

from fairlead.adapters import errors, twine
from fairlead.adapters.cli import exits, fairlead
from fairlead.adapters.isolation import child_process
from tests.documentation import (
    API,
    ENGINES,
    NOT_RUN,
    PAGES,
    ROOT,
    anchors,
    blocks,
    check_api,
    check_outputs,
    is_part,
    links,
)

REFERENCE = ROOT / "docs" / "reference"
BLOCKS = [block for page in PAGES for block in blocks(page)]


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


# Blocks


def test_every_block_is_proved():
    unproved = []
    for before, block in itertools.pairwise([None, *BLOCKS]):
        shows_output = block.is_output and before and before.page == block.page and before.runs
        if not (block.runs or "file" in block.marks or shows_output or block.sets_up):
            unproved.append(str(block))
    assert unproved == []


def test_only_blocks_that_there_are_are_left_out():
    assert [start for start in NOT_RUN if not any(block.text.startswith(start) for block in BLOCKS)] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if "file" in block.marks], ids=str)
def test_a_block_is_what_the_file_holds(block):
    assert is_part(block, ROOT / block.marks["file"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.runs and not block.engine for block in blocks(page))], ids=title
)
def test_what_a_page_runs_prints_what_it_shows(page, tmp_path):
    check_outputs(page, tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_blocks_that_need_an_engine_are_left_to_its_tests(engine):
    assert {block.engine for block in BLOCKS} <= {None, *ENGINES}
    assert (ROOT / "tests" / engine / "test_docs.py").exists()


# Links


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_link_leads_somewhere(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / link).resolve() for link in links(index)}
    assert [title(page) for page in PAGES if page.is_relative_to(index.parent) and page not in {index, *listed}] == []


# Lists


def test_every_error_has_its_place():
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.FairleadError)]
    page, headings = text_of("errors.md"), anchors(REFERENCE / "errors.md")
    assert len(classes) > 1
    for cls in classes:
        assert f" {cls.__name__} " in page or cls is errors.FairleadError
        assert cls.__name__.lower() in headings or cls is errors.FairleadError
        assert [name for name in inspect.signature(cls).parameters if f"`{name}`" not in page] == []


def test_the_errors_that_are_retried_are_told():
    rows = re.findall(r"^\| (`.*?) \| (yes|no) \| (.*?) \|$", text_of("errors.md"), re.MULTILINE)
    told = {name: (retried == "yes", code) for names, retried, code in rows for name in re.findall(r"`(\w+)`", names)}
    for name, (retried, code) in told.items():
        error = getattr(errors, name)
        assert error.retryable == retried, name
        assert code.split()[0] == str(exits.code_of(error.__new__(error))) or error is errors.Cancelled
    leaves = {cls.__name__ for cls in errors.RunFailed.__subclasses__()} | {"ContractError", "StorageFailed"}
    assert leaves == set(told)


def test_every_kind_of_event_is_told_with_its_fields():
    source = ast.parse((ROOT / "adapters" / "events.py").read_text(encoding="utf-8"))
    shapes = [node for node in ast.walk(source) if isinstance(node, ast.ClassDef) and node.name.endswith("Event")]
    page = text_of("events.md")
    assert shapes
    for shape in shapes:
        kind = shape.name.removesuffix("Event").lower()
        section = page.partition(f"\n### {kind}\n")[2].partition("\n##")[0]
        fields = {node.target.id for node in shape.body if isinstance(node, ast.AnnAssign)}
        assert section, kind
        assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == fields - {"fairlead", "kind", "time"}, kind


def test_the_length_at_which_a_line_is_cut_is_told():
    assert f"A line longer than {child_process._LINE_LIMIT >> 10} KiB" in text_of("events.md")


def test_every_command_and_option_is_told():
    page = text_of("cli.md")
    for name, command in _commands(fairlead):
        section = page.partition(f"\n## fairlead {name}\n")[2].partition("\n## ")[0]
        assert section, name
        told = set(re.findall(r"^\| `(?:-\w`, `)?(--[\w-]+)", section, re.MULTILINE))
        options = {option.opts[-1] for option in command.params if isinstance(option, click.Option)}
        assert told == options
    for code, meaning in exits.MEANINGS.items():
        assert f"| {code} | {meaning}" in page


def _commands(group, before=""):
    """Go through all commands, also those of commands."""
    for name, command in group.commands.items():
        yield before + name, command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")


def test_every_environment_variable_is_told():
    page = text_of("environment-variables.md")
    folders = ("adapters", "operators", "flows", "dags", "tests/environment")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".sh"}]
    texts = [path.read_text(encoding="utf-8") for path in [*sources, ROOT / "Makefile"]]
    read = (
        r"""environ(?:\.get\(|\[|\s\|\s\{)\s*["']([A-Z_]+)|getenv\(["']([A-Z_]+)|["'\s{]((?:FAIRLEAD|UV)_[A-Z_]+)\b"""
    )
    names = {name for text in texts for found in re.findall(read, text) for name in found if name}
    assert {name for name in names if f"`{name}`" not in page} - {"UV_VERSION", "UV_PYTHON_DOWNLOADS"} == set()


def test_every_part_of_an_analysis_is_told():
    page = text_of("analysis.md") + text_of("datasets.md")
    for cls in (twine.Analysis, twine.Manifest, twine.Dataset, twine.Datafile):
        section = page.partition(f"\n## {cls.__name__}\n")[2].partition("\n## ")[0]
        names = {name for name in vars(cls) if not (name.startswith("_") or name.isupper())} | _set_in_init(cls)
        assert [name for name in names if not re.search(rf"`{name}[`(]", section)] == [], cls


def _set_in_init(cls):
    source = ast.parse(Path(importlib.import_module(cls.__module__).__file__).read_text(encoding="utf-8"))
    (body,) = [node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    (init,) = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    targets = [node for node in ast.walk(init) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in targets if not node.attr.startswith("_")}


@pytest.mark.parametrize("module", [name for name in API if name.startswith("fairlead.adapters")])
def test_the_api_is_told_as_it_is(module):
    check_api(module, API[module])


def test_every_deviation_names_the_test_that_proves_it():
    rows = re.findall(r"^\|.*\| `(tests/[\w/]+\.py)::(\w+)` \|$", text_of("deviations.md"), re.MULTILINE)
    assert rows
    assert text_of("deviations.md").count("\n|") - 2 * text_of("deviations.md").count("\n|---") == len(rows)
    lines = re.findall(r"^\| (?!subject |---).*$", text_of("deviations.md"), re.MULTILINE)
    assert sorted(lines) == sorted(set(lines))
    for path, name in rows:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_every_benchmark_has_its_row():
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8")
    table = page.partition("<!-- bench -->\n")[2].partition("<!-- /bench -->")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:] if line]
    groups = {group for path in ROOT.glob("tests/benchmarks/test_*.py") for group in _groups(path)}
    assert groups
    assert sorted(rows) == sorted(groups)


def _groups(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.benchmark":
            yield from (ast.literal_eval(word.value) for word in node.keywords if word.arg == "group")


def test_the_machine_of_the_benchmarks_is_told():
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8")
    introduction = page.partition("<!-- bench -->")[0]
    assert re.search(r"measured on\s.*\bcores?\b.*\bmemory\b.*\bPython 3\.\d+", introduction, re.DOTALL)
