"""What a pipeline is configured with: where it is found, what it says, and what is told when it cannot be used."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import pytest

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.workflow.masking import Mask
from fairlead.adapters.workflow.pipeline import Config, Settings
from fairlead.adapters.workflow.pipeline.logging import ConsoleHandler, PipelineLogging, merged

FORMS = {
    "config.json": '{"custom": {"a": [1, 2]}}',
    "config.yml": "custom:\n  a: [1, 2]\n",
    "config.yaml": "custom: {a: [1, 2]}\n",
    "config.toml": "[custom]\na = [1, 2]\n",
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("OUTFLOW_CONFIG_PATH", "OUTFLOW_SETTINGS_MODULE", "FAIRLEAD_CACHE"):
        monkeypatch.delenv(name, raising=False)


# Where the configuration is


@pytest.mark.parametrize("name", FORMS)
def test_each_format_is_read_from_the_pipelines_folder(tmp_path, name):
    (tmp_path / name).write_text(FORMS[name])
    config = Config.load(None, tmp_path)
    assert config.custom == {"a": [1, 2]}
    assert config.path == tmp_path / name


def test_the_command_line_goes_before_the_variable_and_that_before_the_folder(tmp_path, monkeypatch):
    for name in ("config.yml", "by_variable.yml", "by_option.yml"):
        (tmp_path / name).write_text(f"said: {name}\n")
    assert Config.load(None, tmp_path).said == "config.yml"
    monkeypatch.setenv("OUTFLOW_CONFIG_PATH", str(tmp_path / "by_variable.yml"))
    assert Config.load(None, tmp_path).said == "by_variable.yml"
    assert Config.load(tmp_path / "by_option.yml", tmp_path).said == "by_option.yml"


def test_keys_of_yaml_that_are_merged_in_may_be_written_over(tmp_path):
    (tmp_path / "config.yml").write_text("a: &a {k: 1, m: 2}\nb: &b {<<: *a, k: 3}\nc: {<<: [*a, *b], k: 4}\n")
    config = Config.load(None, tmp_path)
    assert (config.a, config.b, config.c) == ({"k": 1, "m": 2}, {"k": 3, "m": 2}, {"k": 4, "m": 2})


@pytest.mark.parametrize(("name", "text"), [("config.yml", "most: .inf\n"), ("config.toml", "most = inf\n")])
def test_numbers_that_are_not_finite_can_be_written_where_the_format_has_them(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert Config.load(None, tmp_path).most == float("inf")


def test_a_file_that_was_named_and_is_not_there_is_told(tmp_path, monkeypatch):
    with pytest.raises(InputInvalid, match=r"--config nope\.yml: is no file"):
        Config.load("nope.yml", tmp_path)
    monkeypatch.setenv("OUTFLOW_CONFIG_PATH", "gone.yml")
    with pytest.raises(InputInvalid, match=r"\$OUTFLOW_CONFIG_PATH gone\.yml: is no file"):
        Config.load(None, tmp_path)


def test_two_files_in_the_folder_are_told(tmp_path):
    (tmp_path / "config.yml").touch()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputInvalid, match=r"several configuration files: config\.json, config\.yml"):
        Config.load(None, tmp_path)


def test_without_a_file_there_are_defaults(tmp_path):
    config = Config.load(None, tmp_path)
    assert config.path is None
    assert config.databases == {"default": {"dialect": "sqlite", "path": "outflow.db"}}
    assert config["logging"]["version"] == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config.yml", "a: [1", r"config\.yml: is not YML"),
        ("config.json", "{", r"config\.json: is not JSON"),
        ("config.json", '{"a": {"b": 1, "b": 2}}', r"config\.json: the key 'b' stands twice in one object"),
        ("config.json", '{"a": NaN}', r"config\.json: NaN is not JSON \(a finite number\)"),
        ("config.json", '{"a": [-1e999]}', r"config\.json: -1e999 is not JSON"),
        ("config.yml", "a: {b: 1}\n'a': {c: 1}\n", r"config\.yml, line 2: the key 'a' stands twice in one mapping"),
        ("config.yml", "a:\n  b: 1\n  b: 1\n", r"config\.yml, line 3: the key 'b' stands twice"),
        ("config.toml", "a =", r"config\.toml: is not TOML"),
        ("config.yml", "- 1\n", r"config\.yml: is a list \(names with values\)"),
        ("config.yml", "a: !python/object:os.system x\n", r"is not YML.*could not determine a constructor"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputInvalid, match=words):
        Config.load(None, tmp_path)


def test_another_kind_of_file_is_told(tmp_path):
    path = tmp_path / "config.ini"
    path.touch()
    with pytest.raises(InputInvalid, match=r"ends with '\.ini' \(\.json, \.yml, \.yaml, \.toml\)"):
        Config.load(path, None)


def test_an_empty_file_says_nothing(tmp_path):
    (tmp_path / "config.yml").touch()
    assert "databases" in Config.load(None, tmp_path)


# What it includes


def test_files_are_included_relative_to_the_one_that_includes_them(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "config.yml").write_text("databases: !include parts/databases.yml\nlist: [!include parts/x.json]\n")
    (tmp_path / "parts" / "databases.yml").write_text("default: !include one.toml\n")
    (tmp_path / "parts" / "one.toml").write_text('dialect = "sqlite"\n')
    (tmp_path / "parts" / "x.json").write_text("[1, 2]")
    config = Config.load(None, tmp_path)
    assert config.databases == {"default": {"dialect": "sqlite"}}
    assert config.list == [[1, 2]]


def test_an_include_that_is_not_there_is_told_with_the_file_that_asks(tmp_path):
    (tmp_path / "config.yml").write_text("a: !include gone.yml\n")
    with pytest.raises(InputInvalid, match=r"config\.yml, !include gone\.yml: .*gone\.yml is no file"):
        Config.load(None, tmp_path)


def test_files_that_include_each_other_are_told(tmp_path):
    (tmp_path / "config.yml").write_text("a: !include other.yml\n")
    (tmp_path / "other.yml").write_text("b: !include config.yml\n")
    with pytest.raises(InputInvalid, match="includes itself"):
        Config.load(None, tmp_path)


# How it is used


def test_keys_are_items_and_attributes():
    config = Config({"custom": 1})
    assert (config.custom, config["custom"], config.get("custom"), config.get("other", 2)) == (1, 1, 1, 2)
    config.other = 3
    config["third"] = 4
    config.update({"custom": 5})
    assert (config["other"], config.third, config.custom) == (3, 4, 5)
    assert "other" in config
    del config["other"]
    assert not hasattr(config, "other")
    assert {**config}["third"] == 4


def test_what_is_missing_is_told_with_what_there_is(tmp_path):
    (tmp_path / "config.yml").write_text("custom: 1\n")
    config = Config.load(None, tmp_path)
    for kind in (AttributeError, KeyError, InputInvalid):
        with pytest.raises(
            kind, match=r"config\.nothing: is missing: there are logging, databases, custom.*config\.yml"
        ):
            _ = config.nothing
    with pytest.raises(KeyError):
        config["nothing"]


def test_defaults_are_not_shared():
    Config().databases["default"]["path"] = "elsewhere"
    assert Config().databases["default"]["path"] == "outflow.db"


def test_a_configuration_can_be_pickled():
    config = pickle.loads(pickle.dumps(Config({"custom": [1]}, path=Path("config.yml"))))
    assert (config.custom, config.path) == ([1], Path("config.yml"))


def test_secrets_are_not_shown():
    config = Config(
        {
            "secrets": {"account": "me", "deep": {"key": "k3y"}},
            "databases": {
                "default": {"dialect": "postgresql", "admin": "root:s3cret", "user": "me:pa:ss", "database": "d"},
                "other": {"url": "postgresql://me:hush@host/d"},
            },
            "service": {"api_key": "abc", "access_token": "xyz", "user": "somebody", "password": None},
        }
    )
    shown = repr(config)
    assert [word for word in ("k3y", "s3cret", "pa:ss", "hush", "abc", "xyz") if word in shown] == []
    masked = Mask().data(config)
    assert masked["databases"]["default"]["admin"] == "root:******"
    assert masked["service"] == {
        "api_key": "******", "access_token": "******", "user": "somebody", "password": None
    }  # fmt: skip


# Settings


def test_settings_lie_over_defaults(tmp_path):
    (tmp_path / "settings.py").write_text("PLUGINS = ['a']\nMINE = 3\nTEMP_DIR = '/shared/tmp'\nlower = 1\n")
    settings = Settings.load(None, tmp_path, {})
    assert (settings.PLUGINS, settings.MINE, settings.MAIN_DATABASE) == (["a"], 3, "default")
    assert Path("/shared/tmp") == settings.TEMP_DIR
    assert str(tmp_path) == settings.ROOT_DIRECTORY
    assert sorted(settings.BACKENDS) == ["dask", "default", "parallel", "slurm"]
    assert not hasattr(settings, "lower")


def test_the_settings_module_is_named_by_the_command_line_or_the_variable(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    for name in ("settings", "project/one", "project/two"):
        (tmp_path / f"{name}.py").write_text(f"SAID = {name!r}\n")
    assert Settings.load(None, tmp_path, {}).SAID == "settings"
    monkeypatch.setenv("OUTFLOW_SETTINGS_MODULE", "project.one")
    assert Settings.load(None, tmp_path, {}).SAID == "project/one"
    assert Settings.load("project.two", tmp_path, {}).SAID == "project/two"
    assert Settings.load("project.two", tmp_path, {"SAID": "here"}).SAID == "here"


def test_a_settings_module_that_is_not_there_is_told(tmp_path, monkeypatch):
    with pytest.raises(InputInvalid, match=r"--settings a\.b: is no module"):
        Settings.load("a.b", tmp_path, {})
    monkeypatch.setenv("OUTFLOW_SETTINGS_MODULE", "c")
    with pytest.raises(InputInvalid, match=r"\$OUTFLOW_SETTINGS_MODULE c: is no module"):
        Settings.load(None, tmp_path, {})


def test_what_a_settings_module_cannot_import_is_not_hidden(tmp_path):
    (tmp_path / "settings.py").write_text("import no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Settings.load(None, tmp_path, {})


def test_a_setting_that_is_missing_is_told_with_those_there_are(tmp_path):
    (tmp_path / "settings.py").touch()
    with pytest.raises(AttributeError, match=r"no setting MINE in .*settings\.py\. There are: BACKENDS, "):
        _ = Settings.load(None, tmp_path, {}).MINE


def test_two_folders_have_settings_of_their_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.py").write_text(f"SAID = {name!r}\n")
    assert [Settings.load(None, tmp_path / name, {}).SAID for name in ("a", "b", "a")] == ["a", "b", "a"]


# Logging


def tree(section=None, **options):
    return merged(section or {}, **{"names": ["plugin"], "level": None, "color": True, **options})


def test_the_root_logger_has_the_console():
    assert tree()["loggers"][""] == {"level": "INFO", "handlers": ["console"]}
    assert tree(level="DEBUG")["loggers"][""]["level"] == "DEBUG"


def test_a_logger_with_the_consoles_handler_writes_no_line_twice():
    made = tree({"loggers": {"matplotlib": {"level": "WARNING", "handlers": ["console"]}}})
    assert made["loggers"]["matplotlib"]["propagate"] is False


def test_a_root_logger_to_a_file_leaves_plugins_on_the_console():
    made = tree({"loggers": {"": {"level": "DEBUG", "handlers": ["file"]}}})
    assert made["loggers"][""]["handlers"] == ["file"]
    assert made["loggers"]["plugin"] == {"level": "INFO", "handlers": ["console"]}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (
            {"loggers": {"a": {"handlers": ["fax"]}}},
            r"loggers\.a\.handlers: 'fax' is no handler \(one of: console, file\)",
        ),
        ({"loggers": {"a": {"level": "LOUD"}}}, r"loggers\.a\.level: 'LOUD' is no level"),
        (["x"], r"config\.logging: is \['x'\]"),
    ],
)
def test_what_is_wrong_with_logging_is_told(section, words):
    with pytest.raises(InputInvalid, match=words):
        tree(section)


def test_a_handler_that_cannot_be_made_is_told():
    with pytest.raises(InputInvalid, match=r"config\.logging, 'mine': .*no_such"):
        PipelineLogging({"handlers": {"mine": {"class": "no_such.Handler"}}}, names=[]).start()


@pytest.fixture
def started():
    """Start logging, and stop it at the end of the test."""
    running = []

    def start(section=None, **options):
        log = PipelineLogging(section or {}, **{"names": ["plugin"], **options})
        log.start()
        running.append(log)
        return log

    yield start
    for log in running:
        log.stop()


def test_a_line_tells_time_logger_place_and_level(started, capsys):
    started()
    logging.getLogger("some.plugin").info("hello")
    line = capsys.readouterr().err
    assert line.endswith("- INFO - hello\n")
    assert " - some.plugin - test_pipeline_configuration.py:" in line


def test_a_file_is_made_only_if_a_logger_writes_to_it(started, tmp_path):
    started(folder=tmp_path)
    logging.getLogger("plugin").info("to the console")
    assert list(tmp_path.glob("*.log")) == []
    started({"loggers": {"plugin": {"handlers": ["file"]}}}, folder=tmp_path)
    logging.getLogger("plugin").info("to the file")
    assert "to the file" in (tmp_path / "pipeline.log").read_text()


def test_handlers_and_levels_of_the_process_are_put_back(started):
    root, other = logging.getLogger(), logging.getLogger("other.plugin")
    before = (list(root.handlers), root.level, other.level, other.propagate)
    log = started({"loggers": {"other.plugin": {"level": "ERROR", "handlers": ["console"]}}}, level="DEBUG")
    assert (root.level, other.level, other.propagate) == (logging.DEBUG, logging.ERROR, False)
    assert set(before[0]) < set(root.handlers)
    log.stop()
    assert (list(root.handlers), root.level, other.level, other.propagate) == before


class Terminal(list):
    def write(self, text):
        self.append(text)

    def flush(self):
        pass

    def isatty(self):
        return True

    def __bool__(self):
        return True


@pytest.mark.parametrize(
    ("color", "variable", "is_coloured"), [(True, "", True), (False, "", False), (True, "1", False)]
)
def test_a_terminal_is_coloured_unless_that_is_forbidden(monkeypatch, color, variable, is_coloured):
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("TERM", "xterm-256color")
    if not variable:
        monkeypatch.delenv("NO_COLOR")
    terminal = Terminal()
    handler = ConsoleHandler(terminal, color=color)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.emit(logging.LogRecord("a.b", logging.INFO, "f.py", 1, "hello [red]%s", ("you",), None))
    text = "".join(terminal)
    assert "hello [red]you" in text
    assert ("\x1b[" in text) is is_coloured


def test_the_logger_is_that_of_the_module_that_imports_it():
    from fairlead.adapters.workflow.pipeline.logging import logger

    assert logger is logging.getLogger(__name__)


def test_defaults_are_plain_data():
    assert json.loads(json.dumps(Config()["logging"])) == Config()["logging"]
