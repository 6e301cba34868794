"""The architecture: the arrows of the design document hold in the code as it stands, for every module there is."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"adapters": ROOT / "adapters", "operators": ROOT / "operators", "flows": ROOT / "flows"}
ENGINES = {"airflow", "prefect"}
KINDS = ("twine", "workflow", "solver")
LAYERS = [
    {"cli", "testing"},
    {"twine", "workflow", "solver"},
    {"perform", "engine"},
    {
        "unit",
        "host",
        "events",
        "fingerprint",
        "cache",
        "values",
        "storage",
        "schemas",
        "isolation",
        "diagnostics",
        "json_text",
    },
    {"errors", "lazy", "presentation", "streams", "compat"},
]
"""What may import only itself and what stands below it, see "Layout" in the explanation of the architecture."""


def modules(room: str) -> dict[str, Path]:
    """Return every module of a room by its full name."""
    found = {}
    for path in sorted(ROOMS[room].rglob("*.py")):
        parts = path.relative_to(ROOMS[room].parent).with_suffix("").parts
        found[".".join(["fairlead", *(parts[:-1] if parts[-1] == "__init__" else parts)])] = path
    return found


ALL = {name: path for room in ROOMS for name, path in modules(room).items()}


def imported(name: str, path: Path) -> Iterator[str]:
    """Go through all that a module imports, anywhere in it, by full names; also what only type checkers see."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = importlib.util.resolve_name("." * node.level + source, package)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def part_of(name: str) -> str:
    """Return the part of ``fairlead.adapters`` that a module belongs to."""
    return name.split(".")[2] if name.startswith("fairlead.adapters.") else ""


def layer(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def test_there_are_modules_to_look_at():
    assert {"fairlead.adapters.perform", "fairlead.adapters.twine.unit"} <= set(ALL)


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("adapters", {*ENGINES, "fairlead.operators", "fairlead.flows"}),
        ("operators", {"prefect", "fairlead.flows"}),
        ("flows", {"airflow", "fairlead.operators"}),
    ],
)
def test_no_room_imports_what_is_above_it_or_beside_it(room, forbidden):
    for name, path in modules(room).items():
        wrong = [one for one in imported(name, path) for other in forbidden if f"{one}.".startswith(f"{other}.")]
        assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize("name", [name for name in ALL if part_of(name)])
def test_the_arrows_between_the_parts_point_down(name):
    part = part_of(name)
    for one in imported(name, ALL[name]):
        other = part_of(one)
        if other and other != part:
            assert layer(other) >= layer(part), f"{name} imports {one}, which is above it"
            assert not {part, other} <= set(KINDS), f"{name} imports {one}, which is beside it"


def test_every_part_of_the_core_has_its_place_in_the_layers():
    parts = {part_of(name) for name in ALL} - {""}
    assert parts <= set.union(*LAYERS)


def in_fresh_interpreter(program: str) -> list[str]:
    """Return what a program prints as JSON, with nothing imported before it."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd="/")
    return json.loads(done.stdout)


def test_importing_all_of_the_core_imports_neither_engine():
    names = [name for name in modules("adapters") if not name.endswith("__main__")]
    program = f"""
import importlib, json, sys
for name in {names}:
    importlib.import_module(name)
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
    loaded = in_fresh_interpreter(program)
    assert not ENGINES & set(loaded)
    assert "fairlead" in loaded


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a statement adds to those of a bare interpreter."""
    told = "print(json.dumps(sorted(set(sys.modules) - before)))"
    program = f"import sys, json; before = set(sys.modules)\n{statement}\n{told}"
    return set(in_fresh_interpreter(program))


def test_importing_the_core_is_light():
    assert loaded_by("import fairlead.adapters") <= {"fairlead", "fairlead.adapters"}


HEAVY = {
    "jsonschema",
    "referencing",
    "fsspec",
    "numpy",
    "pandas",
    "pyarrow",
    "rich",
    "click",
    "docker",
    "httpx",
    "aiohttp",
    "blake3",
    "sqlalchemy",
    "alembic",
}


@pytest.mark.parametrize(
    "module",
    [
        "perform",
        "cache",
        "fingerprint",
        "values",
        "storage",
        "host",
        "twine",
        "twine.children",
        "twine.children.child",
        "twine.children.backends.airflow",
        "twine.children.backends.prefect",
        "twine.unit",
        "isolation",
        "testing",
        "workflow.library",
        "workflow.pipeline.pipeline",
    ],
)
def test_importing_what_engines_need_loads_no_heavy_client(module):
    loaded = {name.partition(".")[0] for name in loaded_by(f"import fairlead.adapters.{module}")}
    assert not HEAVY & loaded


def test_a_child_process_starts_with_next_to_nothing():
    loaded = loaded_by("import fairlead.adapters.isolation.child, fairlead.adapters.twine.worker")
    assert not (HEAVY | {"dataclasses", "inspect", "subprocess", "asyncio", "pathlib", "typing"}) & loaded


def test_every_name_that_a_package_offers_is_there():
    program = """
import importlib, json
missing = []
for package in (
    "fairlead.adapters.isolation",
    "fairlead.adapters.twine",
    "fairlead.adapters.twine.children",
    "fairlead.adapters.testing",
    "fairlead.adapters.workflow.commands",
    "fairlead.adapters.workflow.pipeline",
    "fairlead.adapters.workflow.records",
):
    module = importlib.import_module(package)
    missing += [f"{package}.{name}" for name in module.__all__ if not hasattr(module, name)]
    try:
        module.nothing_of_this_name
        missing.append(f"{package} has a name that it does not have")
    except AttributeError:
        pass
print(json.dumps(missing))
"""
    assert in_fresh_interpreter(program) == []


@pytest.mark.parametrize("name", ROOMS)
def test_the_folders_are_no_modules_of_their_own(name):
    program = f"""
import importlib.util, json
print(json.dumps([name for name in ["{name}"] if importlib.util.find_spec(name)]))
"""
    assert in_fresh_interpreter(program) == []


@pytest.mark.parametrize("name", ALL)
def test_every_module_says_what_it_is_for(name):
    words = (ast.get_docstring(ast.parse(ALL[name].read_text(encoding="utf-8"))) or "").split()
    assert len(words) > 4, f"{name} has no docstring that says what it is for"
