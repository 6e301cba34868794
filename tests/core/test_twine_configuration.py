"""Configuration: both dialects of ``octue.yaml``, what is wrong with one, and where it says that an app is."""

from __future__ import annotations

import json
import logging
import textwrap

import pytest

from fairlead.adapters.cli import main
from fairlead.adapters.errors import AppInvalid, ContractInvalid
from fairlead.adapters.twine.configuration import (
    AppConfiguration,
    ServiceConfiguration,
    load_service_and_app_configuration,
    locate_app,
)

APP = "def run(analysis):\n    analysis.output_values = {}\n"
DOCUMENTED = (
    "name, organisation, app_source_path, twine_path, app_configuration_path, crash_diagnostics_cloud_path, "
    "repository_name, repository_owner, project_name, region, dockerfile_path, cloud_build_configuration_path, "
    "maximum_instances, branch_pattern, environment_variables, secrets, concurrency, memory, cpus, minimum_instances, "
    "temporary_files_location, setup_file_path, service_account_email, machine_type"
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Write files below a folder of their own, which is not the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)

    def write(**files):
        for name, content in files.items():
            path = tmp_path / "service" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path / "service"

    return write


def service(**entry):
    """Return an ``octue.yaml`` (JSON is YAML) with one service."""
    return json.dumps({"services": [{"name": "wind", **entry}]})


def problems_of(path):
    with pytest.raises(ContractInvalid) as caught:
        load_service_and_app_configuration(path)
    return {problem.where: problem.found for problem in caught.value.problems}


def test_the_older_dialect_names_a_file_with_the_apps_configuration(place):
    folder = place(
        **{
            "octue.yaml": textwrap.dedent("""\
                services:
                  - name: wind
                    organisation: weather-inc
                    app_source_path: source
                    twine_path: contracts/twine.json
                    app_configuration_path: settings/app_configuration.json
                    maximum_instances: 3
                    secrets: {KEY: name-of-a-secret}
            """),
            "settings/app_configuration.json": {"configuration_values": {"a": 1}, "output_location": "gs://b/out"},
            "contracts/twine.json": {},
            "source/app.py": APP,
        }
    )
    found, app = load_service_and_app_configuration(folder / "octue.yaml")
    assert (found.name, found.organisation, found.service_id) == ("wind", "weather-inc", "weather-inc/wind")
    assert found.app_source_path == str(folder / "source")
    assert found.twine_path == str(folder / "contracts/twine.json")
    assert (found.maximum_instances, found.concurrency, found.memory) == (3, 10, "128Mi")
    assert found.secrets == {"KEY": "name-of-a-secret"}
    assert (app.configuration_values, app.output_location) == ({"a": 1}, "gs://b/out")
    assert (app.configuration_manifest, app.children) == (None, None)


def test_in_the_newer_dialect_the_services_entry_holds_it(place):
    folder = place(
        **{
            "octue.yaml": textwrap.dedent("""\
                services:
                  - name: wind
                    namespace: weather-inc
                    diagnostics_cloud_path: gs://bucket/diagnostics
                    configuration_values: {a: 1, when: 2024-05-01}
                    children:
                      - {key: heights, id: weather-inc/heights, backend: {name: GCPPubSubBackend, project_id: p}}
                    output_location: gs://bucket/out
                    use_signed_urls_for_output_datasets: true
            """),
            "twine.json": {},
        }
    )
    found, app = load_service_and_app_configuration(folder / "octue.yaml")
    assert found.service_id == "weather-inc/wind"
    assert found.diagnostics_cloud_path == found.crash_diagnostics_cloud_path == "gs://bucket/diagnostics"
    assert found.app_source_path == str(folder)
    assert app.configuration_values == found.configuration_values == {"a": 1, "when": "2024-05-01"}
    assert app.children[0]["backend"] == {"name": "GCPPubSubBackend", "project_id": "p"}
    assert (app.output_location, app.use_signed_urls_for_output_datasets) == ("gs://bucket/out", True)


def test_what_the_entry_says_wins_over_the_file_that_it_names(place):
    folder = place(
        **{
            "octue.yaml": service(app_configuration_path="app.json", configuration_values={"a": "entry"}),
            "app.json": {"configuration_values": {"a": "file"}, "output_location": "s3://b"},
        }
    )
    _, app = load_service_and_app_configuration(folder / "octue.yaml")
    assert (app.configuration_values, app.output_location) == ({"a": "entry"}, "s3://b")


def test_arguments_are_taken_in_the_documented_order():
    names = DOCUMENTED.split(", ")
    found = ServiceConfiguration(*names)
    kept = {
        "cloud_build_configuration_path": "provided_cloud_build_configuration_path",
        "machine_type": "worker_machine_type",
    }
    for name in names:
        assert getattr(found, kept.get(name, name)) == name


def test_the_environment_and_the_working_directory_say_which_file_is_read(place, monkeypatch):
    folder = place(**{"octue.yaml": service(), "other.yaml": service(namespace="team")})
    monkeypatch.chdir(folder)
    assert load_service_and_app_configuration()[0].service_id == "wind"
    monkeypatch.setenv("OCTUE_SERVICE_CONFIGURATION_PATH", str(folder / "other.yaml"))
    assert load_service_and_app_configuration()[0].service_id == "team/wind"
    monkeypatch.setenv("OCTUE_SERVICE_REVISION_TAG", "1.2.0")
    assert ServiceConfiguration.from_file().service_id == "team/wind:1.2.0"


def test_relative_paths_start_from_the_file_and_only_then_from_the_working_directory(place, monkeypatch):
    entry = service(app_source_path="source", app_configuration_path="app.json")
    folder = place(
        **{"octue.yaml": entry, "source/app.py": APP, "elsewhere/source/app.py": APP, "elsewhere/app.json": {}}
    )
    monkeypatch.chdir(folder / "elsewhere")
    found = ServiceConfiguration.from_file(folder / "octue.yaml")
    assert found.app_source_path == str(folder / "source")
    assert found.app_configuration_path == str(folder / "elsewhere/app.json")
    assert found.twine_path == str(folder / "twine.json")  # neither is there: the place to be told


def test_paths_inside_a_configuration_start_from_its_file(place):
    folder = place(
        **{
            "octue.yaml": service(app_configuration_path="settings/app.json"),
            "settings/app.json": {
                "configuration_values": "values.json",
                "configuration_manifest": {
                    "datasets": {
                        "curves": "curves",
                        "more": {"path": "curves", "files": ["curves/a.csv", {"path": "curves/a.csv", "tags": {}}]},
                        "remote": "gs://bucket/curves",
                        "missing": "nowhere",
                    }
                },
                "children": [{"key": "heights", "id": "h", "backend": {"name": "local", "app": "heights"}}],
                "output_location": "out",
            },
            "settings/values.json": {"a": 1},
            "settings/curves/a.csv": "1",
            "settings/heights/app.py": APP,
        }
    )
    _, app = load_service_and_app_configuration(folder / "octue.yaml")
    here = folder / "settings"
    assert app.configuration_values == str(here / "values.json")
    assert app.configuration_manifest["datasets"] == {
        "curves": str(here / "curves"),
        "more": {
            "path": str(here / "curves"),
            "files": [str(here / "curves/a.csv"), {"path": str(here / "curves/a.csv"), "tags": {}}],
        },
        "remote": "gs://bucket/curves",
        "missing": "nowhere",
    }
    assert app.children == [{"key": "heights", "id": "h", "backend": {"name": "local", "app": str(here / "heights")}}]
    assert app.output_location == str(here / "out")


def test_children_may_be_given_by_key(place):
    folder = place(**{"octue.yaml": service(children={"heights": "heights", "far": "far"}), "heights/app.py": APP})
    _, app = load_service_and_app_configuration(folder / "octue.yaml")
    assert app.children == {"heights": str(folder / "heights"), "far": "far"}


def test_json_texts_stay_what_they_are(place):
    folder = place(**{"octue.yaml": service(configuration_values='{"a": 1}')})
    assert load_service_and_app_configuration(folder / "octue.yaml")[1].configuration_values == '{"a": 1}'


def test_an_app_configuration_that_is_not_there_is_told_and_is_empty(place, caplog):
    folder = place(**{"octue.yaml": service(app_configuration_path="nowhere.json")})
    _, app = load_service_and_app_configuration(folder / "octue.yaml")
    assert vars(app) == vars(AppConfiguration())
    assert f"No app configuration found: {folder}/octue.yaml names '{folder}/nowhere.json'." in caplog.messages


def test_unknown_keys_are_told_and_passed_over(place, caplog):
    folder = place(
        **{
            "octue.yaml": service(app_configuration_path="app.json", twine="x"),
            "app.json": {"children_": [], "x": 1},
        }
    )
    load_service_and_app_configuration(folder / "octue.yaml")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "The following keyword arguments were not used by ServiceConfiguration: 'twine'. Did you mean 'twine_path'?",
        "The following keyword arguments were not used by AppConfiguration: 'children_', 'x'. Did you mean 'children'?",
    ]


def test_hints_stand_in_the_order_of_the_names(caplog):
    AppConfiguration(output_locations="x", child=[])
    assert caplog.messages[-1].endswith(
        ": 'output_locations', 'child'. Did you mean 'output_location'? Did you mean 'children'?"
    )


def test_what_is_wrong_in_a_file_names_it_once(place):
    folder = place(**{"app.json": "{"})
    with pytest.raises(ContractInvalid) as caught:
        AppConfiguration.from_file(folder / "app.json")
    assert str(caught.value).count("app.json") == 1


def test_of_several_services_the_first_is_used_and_that_is_told(place, caplog):
    folder = place(**{"octue.yaml": "services: [{name: one}, {name: two}]"})
    assert ServiceConfiguration.from_file(folder / "octue.yaml").name == "one"
    assert f"{folder}/octue.yaml has 2 services; the first, 'one', is used." in caplog.messages


def test_all_that_is_wrong_with_a_file_is_told_at_once(place):
    wrong = service(name=3, app_source_path=None, maximum_instances="many", cpus=0, configuration_manifest=[1])
    path = place(**{"octue.yaml": wrong}) / "octue.yaml"
    found = problems_of(path)
    assert set(found) == {
        f"{path}.services[0].{key}"
        for key in ("name", "app_source_path", "maximum_instances", "cpus", "configuration_manifest")
    }
    assert found[f"{path}.services[0].maximum_instances"] == "'many' is not an integer or null"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: wind", "octue.yaml.services: is missing (a service configuration). Correct it there."),
        ("services: []", "octue.yaml.services: "),
        ("services: wind", "'wind' is not an array"),
        ("services: [{organisation: o}]", "octue.yaml.services[0].name: is missing"),
        ("services: [wind]", "'wind' is not an object"),
        ("", "is not an object"),
        ("services: [", "is not YAML: while parsing"),
        ("services: [{name: !!python/object/apply:os.getcwd []}]", "is not YAML: could not determine a constructor"),
        ("services: [{name: a, name: b}]", "the key 'name' stands twice in one mapping, again at line 1"),
        ("services: &s [*s]", "is not YAML: Circular reference detected"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(place, text, message):
    path = place(**{"octue.yaml": text}) / "octue.yaml"
    with pytest.raises(ContractInvalid) as caught:
        load_service_and_app_configuration(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_told(place):
    path = place() / "octue.yaml"
    assert problems_of(path) == {str(path): "cannot be read: No such file or directory"}


def test_an_app_configuration_that_cannot_be_used_is_told_with_its_own_path(place):
    folder = place(**{"octue.yaml": service(app_configuration_path="app.json"), "app.json": {"output_location": 3}})
    assert problems_of(folder / "octue.yaml") == {f"{folder}/app.json.output_location": "3 is not a string or null"}
    with pytest.raises(ContractInvalid, match="is not JSON"):
        AppConfiguration.from_file(place(**{"app.json": "{"}) / "app.json")


# Where an app is.


def test_a_plain_folder_is_an_app_by_itself(place):
    folder = place(**{"app.py": APP, "twine.json": {}})
    found = locate_app(folder)
    assert (found.source, found.twine, found.roots, found.root) == (folder, folder / "twine.json", (folder,), folder)
    assert (found.service, found.app, found.inside) == (None, None, "")


def test_a_folder_with_its_own_octue_yaml_has_a_configuration_too(place):
    folder = place(**{"app.py": APP, "twine.json": {}, "octue.yaml": service(configuration_values={"a": 1})})
    found = locate_app(str(folder))
    assert (found.source, found.roots, found.root, found.inside) == (folder, (folder,), folder, "")
    assert found.service.name == "wind"
    assert found.app.configuration_values == {"a": 1}


def test_finding_an_app_says_nothing_to_whoever_parses_it_again_and_again(place, caplog):
    caplog.set_level(logging.INFO)
    locate_app(
        place(
            **{
                "app.py": APP,
                "twine.json": {},
                "octue.yaml": service(app_configuration_path="app.json"),
                "app.json": {},
            }
        )
    )
    assert caplog.records == []


PACKAGE = {
    "octue.yaml": service(app_source_path="my_service"),
    "twine.json": {},
    "my_service/__init__.py": "",
    "my_service/app.py": APP,
}


@pytest.mark.parametrize("named", [".", "octue.yaml", "my_service"])
def test_an_app_in_a_package_is_found_from_above_and_from_inside(place, named):
    folder = place(**PACKAGE)
    found = locate_app(folder / named)
    assert (found.source, found.twine) == (folder / "my_service", folder / "twine.json")
    assert found.roots == (folder / "my_service", folder)
    assert (found.root, found.inside) == (folder, "my_service")
    assert found.service.name == "wind"


def test_relative_names_mean_the_same(place, monkeypatch):
    folder = place(**PACKAGE)
    monkeypatch.chdir(folder)
    assert locate_app(".").roots == locate_app("my_service").roots == locate_app(folder).roots


def test_a_twine_beside_the_app_is_found_although_the_service_is_elsewhere(place):
    folder = place(**PACKAGE)
    (folder / "twine.json").rename(folder / "my_service/twine.json")
    assert locate_app(folder).twine == folder / "my_service/twine.json"


def test_a_package_without_octue_yaml_can_be_imported_by_its_full_name(place):
    folder = place(
        **{f"study/{name}": "" for name in ("__init__.py", "wind/__init__.py")},
        **{"study/wind/app.py": APP, "study/wind/twine.json": {}},
    )
    found = locate_app(folder / "study/wind")
    assert found.roots == (folder / "study/wind", folder)
    assert (found.root, found.inside) == (folder / "study", "wind")


def test_an_octue_yaml_above_that_names_another_folder_says_nothing(place, caplog):
    folder = place(**PACKAGE, **{"other/app.py": APP, "other/twine.json": {}})
    found = locate_app(folder / "other")
    assert (found.roots, found.service) == ((folder / "other",), None)
    assert not caplog.records


@pytest.mark.parametrize("missing", ["my_service/app.py", "twine.json"])
def test_a_part_that_is_missing_is_named_with_the_file_that_says_where_it_is(place, missing):
    folder = place(**PACKAGE)
    (folder / missing).unlink()
    with pytest.raises(AppInvalid) as caught:
        locate_app(folder)
    assert f"{folder / missing} is not there" in str(caught.value)
    assert f"Correct 'app_source_path' and 'twine_path' in {folder}/octue.yaml." in str(caught.value)


@pytest.mark.parametrize("missing", ["", "app.py", "twine.json"])
def test_a_folder_that_is_no_app_is_told(place, missing):
    folder = place(**{"app.py": APP, "twine.json": {}})
    if missing:
        (folder / missing).unlink()
    else:
        folder = folder / "nowhere"
    with pytest.raises(AppInvalid, match=f"{folder / missing} is not there"):
        locate_app(folder)


def test_a_file_that_is_no_configuration_is_no_app(place):
    folder = place(**{"app.py": APP, "twine.json": {}})
    with pytest.raises(AppInvalid, match=r"app\.py/app\.py is not there"):
        locate_app(folder / "app.py")


# The command.


def test_the_command_takes_the_current_folder_if_it_holds_an_app(place, monkeypatch, capsys):
    monkeypatch.chdir(place(**{"app.py": APP, "twine.json": {"output_values_schema": {"title": "Nothing"}}}))
    with pytest.raises(SystemExit) as caught:
        main(["validate"])
    assert caught.value.code == 0
    assert "valid" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["run", "--isolation", "thread", "--cache", "cache", "--json"])
    assert caught.value.code == 0


@pytest.mark.parametrize(("command", "name"), [("run", "APP"), ("validate", "APP_OR_TWINE")])
def test_the_command_says_what_is_missing_in_any_other_folder(place, capsys, command, name):
    place()
    with pytest.raises(SystemExit) as caught:
        main([command])
    assert caught.value.code == 2
    assert (
        f"Missing argument '{name}': the current folder holds neither an octue.yaml nor a twine.json. Name the app's "
        "folder, or change to it."
    ) in capsys.readouterr().err
