"""The workflows that the tests run in Airflow; what they leave to be looked at is below the parameter ``scratch``."""

# ruff: noqa: F821 (return annotations name outputs)

import logging
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from fairlead.adapters.twine import TwineApp
from fairlead.adapters.workflow import (
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    as_task,
    as_workflow,
    exit_pipeline,
)
from fairlead.operators import WorkflowTaskGroup, workflow_dag

APPS = Path(__file__).parent.parent / "apps"
SCRATCH = {"scratch": Param("", type="string")}
CACHE = "{{ params.scratch }}/cache"


# Everything that a workflow can have


@as_task
def load(count: int) -> {"sites": list, "scale": float}:
    """Find the sites."""
    logging.getLogger("farm.load").warning("%d sites", count)
    print("printed by load")
    return {"sites": [f"site_{number}.csv" for number in range(count)], "scale": 2.0}


@as_task
def measure(site: str, scale: float, factor: Parameter(int)) -> {"yield_": float}:
    if site == "site_13.csv":
        raise ValueError(f"{site} is broken")
    return {"yield_": scale * factor * int(site.removeprefix("site_").removesuffix(".csv"))}


@as_task
def total(yield_: list) -> {"energy": float, "failures": int}:
    good = [each for each in yield_ if isinstance(each, float)]
    return {"energy": sum(good), "failures": len(yield_) - len(good)}


@as_task
def cheap(energy: float) -> {"verdict": str}:
    return {"verdict": f"cheap {energy}"}


@as_task
def dear(energy: float) -> {"verdict": str}:
    return {"verdict": f"dear {energy}"}


@as_task
def round_up(energy: float) -> {"rounded": int}:
    return {"rounded": int(energy) + 1}


@as_task
def double(rounded: int) -> {"doubled": int}:
    return {"doubled": 2 * rounded}


@as_workflow
def rounding():
    round_up() | double()


@as_task
def guess(estimate: float) -> {"estimate": float}:
    return {"estimate": estimate / 2}


@as_task
def report(verdict: str, doubled: int, estimate: float) -> {"text": str}:
    return {"text": f"{verdict}, {doubled}, {estimate}"}


@as_workflow
def farm():
    energy = total()
    load() | MapWorkflow(measure(), name="measurements", on_error="collect", map_on={"sites": "site"}) | energy
    choice, then, otherwise = IfThenElse(lambda energy: energy < 100, name="cheap_enough")
    verdict = MergeTask(name="verdict")
    energy | choice
    then | cheap() | verdict
    otherwise | dear() | verdict
    rounded = rounding()
    energy | rounded
    search = IterativeWorkflow(
        guess(), name="search", initial_value=64.0, max_iterations=20, break_func=lambda estimate: estimate < 1
    )
    [verdict, rounded, search] | report()


workflow_dag(
    farm(), dag_id="farm", inputs={"count": 3}, parameters={"measure": {"factor": 10}}, params=SCRATCH, cache=CACHE
)


# What goes wrong


def tries(scratch, name):
    """Note a try in the ledger, and return how many there have been."""
    with Path(scratch, "ledger").open("a") as ledger:
        ledger.write(f"{name}\n")
    return Path(scratch, "ledger").read_text().split().count(name)


@as_task
def flaky(scratch: str) -> {"tries": int}:
    number = tries(scratch, "flaky")
    if number < 3:
        raise OSError("not yet")
    return {"tries": number}


@as_task
def invalid(scratch: str) -> {"wrong": int}:
    tries(scratch, "invalid")
    return {"wrong": "none"}


@as_task
def step(scratch: str, number: int | None = None) -> {"number": int}:
    number = (number or 0) + 1
    if tries(scratch, f"step{number}") == 1 and number == 3:
        raise OSError("cut off")
    return {"number": number}


@as_task
def sites(scratch: str) -> {"names": list}:
    return {"names": ["a", "b"]}


@as_task
def survey(name: str, scratch: str) -> {"found": str}:
    if tries(scratch, name) < 2 and name == "b":
        raise OSError("not yet")
    return {"found": name}


@as_workflow
def trials():
    flaky(retries=2)
    invalid(retries=5)
    IterativeWorkflow(step(), name="steps", max_iterations=4, retries=1)
    sites() | MapWorkflow(survey(), name="surveys", map_on={"names": "name"}, on_error="collect", chunk=1, retries=1)


workflow_dag(trials(), dag_id="trials", params=SCRATCH, cache=CACHE)


# An end before the end


@as_task
def leave() -> {"never": int}:
    exit_pipeline("all is done")


@as_task
def after(never: int) -> {"text": str}:
    return {"text": f"{never}"}


@as_task
def elsewhere() -> {"names": list}:
    return {"names": ["a", "b"]}


@as_task
def late(name: str) -> {"found": str}:
    return {"found": name}


@as_workflow
def early():
    leave() | after()
    elsewhere() | MapWorkflow(late(), name="late_ones")


workflow_dag(early(), dag_id="early", params=SCRATCH, cache=CACHE)


# In a DAG with other tasks


@as_task
def values(offset: int) -> {"input_values": dict, "nothing": list}:
    return {"input_values": {"offset": offset}, "nothing": []}


@as_task
def square(one: int) -> {"squares": int}:
    return {"squares": one**2}


@as_workflow
def counted():
    given = values()
    app = TwineApp(APPS / "double")
    given | app
    given | MapWorkflow(square(), name="squares of nothing", map_on={"nothing": "one"}, allow_empty=True)


@as_task
def countdown(scratch: str) -> {"left": int}:
    return {"left": 3 - tries(scratch, "countdown")}


@as_workflow
def whole():
    LoopWorkflow(countdown(), name="countdowns", iterations=3)


with DAG("joined", schedule=None, params=SCRATCH, default_args={"retry_delay": timedelta(0)}):

    @task
    def offset():
        return 5

    @task
    def receive(output, left):
        return [output["total"], left]

    first = WorkflowTaskGroup(counted(), inputs={"offset": offset()}, cache=CACHE)
    second = WorkflowTaskGroup(whole(), granularity="whole", cache=CACHE)
    receive(first.output["output_values"], second.output["left"])
