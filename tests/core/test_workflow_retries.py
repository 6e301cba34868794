"""Retries and time limits, of tasks and of the items of maps."""

from __future__ import annotations

import signal
import threading
import traceback
from typing import Any

import pytest

from fairlead.adapters.errors import Cancelled, InputInvalid, OutputInvalid, Problem, TimedOut
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.workflow import IterativeWorkflow, MapWorkflow, Workflow, as_task, exit_pipeline, run
from fairlead.adapters.workflow.retries import Retries

ATTEMPTS: list[Any] = []


@pytest.fixture(autouse=True)
def attempts() -> list[Any]:
    """What was tried."""
    ATTEMPTS.clear()
    return ATTEMPTS


@as_task
def Flaky(x: int = 0, good_at: int = 3) -> {"y": int}:
    ATTEMPTS.append(x)
    if ATTEMPTS.count(x) < good_at:
        raise OSError(f"try {ATTEMPTS.count(x)}")
    return x


@as_task
def Hang(x: int = 0) -> {"y": int}:
    ATTEMPTS.append(x)
    if x == 0:
        threading.Event().wait()
    return x


def ran(*blocks: Any, inputs: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return run(Workflow(*blocks, name="w"), inputs, **options).outputs


# Retries


def test_a_task_is_tried_again_as_often_as_it_says(attempts):
    assert ran(Flaky(retries=2)) == {"y": 0}
    assert len(attempts) == 3


def test_after_its_last_try_its_exception_comes_out(attempts):
    with pytest.raises(OSError, match="try 2"):
        ran(Flaky(retries=1))
    assert len(attempts) == 2


def test_a_task_that_does_not_ask_for_it_is_tried_once(attempts):
    with pytest.raises(OSError, match="try 1"):
        ran(Flaky())


def test_retries_are_said_of_the_class_the_instance_or_later(attempts):
    of_class = as_task(retries=2)(Flaky.__wrapped__)
    for block in (of_class(), Flaky(retries=2), Flaky().with_options(retries=2)):
        attempts.clear()
        assert ran(block) == {"y": 0}


def test_an_instance_overrules_its_class():
    with pytest.raises(OSError, match="try 1"):
        ran(as_task(retries=2)(Flaky.__wrapped__)(retries=0))


def test_each_item_of_a_map_is_tried_again_and_no_other(attempts):
    assert ran(MapWorkflow(Flaky(good_at=2), retries=1), inputs={"x": [1, 2]}) == {"y": [1, 2]}
    assert attempts == [1, 1, 2, 2]


def test_a_task_in_a_map_is_tried_again_by_itself(attempts):
    with Workflow() as workflow, MapWorkflow():
        as_task(lambda x: {"x": (ATTEMPTS.append("first"), x)[1]})() | Flaky(good_at=2, retries=1)
    assert run(workflow, {"x": [1]}).outputs == {"y": [1]}
    assert attempts == ["first", 1, 1]


def test_a_workflow_is_tried_again_as_a_whole(attempts):
    with Workflow() as workflow, Workflow(retries=1):
        as_task(lambda: {"x": len(ATTEMPTS)})() | Flaky(good_at=1) | as_task(lambda y: {"z": 1 // y})()
    assert run(workflow).outputs == {"z": 1}
    assert attempts == [0, 1]


def test_an_iteration_is_tried_again_as_a_whole(attempts):
    @as_task
    def Grow(x: int) -> {"x": int}:
        ATTEMPTS.append(x)
        if len(ATTEMPTS) == 2:
            raise OSError
        return x + 1

    assert ran(IterativeWorkflow(Grow(), max_iterations=3, retries=1), inputs={"x": 0}) == {"x": 3}
    assert attempts == [0, 1, 0, 1, 2]


def test_what_broke_a_contract_is_not_tried_again(attempts):
    @as_task
    def Wrong() -> {"y": int}:
        ATTEMPTS.append(1)
        return "text"

    with pytest.raises(OutputInvalid):
        ran(Wrong(retries=5))
    assert len(attempts) == 1


def test_what_says_of_itself_that_it_cannot_be_retried_is_not(attempts):
    class Final(Exception):
        retryable = False

    @as_task
    def Fail() -> {}:
        ATTEMPTS.append(1)
        raise Final

    with pytest.raises(Final):
        ran(Fail(retries=5))
    assert len(attempts) == 1


def test_the_end_of_the_pipeline_is_not_tried_again(attempts):
    @as_task
    def Stop() -> {}:
        ATTEMPTS.append(1)
        exit_pipeline()

    assert ran(Stop(retries=5)) == {}
    assert len(attempts) == 1


def test_a_failure_that_is_collected_is_that_of_the_last_try():
    outputs = ran(MapWorkflow(Flaky(good_at=3), retries=1, on_error="collect"), inputs={"x": [5]})
    assert outputs["y"][0].message == "try 2"


def test_each_try_but_the_last_is_logged(caplog):
    ran(Flaky(name="f", retries=2))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "f: OSError: try 1; trying again in 0.0 s (1 of 2)",
        "f: OSError: try 2; trying again in 0.0 s (2 of 2)",
    ]


def test_a_run_that_is_cancelled_waits_no_longer():
    host = RecordingHost()

    @as_task
    def Fail() -> {}:
        host.cancel()
        raise OSError

    with pytest.raises(Cancelled):
        ran(Fail(retries=1, retry_delay=1e6), host=host)  # longer than a test may take


@pytest.mark.parametrize(
    ("retries", "delays"),
    [
        (Retries(), []),
        (Retries(3), [0, 0, 0]),
        (Retries(3, delay=2), [2, 2, 2]),
        (Retries(4, delay=1, backoff=3, max_delay=10), [1, 3, 9, 10]),
    ],
)
def test_delays_grow_as_they_are_told(retries, delays):
    assert retries.delays() == delays


def test_jitter_keeps_within_its_part():
    retries = Retries(1, delay=10, jitter=0.2)
    waits = [retries.wait_before(1) for _ in range(200)]
    assert 8 <= min(waits) < 10 < max(waits) <= 12


def test_jitter_makes_no_delay_longer_than_the_longest():
    retries = Retries(1, delay=10, max_delay=10, jitter=0.5)
    waits = [retries.wait_before(1) for _ in range(200)]
    assert 5 <= min(waits) < max(waits) == 10


@pytest.mark.parametrize("backoff", [2, 2.0, 1e300])
def test_delays_beyond_all_numbers_are_the_longest(backoff):
    assert Retries(5000, delay=1, backoff=backoff, max_delay=7).wait_before(5000) == 7
    assert Retries(5000, delay=0, backoff=backoff).wait_before(5000) == 0


def test_as_many_delays_are_made_as_are_asked_for():
    assert Retries(10**12, delay=1, backoff=2).delays(3) == [1, 2, 4]


def test_after_very_many_tries_the_exception_of_the_task_comes_out(attempts):
    with pytest.raises(OSError, match="try 1101"):
        ran(Flaky(good_at=2000, retries=1100, retry_backoff=2.0))


@pytest.mark.parametrize("timeout", [60 * 86400, 2**31 - 1])
@pytest.mark.parametrize("backend", ["default", "parallel"])
def test_the_longest_limits_are_kept(timeout, backend):
    assert ran(Hang(x=1, timeout=timeout), backend=backend) == {"y": 1}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("retries", -1), ("retries", 1.5), ("retries", "3"), ("retries", None), ("retry_delay", -1),
        ("retry_delay", "1"), ("retry_backoff", 0.5), ("max_retry_delay", -1), ("retry_jitter", 2),
        ("retry_jitter", float("nan")), ("timeout", 0), ("timeout", -1), ("timeout", "60"), ("timeout", float("inf")),
        ("timeout", float("nan")), ("timeout", 1e12),
    ],
)  # fmt: skip
def test_options_out_of_range_are_named(option, value):
    with pytest.raises(InputInvalid, match=f"{option}: {value!r} is"):
        Flaky(**{option: value})


# Time limits


def test_a_task_that_passes_its_limit_is_stopped():
    with pytest.raises(TimedOut, match=r"task 'hang' passed its time limit of 0\.05 s\. Raise its timeout"):
        ran(Hang(timeout=0.05))


def test_a_task_within_its_limit_is_left_alone():
    assert ran(Hang(x=1, timeout=60)) == {"y": 1}


def test_the_limit_is_for_each_try(attempts):
    @as_task
    def HangOnce() -> {"y": int}:
        ATTEMPTS.append(1)
        if len(ATTEMPTS) == 1:
            threading.Event().wait()
        return 1

    assert ran(HangOnce(timeout=0.05, retries=1)) == {"y": 1}


def test_the_limit_of_a_map_is_for_each_item():
    outputs = ran(MapWorkflow(Hang(), timeout=0.05, on_error="collect"), inputs={"x": [1, 0, 2]})
    assert (outputs["y"][0], outputs["y"][2]) == (1, 2)
    assert outputs["y"][1].type.endswith("TimedOut")


def test_a_shorter_limit_inside_counts():
    with Workflow() as workflow, Workflow(timeout=60, name="outer"):
        Hang(timeout=0.05)
    with pytest.raises(TimedOut, match="'outer/hang'"):
        run(workflow)


def test_a_shorter_limit_round_it_counts():
    with Workflow() as workflow, Workflow(timeout=0.05, name="outer"):
        Hang(timeout=60)
    with pytest.raises(TimedOut, match="workflow 'outer'"):
        run(workflow)


def test_the_limit_round_it_goes_on_when_a_limit_inside_has_ended():
    with Workflow() as workflow, Workflow(timeout=0.3, name="outer"):
        Hang(x=1, timeout=0.1) | as_task(lambda y: {"x": 0})() | Hang(timeout=60, name="second")
    with pytest.raises(TimedOut, match="workflow 'outer'"):
        run(workflow)


def test_an_alarm_of_the_user_is_set_again():
    def ring(*_: Any) -> None:
        pass

    handler, timer = signal.signal(signal.SIGALRM, ring), signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with pytest.raises(TimedOut):
            ran(Hang(timeout=0.05))
        assert signal.getsignal(signal.SIGALRM) is ring
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] < 100
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_a_run_has_a_limit_of_its_own():
    with Workflow() as workflow:
        as_task(lambda: {"x": 1})() | Hang()
    with pytest.raises(TimedOut, match="The run passed its time limit"):
        run(workflow, host=RecordingHost(timeout=-1))


@as_task
def Wait(x: int = 0) -> {"y": int}:
    ATTEMPTS.append(x)
    threading.Event().wait(60)


def test_a_limit_is_not_for_retries_inside_to_try_again(attempts):
    with Workflow() as workflow, Workflow(timeout=0.05, name="outer"):
        Wait(retries=3, name="inner")
    with pytest.raises(TimedOut, match="workflow 'outer'") as caught:
        run(workflow)
    assert attempts == [0]
    assert caught.value.__notes__ == ["In task 'outer/inner'."]


@pytest.mark.parametrize("on_error", ["collect", "drop", "fail"])
def test_a_limit_is_no_failure_of_an_item_inside(attempts, on_error):
    with Workflow() as workflow, Workflow(timeout=0.05, name="outer"), MapWorkflow(on_error=on_error):
        Wait()
    with pytest.raises(TimedOut, match="workflow 'outer'"):
        run(workflow, {"x": [1, 2, 3]})
    assert attempts == [1]


def test_a_limit_inside_a_limit_is_still_its_own(attempts):
    with Workflow() as workflow, Workflow(timeout=60, name="outer"), MapWorkflow(on_error="collect"):
        Wait(timeout=0.05)
    assert [failure.message.split(" passed")[0] for failure in run(workflow, {"x": [1, 2]}).outputs["y"]] == [
        "task 'outer/map_workflow[0]/wait'",
        "task 'outer/map_workflow[1]/wait'",
    ]


def test_a_task_that_catches_exceptions_does_not_outlive_its_limit(attempts):
    @as_task(timeout=0.05)
    def Stubborn() -> {"y": int}:
        try:
            threading.Event().wait(60)
        except Exception:  # noqa: BLE001 (as tasks do)
            ATTEMPTS.append("caught")
        return 1

    with pytest.raises(TimedOut, match="task 'stubborn'") as caught:
        ran(Stubborn())
    assert not attempts
    assert "threading.Event().wait(60)" in "".join(traceback.format_exception(caught.value))


def test_what_is_told_of_a_block_in_one_that_is_stopped_is_why():
    events = []
    with Workflow() as workflow, Workflow(timeout=0.05, name="outer"):
        Wait()
    with pytest.raises(TimedOut):
        run(workflow, observer=events.append)
    told = {event.path: event.failure.type.rpartition(".")[2] for event in events if event.state == "failed"}
    assert told == {"outer/wait": "TimedOut", "outer": "TimedOut", "": "TimedOut"}


@pytest.mark.parametrize("options", [{"on_error": "drop"}, {"on_error": "collect", "retries": 3}])
def test_the_end_of_the_run_is_no_failure_of_an_item(attempts, options):
    host = RecordingHost(timeout=60)

    @as_task
    def Late(x: int) -> {"y": int}:
        ATTEMPTS.append(x)
        host.deadline = 0.0
        raise OSError

    with pytest.raises(TimedOut, match="The run passed its time limit"):
        ran(MapWorkflow(Late(), **options), inputs={"x": [1]}, host=host)
    assert attempts == [1]


def test_retries_say_all_that_is_wrong_at_once():
    with pytest.raises(InputInvalid) as caught:
        Retries(times=-1, delay=-1)
    assert [type(problem) for problem in caught.value.problems] == [Problem, Problem]
