"""Children in a replay: they answer as they did in the recorded run, and nobody is asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.cli import main
from fairlead.adapters.diagnostics import Diagnostics, fetch
from fairlead.adapters.errors import AppRaised
from fairlead.adapters.isolation import named
from fairlead.adapters.perform import perform
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.twine.children import Child
from fairlead.adapters.twine.diagnostics import RecordedApp, load_test_fixture_from_diagnostics
from fairlead.adapters.twine.exceptions import QuestionNotDelivered

PARENT: dict[str, Any] = {
    "input_values_schema": {"optional": True},
    "output_values_schema": {},
    "children": [{"key": "loads"}, {"key": "unasked"}],
}
CHILD = {"input_values_schema": {"type": "object"}, "output_values_schema": {}}
ASK = """
    def run(analysis):
        loads = analysis.children["loads"]
        answers = loads.ask_multiple(*({"input_values": {"n": n}} for n in (1, 2, 3)))
        try:
            loads.ask(input_values={"n": 0})
        except ZeroDivisionError as error:
            answers.append({"output_values": str(error).partition("\\n")[0]})
        raise ValueError(repr([answer["output_values"] for answer in answers]))
"""
ANSWER = """
    import os
    def run(analysis):
        with open(os.environ["NOTES"] + "/asked", "a") as stream:
            stream.write("x")
        analysis.output_values = 10 / analysis.input_values["n"]
"""
SAID = "[10.0, 5.0, 3.3333333333333335, 'division by zero']"


@pytest.fixture
def bundle(make_app, notes, run, tmp_path) -> str:
    """The diagnostics of an app that asked a child four times, and failed with the answers in its error."""
    parent, child = make_app(ASK, PARENT, name="parent"), make_app(ANSWER, CHILD, name="child")
    unit = TwineApp(parent, children={"loads": str(child), "unasked": str(child)})
    wish = Diagnostics(str(tmp_path / "bundles"))
    with pytest.raises(AppRaised) as caught:
        run(unit, diagnostics=wish)
    assert caught.value.message == f"The app raised ValueError: {SAID}"
    assert (notes / "asked").read_text() == "xxxx"
    assert caught.value.diagnostics
    return caught.value.diagnostics


@pytest.fixture
def replay(bundle, cache, tmp_path):
    def run_again(app: Path | None = None) -> tuple[str, RecordingHost]:
        host = RecordingHost()
        recorded = RecordedApp(fetch(bundle, tmp_path / "copy"), app=app and str(app), tell=print)
        with pytest.raises(AppRaised) as caught:
            perform(recorded, {}, host, cache=cache, isolation=named("process"))
        return caught.value.message, host

    return run_again


def test_each_question_gets_the_answer_that_it_got_and_nobody_is_asked(replay, notes):
    message, _ = replay()
    assert message == f"The app raised ValueError: {SAID}"
    assert (notes / "asked").read_text() == "xxxx"


def test_the_order_of_asking_does_not_matter(replay, make_app):
    message, _ = replay(make_app(ASK.replace("(1, 2, 3)", "(3, 1, 2)"), PARENT, name="mended"))
    assert message == "The app raised ValueError: [3.3333333333333335, 10.0, 5.0, 'division by zero']"


def test_a_question_that_was_not_asked_then_gets_the_next_answer_with_a_warning(replay, make_app):
    message, host = replay(make_app(ASK.replace("(1, 2, 3)", "(1, 2, 4)"), PARENT, name="mended"))
    assert message.startswith("The app raised ValueError: [10.0, 5.0, 3.3333333333333335,")
    events: list[Any] = host.events
    warned = [event["message"] for event in events if event["kind"] == "log" and event["level"] == 30]
    assert [text for text in warned if "asked what it was not asked in the recorded run" in text]


def test_a_question_too_many_is_told(replay, make_app):
    message, _ = replay(make_app(ASK.replace("raise ValueError", "loads.ask({'n': 9})"), PARENT, name="mended"))
    assert "QuestionNotDelivered" in message
    assert "'loads' has no recorded answer left" in message
    assert "fairlead replay --children" in message


def test_a_child_that_was_not_asked_then_is_told(replay, make_app):
    source = ASK.replace("raise ValueError", "analysis.children['unasked'].ask({'n': 9})")
    message, _ = replay(make_app(source, PARENT, name="mended"))
    assert "'unasked' has no recorded answer left" in message


@pytest.fixture
def command(bundle, tmp_path, monkeypatch, capsys):
    """Replay with a mended app that asks more, by the command; returns the exit code and what it says."""
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "everybody's cache"))

    def call(app: Path, children: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["replay", bundle, "--app", str(app), "--children", json.dumps(children)])
        return int(str(ended.value.code or 0)), capsys.readouterr().err

    return call


@pytest.mark.slow
def test_children_that_are_given_answer_only_what_was_not_asked_then(command, make_app, notes, tmp_path):
    more = "print(loads.ask({'n': 4}), analysis.children['unasked'].ask({'n': 5}))\n        raise ValueError"
    app = make_app(ASK.replace("raise ValueError", more), PARENT, name="mended")
    child = str(app.parent / "child")
    code, told = command(app, {"loads": child, "unasked": child})
    assert code == 4
    assert "not asked then  loads, unasked: answered by the children that are given" in told
    assert "'output_values': 2.5" in told
    assert "'output_values': 2.0" in told
    assert "It fails in the same way as the recorded run." in told
    assert (notes / "asked").read_text() == "xxxx" + "xx"
    assert not (tmp_path / "everybody's cache").exists()


def test_a_given_child_of_an_unknown_key_is_refused(command, make_app, tmp_path):
    code, told = command(make_app(ASK, PARENT, name="mended"), {"load": str(tmp_path / "apps" / "child")})
    assert code == 3
    assert "'load'" in told
    assert "It could not be replayed" in told


def test_equal_questions_get_their_answers_in_their_order():
    def answer(value: int) -> dict[str, Any]:
        events = [{"event": {"kind": "result", "output_values": value}, "attributes": {}}]
        return {"input_values": 1, "input_manifest": None, "events": events}

    child = Child("dice", {"name": "recorded", "questions": [answer(4), answer(6)]})
    assert [child.ask(1)["output_values"] for _ in range(2)] == [4, 6]
    with pytest.raises(QuestionNotDelivered):
        child.ask(1)


def test_a_fixture_has_an_emulator_for_each_question(bundle):
    *_, emulators = load_test_fixture_from_diagnostics(bundle)
    questions = json.loads(Path(bundle, "questions.json").read_text())
    asked = [question["input_values"]["n"] for question in questions]
    assert sorted(asked) == [0, 1, 2, 3]
    answers = dict(zip(asked, emulators, strict=True))
    assert answers[2].ask({"n": 2})["output_values"] == 5.0
    with pytest.raises(ZeroDivisionError):
        answers[0].ask({"n": 0})
