"""What records are made of: what is shown of values, which process lives, what is secret, and a graph as a document."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fairlead.adapters.workflow import IfThenElse, LoopWorkflow, MapWorkflow, MergeTask, Workflow, as_task
from fairlead.adapters.workflow.glimpses import glimpse
from fairlead.adapters.workflow.graph import Graph
from fairlead.adapters.workflow.masking import Mask, secrets_in, shown_configuration
from fairlead.adapters.workflow.pipeline.configuration import Config
from fairlead.adapters.workflow.pipeline.settings_modules import Settings
from fairlead.adapters.workflow.records.graphs import document_of, graph_from
from fairlead.adapters.workflow.records.ledger import Ledger
from fairlead.adapters.workflow.records.liveness import Process, is_dead, this_process
from fairlead.adapters.workflow.run_state import Event


class Loud:
    def __len__(self):
        raise RuntimeError

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, 3),
        (True, True),
        (None, None),
        (1 << 70, "<int of 71 bits>"),
        (float("inf"), "inf"),
        ("text", "text"),
        ([1, (2, {"a": 3})], [1, [2, {"a": 3}]]),
        ({1: [[[[]]]]}, {"1": [["<list of 1>"]]}),
        (list(range(21)), "<list of 21>"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        (np.zeros((3, 4)), "<numpy.ndarray of shape (3, 4)>"),
        (b"12345", "<bytes of 5>"),
        ({1, 2}, "<set of 2>"),
    ],
)
def test_small_data_are_shown_and_others_described(value, shown):
    assert glimpse(value) == shown
    json.dumps(glimpse(value), allow_nan=False)


def test_what_cannot_be_shown_is_described_by_its_type():
    assert glimpse(Loud()).endswith(".Loud>")


def test_a_process_lives_until_it_has_ended_also_if_nobody_has_looked():
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdout.readline()
        place = this_process().mark.rpartition("/")[0]
        started = open(f"/proc/{child.pid}/stat").read().rpartition(")")[2].split()[19]  # noqa: SIM115, PTH123
        process = Process("here", child.pid, f"{place}/{started}")
        assert process.lives
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still in the table
        assert process.lives is False


def test_another_process_of_the_same_number_is_not_the_one():
    ours = this_process()
    assert ours.lives
    assert replace(ours, mark=f"{ours.mark}1").lives is False
    assert replace(ours, mark="another machine/1").lives is None


@pytest.mark.parametrize(
    ("process", "age", "dead"),
    [
        (this_process(), 1e9, False),
        (replace(this_process(), mark=f"{this_process().mark}1"), 0.0, True),
        (Process("elsewhere", 1, "place/1"), 5.0, False),
        (Process("elsewhere", 1, "place/1"), 61.0, True),
        (None, None, True),
    ],
)
def test_a_process_that_can_be_seen_counts_more_than_its_heartbeat(process, age, dead):
    assert is_dead(process, age, 60.0) is dead


def test_secrets_are_found_at_every_depth():
    found = secrets_in({"secrets": {"a": "one1", "b": {"c": ["two2", 3333]}, "d": True}, "other": "four"})
    assert found == {"one1", "two2", "3333"}


def test_a_mask_hides_the_longest_secret_first():
    assert Mask({"abcd", "abcdef"}).text("xabcdefx abcd") == "x******x ******"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"aws": {"aws_secret_access_key": "k3y"}}, {"aws": {"aws_secret_access_key": "******"}}),
        ({"tokens": ["k3y", "k4y"]}, {"tokens": "******"}),
        (
            {"credentials": {"key": "k3y", "deep": {"more": ["k4y"]}}},
            {"credentials": {"key": "******", "deep": {"more": "******"}}},
        ),
        ({"service": [{"dbPassword": 12, "user": "me"}]}, {"service": [{"dbPassword": "******", "user": "me"}]}),
        ({"headers": {"Authorization": "Bearer k3y"}}, {"headers": {"Authorization": "******"}}),
        ({"author": "me", "keys": ["a"], "password": None}, {"author": "me", "keys": ["a"], "password": None}),
    ],
)
def test_all_below_a_name_of_a_secret_is_masked_in_records_and_where_it_is_shown(given, shown):
    assert shown_configuration(given, Mask()) == Mask().data(given) == shown
    assert repr(Config(given)) == f"<Config without a file: {Mask().data(dict(Config(given)))}>"
    assert "k3y" not in repr(Config(given)) + repr(Settings({"GIVEN": given}))


def test_all_values_of_an_option_that_is_called_like_a_secret_are_masked():
    line = ["go", "--tokens", "one1", "two2", "--n", "3", "api_key=four", "--api-key=five"]
    assert Mask().arguments(line) == [
        "go",
        "--tokens",
        "******",
        "******",
        "--n",
        "3",
        "api_key=******",
        "--api-key=******",
    ]


def graph() -> Graph:
    @as_task
    def Make() -> {"items": list}:
        return {"items": [1]}

    @as_task
    def Use(item: int) -> {"item": int}:
        return {"item": item}

    with Workflow(name="all") as workflow:
        choice, then, otherwise = IfThenElse(lambda **_: True, name="any")
        with MapWorkflow(name="map", on_error="collect") as mapped:
            Use()
        with LoopWorkflow(name="loop", iterations=2):
            Make()
        Make() | choice
        then | mapped
        [mapped, otherwise] | MergeTask()
    return workflow.graph()


def test_a_graph_is_the_same_after_it_was_stored():
    stored = json.loads(json.dumps(document_of(graph())))
    assert graph_from(stored) == graph()


def test_a_graph_of_a_newer_version_is_still_read():
    stored = document_of(graph())
    stored["novelty"] = 1
    stored["nodes"][0]["novelty"] = 2
    assert graph_from(stored) == graph()


def ledger() -> Ledger:
    return Ledger(1, "all", "workflow", graph(), mask=Mask([]), hostname="here", plugins={"make": "tuto.a"})


def states(book: Ledger, known: dict[str, str]) -> dict[str, str]:
    changes = book.changes()
    rows = [*changes.new, *changes.changed.values()]
    for number, row in enumerate(changes.new, len(known) + 1):
        row.id = number
    known.update({row.path: row.state for row in rows})
    return known


def test_events_that_come_late_or_without_a_beginning_find_their_place():
    book = ledger()
    book.take(Event("map[7]/use", "use", "task", "failed", 2.0))
    book.take(Event("map[7]", "map", "map", "success", 3.0))
    book.take(Event("somewhere/else", "else", "task", "success", 4.0))
    book.end("success", 5.0)
    found = states(book, {})
    assert (found["map[7]/use"], found["somewhere/else"], found["loop"]) == ("failed", "success", "skipped")


def test_what_was_running_when_the_run_ended_has_failed():
    book = ledger()
    book.take(Event("make", "make", "task", "running", 1.0))
    known = states(book, {})
    assert (known["make"], known["map"]) == ("running", "pending")
    book.end("failed", 2.0)
    assert states(book, known)["make"] == "failed"
    assert states(book, known)["map"] == "skipped"


def test_a_block_has_the_plugin_that_it_comes_from():
    rows = {row.path: row.columns for row in ledger().changes().new}
    assert (rows["make"]["plugin"], rows["loop"]["plugin"]) == ("tuto.a", None)


def test_a_block_that_says_twice_that_it_runs_has_started_once():
    book = ledger()
    for time in (1.0, 2.0):
        book.take(Event("map", "map", "map", "running", time))
    (row,) = [row for row in book.changes().new if row.path == "map"]
    assert row.columns["start_time"] == dt.datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001 (as the tables have it)
