"""An app's modules under their own names: what its tests patch is what runs, and nothing of it stays behind."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fairlead.adapters.isolation.plain_modules import PlainModules, modules_of
from fairlead.adapters.isolation.private_modules import PrivateModules


@pytest.fixture
def folder(tmp_path: Path):
    def make(name: str, **modules: str) -> str:
        for module, source in modules.items():
            path = tmp_path / name / f"{module.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return str(tmp_path / name)

    return make


def test_modules_bear_their_own_names_and_import_each_other_at_any_time(folder):
    source = "import plain_helper\ndef run():\n    import plain_late\n    return plain_late.VALUE"
    root = folder("one", plain_app=source, plain_helper="NAME = __name__", plain_late="VALUE = 3")
    modules = modules_of([root])
    try:
        app = modules.load("plain_app")
        assert (app.__name__, app.plain_helper.NAME, app.run()) == ("plain_app", "plain_helper", 3)
    finally:
        modules.close()


def test_nothing_of_an_app_stays_behind(folder):
    before = [*sys.path], {*sys.modules}
    modules = modules_of([folder("one", plain_app="import plain_helper", plain_helper="")])
    modules.load("plain_app")
    modules.close()
    assert ([*sys.path], {*sys.modules}) == before


def test_nothing_stays_behind_of_an_app_that_cannot_be_imported(folder):
    before = [*sys.path], {*sys.modules}
    modules = modules_of([folder("one", plain_app="import plain_helper\n1 / 0", plain_helper="")])
    with pytest.raises(ZeroDivisionError):
        modules.load("plain_app")
    modules.close()
    assert ([*sys.path], {*sys.modules}) == before


def test_the_next_app_gets_its_own_helper(folder):
    values = []
    for name in ("one", "two"):
        source = {"plain_app": "import plain_helper", "plain_helper": f"NAME = {name!r}"}
        modules = modules_of([folder(name, **source)])
        values.append(modules.load("plain_app").plain_helper.NAME)
        modules.close()
    assert values == ["one", "two"]


def test_a_module_of_the_same_name_from_elsewhere_is_hidden_and_comes_back(folder):
    elsewhere = ModuleType("plain_helper")
    sys.modules["plain_helper"] = elsewhere
    try:
        modules = modules_of([folder("one", plain_app="import plain_helper", plain_helper="NAME = 'own'")])
        assert modules.load("plain_app").plain_helper.NAME == "own"
        modules.close()
        assert sys.modules["plain_helper"] is elsewhere
    finally:
        del sys.modules["plain_helper"]


def test_what_a_test_has_imported_and_patched_is_what_runs(folder, monkeypatch):
    root = folder("one", plain_app="def helper(): return 'real'\ndef run(): return helper()")
    monkeypatch.syspath_prepend(root)
    imported = importlib.import_module("plain_app")
    try:
        monkeypatch.setattr(imported, "helper", lambda: "patched")
        modules = modules_of([root])
        assert modules.load("plain_app").run() == "patched"
        modules.close()
        assert sys.modules["plain_app"] is imported
    finally:
        del sys.modules["plain_app"]


def test_an_app_that_runs_while_another_has_the_names_gets_private_ones(folder):
    first = modules_of([folder("one", plain_app="NAME = 'one'")])
    second = modules_of([folder("two", plain_app="NAME = 'two'")])
    try:
        assert (type(first), type(second)) == (PlainModules, PrivateModules)
        assert (first.load("plain_app").NAME, second.load("plain_app").NAME) == ("one", "two")
    finally:
        second.close()
        first.close()
    third = modules_of([folder("two")])
    third.close()
    assert isinstance(third, PlainModules)


def test_a_package_is_imported_from_the_repositorys_root(folder):
    root = folder("repository", service__app="from service.parts import VALUE", service__parts="VALUE = 4",
                  service____init__="")  # fmt: skip
    modules = modules_of([f"{root}/service", root])
    assert modules.load("app").VALUE == 4
    modules.close()
    assert not [name for name in sys.modules if name.startswith("service")]
