"""Private modules: two apps in one process never share a module, and neither notices that it is not alone."""

from __future__ import annotations

import html
import importlib
import json
import logging
import os
import shutil
import sys
import sysconfig
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fairlead.adapters.errors import AppRaised
from fairlead.adapters.isolation.private_modules import PrivateModules
from fairlead.adapters.testing import RecordingHost

Load = Callable[..., ModuleType]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write modules into a folder: those at its top by name, others by their path without the ``.py``."""

    def write_modules(folder: str = "app", files: Mapping[str, str] | None = None, **modules: str) -> Path:
        for name, text in {**modules, **(files or {})}.items():
            path = tmp_path / folder / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path / folder

    return write_modules


@pytest.fixture
def load(write: Callable[..., Path]) -> Iterator[Load]:
    """Write modules and load the one that is named ``app``."""
    opened: list[PrivateModules] = []

    def load_modules(folder: str = "app", **modules: Any) -> ModuleType:
        opened.append(PrivateModules([str(write(folder, **modules))]))
        return opened[-1].load("app")

    yield load_modules
    for modules in opened:
        modules.close()


def test_two_apps_with_helpers_of_one_name_each_get_their_own(load):
    one = load("one", app="from helper import VALUE", helper="VALUE = 1")
    other = load("other", app="from helper import VALUE", helper="VALUE = 2")
    assert (one.VALUE, other.VALUE) == (1, 2)


def test_two_runs_of_one_app_share_no_state(load):
    one = load(app="import helper", helper="seen = []")
    other = load(app="import helper", helper="seen = []")
    one.helper.seen.append(1)
    assert other.helper.seen == []


def test_modules_of_one_app_share_their_state(load):
    app = load(app="import helper, user", helper="seen = []", user="import helper; helper.seen.append(1)")
    assert app.helper.seen == [1]
    assert app.helper is app.user.helper


def test_an_import_inside_a_function_is_private_too(load):
    apps = [
        load(name, app="def run():\n    from helper import VALUE\n    return VALUE", helper=f"VALUE = {name!r}")
        for name in ("one", "other")
    ]
    assert [app.run() for app in apps] == ["one", "other"]


def test_an_import_in_a_thread_of_the_app_is_private_too(load):
    source = """
        from concurrent.futures import ThreadPoolExecutor

        def look_up(_):
            import helper
            return helper.VALUE

        def run():
            with ThreadPoolExecutor(4) as pool:
                return set(pool.map(look_up, range(20)))
    """
    apps = [load(name, app=source, helper=f"VALUE = {name!r}") for name in ("one", "other")]
    assert [app.run() for app in apps] == [{"one"}, {"other"}]


def test_a_pool_at_the_top_of_a_module_may_import(load):
    source = """
        from concurrent.futures import ThreadPoolExecutor

        def look_up(_):
            import json, helper
            return helper.VALUE

        with ThreadPoolExecutor(2) as pool:
            VALUES = list(pool.map(look_up, range(2)))
    """
    assert load(app=source, helper="VALUE = 3").VALUES == [3, 3]


@pytest.mark.parametrize(
    "files",
    [
        {"app": "import pkg.sub\nVALUE = pkg.sub.VALUE", "pkg/__init__": "", "pkg/sub": "VALUE = 1"},
        {"app": "import pkg.sub as s\nVALUE = s.VALUE", "pkg/__init__": "", "pkg/sub": "VALUE = 1"},
        {"app": "from pkg import sub\nVALUE = sub.VALUE", "pkg/__init__": "", "pkg/sub": "VALUE = 1"},
        {"app": "from pkg.sub import VALUE", "pkg/__init__": "", "pkg/sub": "VALUE = 1"},
        {"app": "from pkg.sub import *", "pkg/__init__": "", "pkg/sub": "VALUE = 1"},
        {"app": "from pkg import *\nVALUE = sub.VALUE", "pkg/__init__": "__all__ = ['sub']", "pkg/sub": "VALUE = 1"},
        {"app": "from pkg import VALUE", "pkg/__init__": "from .sub import VALUE", "pkg/sub": "VALUE = 1"},
        {"app": "from pkg import VALUE", "pkg/__init__": "from pkg.sub import VALUE", "pkg/sub": "VALUE = 1"},
        {
            "app": "from pkg.a import b\nVALUE = b.VALUE",
            "pkg/__init__": "",
            "pkg/a": "from . import b",
            "pkg/b": "VALUE = 1",
        },
        {
            "app": "from pkg.in_.a import VALUE",
            "pkg/__init__": "VALUE = 1",
            "pkg/in_/__init__": "",
            "pkg/in_/a": "from .. import VALUE",
        },
        {
            "app": "from pkg.a import b\nVALUE = b.a.ONE",
            "pkg/__init__": "",
            "pkg/a": "from . import b\nONE = 1",
            "pkg/b": "from . import a",
        },
        {"app": "import a\nVALUE = a.b.a.ONE", "a": "import b\nONE = 1", "b": "import a"},
        {"app": "from folder.sub import VALUE", "folder/sub": "VALUE = 1"},
        {"app": "import folder.inner.sub as s\nVALUE = s.VALUE", "folder/inner/sub": "VALUE = 1"},
        {"app": "from pkg import VALUE", "pkg/__init__": "def __getattr__(name):\n    return 1"},
        {"app": "from statistics import VALUE", "statistics": "VALUE = 1"},
        {"app": "try:\n    import fast\nexcept ImportError:\n    VALUE = 1"},
        {"app": "try:\n    from helper import fast\nexcept ImportError:\n    VALUE = 1", "helper": ""},
        {"app": "exec('from helper import VALUE')", "helper": "VALUE = 1"},
        {"app": "VALUE = __import__('helper').VALUE", "helper": "VALUE = 1"},
    ],
    ids=lambda files: files["app"].splitlines()[0],
)
def test_every_way_to_import_works(load, files):
    assert load(files=files).VALUE == 1


def test_a_package_imports_its_own_parts_by_name(load):
    by_name = """
        import importlib
        def get(name):
            return importlib.import_module(f".{name}", __package__).VALUE
    """
    app = load(app="from plugins import get", files={"plugins/__init__": by_name, "plugins/first": "VALUE = 1"})
    assert app.get("first") == 1


def test_a_package_finds_its_data(load, tmp_path):
    reader = """
        import importlib.resources
        def text():
            return importlib.resources.files(__package__).joinpath("curve.txt").read_text()
    """
    app = load(app="from tables import text", files={"tables/__init__": reader})
    (tmp_path / "app" / "tables" / "curve.txt").write_text("0 0")
    assert app.text() == "0 0"


def test_what_is_installed_is_shared(load):
    app = load(app="import json, hypothesis, fairlead.adapters.events as events")
    assert app.json is sys.modules["json"]
    assert app.events is sys.modules["fairlead.adapters.events"]


def test_a_mere_folder_does_not_hide_a_module_from_elsewhere(load, tmp_path):
    for name in ("json", "html", "blake3", "colorsys"):
        (tmp_path / "app" / name).mkdir(parents=True)
    app = load(app="import json, html, blake3, colorsys")
    assert (app.json.dumps, app.html.escape) == (json.dumps, html.escape)
    assert hasattr(app.blake3, "blake3")
    assert hasattr(app.colorsys, "hls_to_rgb")  # which nobody has imported before


def test_a_module_of_the_system_keeps_its_name(load):
    assert load(app="import sys, time", time="raise ImportError", sys="raise ImportError").sys is sys


def test_a_compiled_module_beside_the_app_is_loaded(load, write):
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    compiled = Path(sysconfig.get_path("stdlib")) / "lib-dynload" / f"_bisect{suffix}"
    if not compiled.exists():
        pytest.skip("this Python has no compiled module to copy")
    folder = write(app="import _bisect\nfrom pkg._bisect import bisect_right", files={"pkg/__init__": ""})
    shutil.copy(compiled, folder)
    shutil.copy(compiled, folder / "pkg")
    app = load()
    assert app.bisect_right([1, 2], 1) == app._bisect.bisect_right([1, 2], 1) == 1
    assert app._bisect.__file__ == str(folder / compiled.name)


# What looks a class's module up


def test_data_classes_with_postponed_annotations_work(load):
    app = load(app="from models import Sector", models="""
        from __future__ import annotations
        from dataclasses import KW_ONLY, InitVar, dataclass
        from typing import ClassVar

        @dataclass(frozen=True)
        class Sector:
            count: ClassVar[int] = 12
            number: int
            _: KW_ONLY
            scale: InitVar[float] = 1.0
    """)  # fmt: skip
    assert app.Sector(1, scale=2.0) == app.Sector(1)


def test_type_hints_are_found_in_the_apps_own_module(load):
    app = load(app="""
        from __future__ import annotations
        import typing
        class Turbine:
            height: Metres
        class Metres(float):
            pass
        VALUE = typing.get_type_hints(Turbine)["height"] is Metres
    """)  # fmt: skip
    assert app.VALUE


def test_classes_of_an_app_can_be_pickled_while_it_runs(load):
    app = load(app="import pickle\nfrom models import Turbine\nVALUE = pickle.loads(pickle.dumps(Turbine()))",
               models="class Turbine:\n    pass")  # fmt: skip
    assert type(app.VALUE) is app.Turbine


# Errors


def test_a_module_that_is_missing_is_an_import_error(load):
    with pytest.raises(ModuleNotFoundError, match="No module named 'helpers'"):
        load(app="import helpers", helper="")


def test_a_module_that_fails_can_be_tried_again(load):
    app = load(app="""
        attempts = []
        def run():
            for _ in range(2):
                try:
                    import helper
                except ZeroDivisionError:
                    attempts.append("failed")
            return attempts
    """, helper="1 / 0")  # fmt: skip
    assert app.run() == ["failed", "failed"]


def test_an_apps_syntax_error_says_where_it_is(load, tmp_path):
    with pytest.raises(SyntaxError) as caught:
        load(app="import helper", helper="def run(:")
    assert caught.value.filename == str(tmp_path / "app" / "helper.py")


# Nothing is left


def test_nothing_is_left_in_this_process(write):
    source = "import logging\nlogging.getLogger(__name__ + '.x')"
    folder = write(
        app=f"{source}\nimport helper, pkg.sub", helper=source, files={"pkg/__init__": "", "pkg/sub": source}
    )
    PrivateModules([str(folder)]).close()
    before = set(sys.modules), [*sys.path], [*sys.meta_path], [*sys.path_hooks], set(logging.root.manager.loggerDict)
    modules = PrivateModules([str(folder)])
    modules.load("app")
    assert set(sys.modules) > before[0]
    modules.close()
    after = set(sys.modules), [*sys.path], [*sys.meta_path], [*sys.path_hooks], set(logging.root.manager.loggerDict)
    assert after == before


def test_no_bytecode_is_left_beside_the_app(write, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = write(app="import helper, pkg.sub", helper="", files={"pkg/__init__": "", "pkg/sub": ""})
    modules = PrivateModules([str(folder)])
    modules.load("app")
    modules.close()
    assert not [*folder.rglob("__pycache__")]


def test_a_module_of_the_host_with_the_same_name_stays_the_hosts(load, monkeypatch):
    mine = ModuleType("helper")
    monkeypatch.setitem(sys.modules, "helper", mine)
    assert load(app="import helper", helper="VALUE = 1").helper is not mine
    assert importlib.import_module("helper") is mine


def test_an_app_that_is_loading_holds_nobody_else_up(load, monkeypatch):
    # What is installed is shared, so an app finds there what a test leaves there.
    meeting = ModuleType("meeting")
    meeting.started, meeting.may_end = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "meeting", meeting)
    source = "import meeting\nmeeting.started.set()\nassert meeting.may_end.wait(10)\nVALUE = 2"
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(load, "slow", app="from helper import VALUE", helper=source)
        assert meeting.started.wait(10)  # type: ignore[attr-defined]
        quick = load("quick", app="from helper import VALUE", helper="VALUE = 1")
        assert not slow.done()
        meeting.may_end.set()  # type: ignore[attr-defined]
        assert (quick.VALUE, slow.result().VALUE) == (1, 2)


# As apps


def test_two_apps_at_the_same_time_each_run_their_own_code(make_app, run):
    source = """
        import helper
        def run(analysis):
            from late import VALUE
            analysis.output_values = {"early": helper.VALUE, "late": VALUE}
    """
    names = [f"app-{number}" for number in range(8)]
    folders = [make_app(source, files={"helper.py": f"VALUE = {name!r}", "late.py": f"VALUE = {name!r}"}, name=name)
               for name in names]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            outcomes = pool.map(lambda folder: run(folder, isolation="thread", refresh=True), folders)
            assert [outcome.outputs["output_values"] for outcome in outcomes] == [
                {"early": name, "late": name} for name in names
            ]


def test_loggers_and_exceptions_have_the_names_that_their_author_gave(make_app, run, isolation):
    app = make_app("""
        import logging, helper
        logging.getLogger().setLevel(logging.INFO)
        def run(analysis):
            logging.getLogger(__name__).warning("from the app")
            helper.fail()
    """, files={"helper.py": """
        import logging
        class NoWind(Exception):
            pass
        def fail():
            try:
                raise NoWind("calm")
            except NoWind:
                logging.getLogger(__name__).exception("from the helper")
                raise
    """})  # fmt: skip
    host = RecordingHost()
    with pytest.raises(AppRaised) as caught:
        run(app, isolation=isolation, host=host)
    records: list[Any] = [event for event in host.events if event["kind"] == "log"]
    assert [record["logger"] for record in records] == ["app", "helper"]
    assert caught.value.exception == "helper.NoWind"
    assert caught.value.message == "The app raised helper.NoWind: calm"
    for text in (caught.value.traceback, records[1]["traceback"]):
        assert "\nhelper.NoWind: calm\n" in text


@pytest.mark.parametrize("changed", ["app.py", "helper.py", "pkg/__init__.py", "pkg/sub.py"])
def test_an_edit_counts_also_if_size_and_time_stay_the_same(make_app, run, isolation, changed, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    app = make_app("""
        import helper, pkg.sub
        VALUE = 1
        def run(analysis):
            analysis.output_values = [VALUE, helper.VALUE, pkg.VALUE, pkg.sub.VALUE]
    """, files=dict.fromkeys(["helper.py", "pkg/__init__.py", "pkg/sub.py"], "VALUE = 1\n"))  # fmt: skip
    seen = []
    for value in (1, 2):
        text = (app / changed).read_text()
        (app / changed).write_text(text.replace("VALUE = 1", f"VALUE = {value}"))
        for path in app.rglob("*.py"):
            os.utime(path, (1e9, 1e9))
        seen.append(sum(run(app, isolation=isolation).outputs["output_values"]))
    assert seen == [4, 5]
