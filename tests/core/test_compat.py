"""Served packages: code that imports octue and twined runs on ours where they are absent, and nowhere else."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from fairlead.adapters import compat
from fairlead.adapters.compat.finder import Finder
from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.twine.octue_names import ABSENT, MODULES
from fairlead.adapters.twine.resources.datafile import Datafile
from tests.stores import NEWEST, PEERS, needs

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("-m", "fairlead.adapters.compat")

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def served():
    """Have the packages served in this process, too; nothing is installed that this could stand before."""
    compat.install()


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run Python in an empty folder, with ``installed`` packages (source by file name) and variables."""

    def run(*arguments: str, installed: dict[str, str] | None = None, **environment: str):
        site, work = tmp_path / "site", tmp_path / "work"
        for folder in (site, work):
            folder.mkdir(exist_ok=True)
        for name, source in (installed or {}).items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
        return subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, cwd=work, env=variables, check=False
        )

    return run


# What is served, and when


def test_a_package_that_is_absent_is_served(python):
    program = "from octue.resources import Datafile; print(Datafile.__module__)"
    assert "No module named 'octue'" in python("-c", program).stderr
    assert python(*COMMAND, "-c", program).stdout == "fairlead.adapters.twine.resources.datafile\n"


INSTALLED = {"octue/__init__.py": "", "octue/runner.py": "Runner = 'the real one'", "octue/extra.py": "X = 1"}
ASK = "import octue.runner; print(octue.runner.Runner)"


def test_a_package_that_is_installed_is_left_alone(python):
    done = python(*COMMAND, "-c", f"{ASK}; import octue.extra; print(octue.extra.X)", installed=INSTALLED)
    assert done.stdout == "the real one\n1\n"


def test_what_an_installed_package_lacks_is_not_served(python):
    assert (
        "No module named 'octue.resources'"
        in python(*COMMAND, "-c", "import octue.resources", installed=INSTALLED).stderr
    )


PREFER = "import octue.resources.tag; print(octue.resources.tag.__name__)"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ((*COMMAND, "--prefer", "-c", PREFER), {}),
        ((*COMMAND, "-c", PREFER), {"FAIRLEAD_COMPAT": "prefer"}),
        (("-c", f"from fairlead.adapters import compat; compat.install('octue', prefer=True); {PREFER}"), {}),
    ],
    ids=["option", "variable", "argument"],
)
def test_ours_is_preferred_where_that_is_asked_for(python, arguments, environment):
    done = python(*arguments, installed=INSTALLED, **environment)
    assert done.stdout == "fairlead.adapters.twine.resources.tag\n", done.stderr


def test_ours_cannot_be_preferred_to_what_is_imported_already(python):
    program = "import octue; from fairlead.adapters import compat; compat.install(prefer=True)"
    done = python("-c", program, installed=INSTALLED)
    assert "ImportError: octue has been imported already, from " in done.stderr
    assert "Prefer ours before the first import of it." in done.stderr


def test_ours_may_be_preferred_when_it_is_served_already(python):
    program = "import octue; from fairlead.adapters import compat; compat.install(prefer=True); print('fine')"
    assert python(*COMMAND, "-c", program).stdout == "fine\n"


def test_a_mere_folder_of_that_name_hides_nothing(python):
    done = python(*COMMAND, "-c", "from octue.resources import Dataset; print('ours')", installed={"octue/.env": ""})
    assert done.stdout == "ours\n", done.stderr


def test_only_what_is_named_is_served(python):
    program = "from fairlead.adapters import compat; compat.install('twined'); import octue"
    assert "No module named 'octue'" in python("-c", program).stderr


def test_an_unknown_package_is_answered_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"octopus: no package that can be served\. There are: octue, outflow, twined\."
    ):
        compat.install("octopus")


def test_another_value_of_the_variable_is_refused(monkeypatch):
    monkeypatch.setenv("FAIRLEAD_COMPAT", "yes")
    with pytest.raises(InputInvalid, match=r"FAIRLEAD_COMPAT[^']*'yes' is unknown[^']*'prefer'"):
        compat.install()


def test_a_served_package_does_not_pretend_to_be_installed():
    importlib.import_module("octue")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("octue")


# What it is


WHOLE = [name for name, entry in MODULES.items() if isinstance(entry, str)]
MADE = [name for name, entry in MODULES.items() if not isinstance(entry, str)]


@pytest.mark.parametrize("name", WHOLE)
def test_a_served_module_is_our_very_module_and_stays_what_it_is(name):
    ours = importlib.import_module(MODULES[name])
    spec = ours.__spec__
    assert importlib.import_module(name) is ours
    assert (ours.__name__, ours.__spec__) == (MODULES[name], spec)
    assert sys.modules[MODULES[name]] is ours


@pytest.mark.parametrize("name", MADE)
def test_every_name_of_a_served_package_is_there(name):
    package = importlib.import_module(name)
    assert {*MODULES[name]} == {*package.__all__} <= {*dir(package)}
    for each, module in MODULES[name].items():
        assert getattr(package, each) is getattr(importlib.import_module(module), each)


def test_modules_of_a_package_need_no_import_of_their_own(python):
    program = (
        "import octue; print(octue.resources.datafile.Datafile.__name__, octue.utils.threads.RepeatingTimer.__name__)"
    )
    assert python(*COMMAND, "-c", program).stdout == "Datafile RepeatingTimer\n"


def test_a_patch_by_the_served_name_reaches_what_ours_use(tmp_path):
    with patch("octue.resources.datafile.Datafile.to_primitive", return_value="patched"):
        assert Datafile(str(tmp_path / "x")).to_primitive() == "patched"
    assert Datafile(str(tmp_path / "x")).to_primitive() != "patched"


def test_threads_that_import_at_the_same_time_get_the_same(python):
    program = """
    import threading
    found, start = set(), threading.Barrier(8)

    def look():
        start.wait()
        from octue.resources import Dataset
        import octue.resources.dataset
        found.add((Dataset, octue.resources.dataset.Dataset))

    threads = [threading.Thread(target=look) for _ in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    print(len(found))
    """
    done = python(*COMMAND, "-c", textwrap.dedent(program))
    assert done.stdout == "1\n", done.stderr


def test_importing_a_served_package_loads_next_to_nothing(python):
    program = "import sys; before = set(sys.modules); import octue, twined; print(*sorted(set(sys.modules) - before))"
    done = python(*COMMAND, "-c", program)
    loaded = done.stdout.split()
    assert [name for name in loaded if not name.startswith(("octue", "twined", "fairlead"))] == [], done.stderr
    assert len(loaded) <= 8


def test_installing_reads_no_table(python):
    program = (
        "import sys; from fairlead.adapters import compat; compat.install(); print('octue_names' in str(sys.modules))"
    )
    assert python("-c", program).stdout == "False\n"


# What is not there


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "import octue.cloud.storage.client",
            ["octue is served by fairlead, which has no octue.cloud.storage", "In octue.cloud there are:", "fsspec"],
        ),
        ("from octue.cloud.storage import GoogleCloudStorageClient", ["no octue.cloud.storage", "fsspec"]),
        ("from octue.resources import Service", ["has no octue.resources.Service", "Analysis, Child, Datafile"]),
        ("from octue import nothing", ["has no octue.nothing", "Runner"]),
        ("import twined.nothing", ["twined is served by fairlead", "has no twined.nothing"]),
    ],
)
def test_an_import_of_what_is_absent_says_so_and_names_what_there_is(statement, words):
    with pytest.raises(ModuleNotFoundError) as caught:
        exec(statement)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("octue", "octue is served by fairlead, which has no octue.nothing. In octue there are: Runner"),
        (
            "octue.utils.threads",
            "served as octue.utils.processes and octue.utils.threads, has no 'nothing'. It has: ",
        ),
    ],
)
def test_an_attribute_that_is_absent_is_told_likewise(module, words):
    served = importlib.import_module(module)
    assert not hasattr(served, "nothing")
    with pytest.raises(AttributeError, match=re.escape(words)):
        _ = served.nothing


def test_a_name_that_is_known_to_be_absent_from_a_module_is_told_in_an_import():
    with pytest.raises(ImportError, match=r"fairlead\.adapters\.twine\.runner, .* has no 'AppFrom'\. .* Give 'Runner'"):
        exec("from octue.runner import AppFrom")


def test_a_finder_leaves_all_other_names_alone():
    finder = Finder()
    finder.serve("octue", "fairlead.adapters.twine.octue_names", prefer=False)
    assert finder.find_spec("json") is None
    assert finder.find_spec("octueish") is None


NAMES_OF = """
import ast, importlib.util, json, pathlib
names = {}
for package in filter(importlib.util.find_spec, ("octue", "twined")):
    root = pathlib.Path(importlib.util.find_spec(package).origin).parent
    for path in root.rglob("*.py"):
        parts = (package, *path.relative_to(root).with_suffix("").parts)
        if {"templates", "migrations"} & set(parts):
            continue
        tree = ast.parse(path.read_text())
        found = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        for node in tree.body:
            if path.name == "__init__.py" and isinstance(node, ast.ImportFrom):
                found += [alias.asname or alias.name for alias in node.names]
        names[".".join(parts[:-1] if path.name == "__init__.py" else parts)] = [n for n in found if n[0] != "_"]
print(json.dumps(names))
"""


@pytest.mark.parametrize("environment", [PEERS, NEWEST], ids=["0.38.1", "0.69.1"])
def test_every_name_of_the_real_packages_is_served_or_told(environment):
    python = needs(environment / "bin" / "python", "octue")
    done = subprocess.run([python, "-c", NAMES_OF], capture_output=True, text=True, check=True, cwd="/")
    real = json.loads(done.stdout)
    assert "Datafile" in real["octue.resources.datafile"]
    missing = [
        f"{module}.{name}" for module, names in real.items() for name in names if not _served_or_told(module, name)
    ]
    assert missing == []


def _served_or_told(module, name):
    if f"{module}.{name}" in ABSENT:
        return True
    if module in MODULES:
        return hasattr(importlib.import_module(module), name)
    parts = module.split(".")
    return any(".".join(parts[:length]) in ABSENT for length in range(2, len(parts) + 1))


# The command


PROBE = """
import json, sys
import octue
print(json.dumps([__name__, sys.argv, sys.path[0], "__file__" in globals(), __spec__ and __spec__.name]))
sys.exit(7)
"""


@pytest.mark.parametrize(
    "arguments",
    [("-c", PROBE, "-x", "y"), ("probe.py", "a", "--prefer"), ("-m", "probe", "a"), ("-m", "pack")],
    ids=["code", "file", "module", "package"],
)
def test_a_program_is_run_as_python_runs_it(python, tmp_path, arguments):
    work = tmp_path / "work"
    (work / "pack").mkdir(parents=True)
    for path in (work / "probe.py", work / "pack" / "__main__.py"):
        path.write_text(PROBE)
    (work / "pack" / "__init__.py").touch()
    stand_in = {"octue/__init__.py": ""}
    expected = python(*arguments, installed=stand_in)
    done = python(*COMMAND, *arguments, installed=stand_in)
    assert (done.returncode, json.loads(done.stdout)) == (7, json.loads(expected.stdout)), done.stderr


def test_an_exception_ends_the_program_as_python_does(python):
    done = python(*COMMAND, "-c", "raise RuntimeError('told')")
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: told\n")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [((), "no program"), (("-m",), "-m is no option, or its value is missing"), (("-x",), "-x is no option")],
)
def test_a_command_line_without_a_program_is_answered_with_the_usage(python, arguments, word):
    done = python(*COMMAND, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m fairlead.adapters.compat")
    assert word in done.stderr


def test_the_usage_can_be_asked_for(python):
    done = python(*COMMAND, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


@pytest.mark.slow
def test_the_tests_of_an_app_run_under_pytest(python, tmp_path):
    test = (
        "from octue.resources import Datafile\n\ndef test_a_datafile():\n    assert Datafile('a.csv').name == 'a.csv'\n"
    )
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "test_it.py").write_text(test)
    done = python(*COMMAND, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_threads_that_a_program_leaves_are_waited_for(python):
    done = python(*COMMAND, "-c", "import threading; threading.Thread(target=print, args=('last',)).start()")
    assert done.stdout == "last\n"


def test_every_served_module_is_told():
    page = (ROOT / "docs" / "reference" / "compat.md").read_text(encoding="utf-8")
    assert [name for name in MODULES if f"`{name}`" not in page] == []
