"""`fairlead validate`: what is told of an app, its twine and its inputs before anything runs."""

from __future__ import annotations

import json
import re

from fairlead.adapters.cli import exits

PASSES = "def run(analysis): pass"
TWINE = {
    "input_values_schema": {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    },
    "input_manifest": {"datasets": {"words": {}}},
    "output_manifest": {"datasets": {"capitals": {}}},
}
DOUBTFUL = {"monitor_message_schema": {"progress": {"type": "number"}}, "input_value_schema": {}}


def test_a_valid_app_is_told_with_its_strands(fairlead, make_app):
    done = fairlead("validate", make_app(PASSES, TWINE | {"credentials": [{"name": "SECRET_KEY"}]}))
    assert done.returncode == 0
    assert re.search(r"app +valid\n", done.stdout)
    assert re.search(r"input_values +required +n\n", done.stdout)
    assert re.search(r"input_manifest +required +words\n", done.stdout)
    assert re.search(r"output_manifest +required +capitals\n", done.stdout)
    assert re.search(r"credentials +required +SECRET_KEY\n", done.stdout)


def test_a_twine_is_validated_by_itself(fairlead, make_app):
    folder = make_app(PASSES, TWINE)
    (folder / "app.py").unlink()
    assert fairlead("validate", folder / "twine.json").returncode == 0
    done = fairlead("validate", folder)
    assert done.returncode == exits.CONTRACT
    assert "app.py is not there" in done.stderr


def test_only_the_inputs_that_are_given_are_validated(fairlead, make_app, tmp_path):
    folder = make_app(PASSES, TWINE)
    (tmp_path / "words").mkdir()
    done = fairlead("validate", folder, "--input-manifest", '{"datasets": {"words": "words"}}', "--json")
    strands = json.loads(done.stdout)["strands"]
    assert [name for name, strand in strands.items() if strand["checked"]] == ["input_manifest"]
    done = fairlead("validate", folder / "twine.json", "--input-values", '{"n": 1.5}', "--configuration-values", "{}")
    assert done.returncode == exits.CONTRACT
    assert "1.5 is not an integer" in done.stderr
    assert "is given, but the app does not take it" in done.stderr


def test_validation_lists_every_problem_of_the_app_its_twine_and_the_inputs(fairlead, make_app):
    done = fairlead("validate", make_app("x = 1", {"credentials": [{"name": "lower"}], "children": [{}]}), "--json")
    assert done.returncode == exits.CONTRACT
    found = [problem["found"] for problem in json.loads(done.stdout)["error"]["problems"]]
    assert len(found) == 3
    assert "neither a function 'run' nor a class 'App'" in found[0]
    done = fairlead("validate", make_app("x = 1", TWINE, name="other"), "--input-values", '{"n": []}', "--json")
    assert len(json.loads(done.stdout)["error"]["problems"]) == 2


def test_what_is_probably_not_meant_is_a_warning(fairlead, make_app):
    done = fairlead("validate", make_app(PASSES, DOUBTFUL))
    assert done.returncode == 0
    assert "2 warnings\n" in done.stdout
    assert "twine.json: monitor_message_schema\n" in done.stdout
    assert re.search(r"remedy +Put 'progress' under 'properties'\.\n", done.stdout)
    assert re.search(r"remedy +Did you mean 'input_values_schema'\?\n", done.stdout)
    assert "warning" not in fairlead("validate", make_app(PASSES, TWINE, name="plain")).stdout


def test_warnings_are_listed_as_json(fairlead, make_app):
    warnings = json.loads(fairlead("validate", make_app(PASSES, DOUBTFUL), "--json").stdout)["warnings"]
    assert [{*warning} for warning in warnings] == [{"where", "found", "expected", "remedy"}] * 2


def test_with_strict_warnings_are_errors(fairlead, make_app):
    done = fairlead("validate", make_app(PASSES, DOUBTFUL), "--strict", "--input-values", "{}", "--json")
    assert done.returncode == exits.CONTRACT
    assert len(json.loads(done.stdout)["error"]["problems"]) == 3
    assert fairlead("validate", make_app(PASSES, TWINE, name="plain"), "--strict").returncode == 0


def test_defaults_are_one_warning_and_no_error_with_strict(fairlead, make_app):
    schema = {"type": "object", "properties": {"a": {"default": 1}, "b": {"default": 2}}}
    done = fairlead("validate", make_app(PASSES, {"input_values_schema": schema}), "--strict")
    assert done.returncode == 0
    assert "1 warning\n" in done.stdout
    assert "defaults (a, b) are offered in forms, and filled in nowhere else" in done.stdout


def test_numbers_that_are_not_finite_are_not_valid(fairlead, make_app):
    done = fairlead("validate", make_app(PASSES, TWINE), "--input-values", '{"n": NaN}')
    assert done.returncode == exits.CONTRACT
    assert "nan is not JSON" in done.stderr


def test_schemas_elsewhere_are_mapped_by_the_environment(fairlead, make_app, environment, tmp_path):
    twine = {"input_values_schema": {"$ref": "https://o.org/wind.json"}}
    folder = make_app(PASSES, twine)
    assert "leads to nothing" in fairlead("validate", folder).stderr
    (tmp_path / "schemas.json").write_text('{"https://o.org/wind.json": {"type": "object", "required": ["n"]}}')
    environment["FAIRLEAD_SCHEMAS"] = "schemas.json"
    assert fairlead("validate", folder).returncode == 0
    assert "input_values.n" in fairlead("validate", folder, "--input-values", "{}").stderr


def test_a_twine_that_is_not_json_is_told_with_the_place(fairlead, make_app):
    done = fairlead("validate", make_app(PASSES, "{'a': 1}"))
    assert done.returncode == exits.CONTRACT
    assert "is not JSON: Expecting property name enclosed in double quotes at line 1, column 2" in done.stderr


def test_what_octue_yaml_configures_is_validated_too(fairlead, make_app):
    schema = {"type": "object", "required": ["hours"], "properties": {"hours": {"type": "integer"}}}
    contract = {"configuration_values_schema": schema, "children": [{"key": "curve"}]}
    app = make_app(PASSES, contract)
    service = {"name": "farm", "configuration_values": {"days": 1}, "children": {"bend": str(app)}}
    (app / "octue.yaml").write_text(json.dumps({"services": [service]}))
    for subject in (app, app / "octue.yaml"):
        done = fairlead("validate", subject)
        assert done.returncode == 3
        assert "configuration_values.hours" in done.stderr
        assert "bend" in done.stderr
    service |= {"configuration_values": {"hours": 1}, "children": {"curve": str(app)}}
    (app / "octue.yaml").write_text(json.dumps({"services": [service]}))
    done = fairlead("validate", app)
    assert done.returncode == 0
    assert re.search(r"configuration_values +given, valid +hours\n", done.stdout)
    assert re.search(r"children +given, valid +curve\n", done.stdout)
