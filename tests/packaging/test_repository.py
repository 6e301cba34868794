import re

import pytest

from .conftest import ROOT, output_of

# In pieces, so that this file does not hold them.
REGISTRY_HOSTS = ["py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js", "deb.deb" + "ian"]
INDEX_SETTINGS = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "--default" + "-index"]
# A clone right below / has a path that may well be meant otherwise, such as /app/.
MACHINE_PATHS = ["/ro" + "ot/", "/ho" + "me/", *([f"{ROOT}/"] if len(ROOT.parts) > 2 else [])]


@pytest.fixture(scope="module")
def texts(files):
    found = {}
    for name in files:
        try:
            found[name] = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("word", [*REGISTRY_HOSTS, *INDEX_SETTINGS])
def test_no_file_says_where_packages_come_from(texts, word):
    assert [name for name, text in texts.items() if word in text] == []


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_file_holds_a_path_of_the_machine_it_was_written_on(texts, path):
    assert [name for name, text in texts.items() if path in text] == []


def test_no_lock_file_is_committed(files):
    assert [name for name in files if name.endswith(("uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock"))] == []


def test_no_conftest_puts_the_root_on_the_path(files):
    assert "conftest.py" not in files


@pytest.mark.parametrize("engine", ["airflow", "prefect"])
def test_the_roots_are_imported_under_one_name(engine):
    """Run from the root, where `import operators` would find the same files again and make other classes of them."""
    other = {"airflow": "flows", "prefect": "operators"}[engine]
    program = f"""
import importlib, pkgutil, sys, fairlead
for module in pkgutil.walk_packages(fairlead.__path__, "fairlead."):
    if not module.name.startswith("fairlead.{other}") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(sorted({{"adapters", "operators", "flows"}} & set(sys.modules)))
"""
    python = ROOT / f".venv-{engine}" / "bin" / "python"
    assert output_of(python, "-c", program, cwd=ROOT).splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("constraints-*.txt")))
def test_a_constraint_file_holds_nothing_but_pins(name):
    for line in (ROOT / name).read_text().splitlines():
        assert re.fullmatch(r"#.*|[a-z0-9._-]+==[^\s;@]+( ; .+)?", line), line
