"""What newcomers try that cannot work: each is an error that names the thing, what was found, and what to do.

What concerns one construct alone stands in that construct's module.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fairlead.adapters.errors import ContractError, FairleadError
from fairlead.adapters.twine import TwineApp
from fairlead.adapters.workflow import (
    IfThenElse,
    IterativeWorkflow,
    LoopWorkflow,
    MapWorkflow,
    MergeTask,
    Parameter,
    Task,
    Workflow,
    as_task,
    as_workflow,
    run,
)
from fairlead.adapters.workflow.block import current_workflow
from fairlead.adapters.workflow.exceptions import ExitPipeline, WorkflowInvalid
from fairlead.adapters.workflow.units import as_block


@as_task
def Give() -> {"x": int}:
    return 1


@as_task
def Take(x: int) -> {"y": int}:
    return x + 1


@pytest.mark.parametrize("name", ["a/b", "site[1]", "in]", "two\nlines", "\x1b[31mred"])
@pytest.mark.parametrize("make", [Give, MapWorkflow, Workflow, as_task(lambda: None)])
def test_a_name_that_paths_could_not_be_read_with_is_refused(make, name):
    with pytest.raises(WorkflowInvalid, match=r"name: it has .*Call it e\.g\."):
        make(name=name)


def test_an_app_in_a_folder_of_any_name_is_a_block(tmp_path):
    folder = tmp_path / "yield [2]"
    folder.mkdir()
    (folder / "twine.json").write_text("{}")
    (folder / "app.py").write_text("def run(analysis):\n    pass\n")
    assert as_block(TwineApp(folder)).name == "yield _2_"


@as_task
def Texts() -> {"texts": list[str]}:
    return ["a"]


@as_task
def Times(x: int, k: Parameter(int)) -> {"y": int}:
    return x * k


@as_task
def Uneven() -> {"p": list, "q": list}:
    return {"p": [1, 2], "q": [1]}


@as_task
def Pair(a: int, b: int) -> {"y": int}:
    return a + b


@as_task
def Nothing() -> {"xs": list}:
    return []


@as_task
def Number() -> {"x": Any}:
    return np.int64(1)


def circle() -> None:
    one, two = Take(name="one"), Take(name="two")
    one | two | one


def itself() -> None:
    take = Take()
    take | take


def endless() -> None:
    with LoopWorkflow(infinite=True, limit=3):
        Give()


def break_func(error):
    return error < 1


def written(body: Callable[[], Any]) -> Workflow:
    with Workflow(name="w") as workflow:
        body()
    return workflow


def ran(body: Callable[[], Any], **options: Any) -> Callable[[], Any]:
    return lambda: run(written(body), **options)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a missing input": (ran(Take), "task 'take', input 'x': is missing"),
    "a wrong type between tasks": (ran(lambda: Texts() | as_task(take_numbers)()), "input 'texts': 'texts' is of type"),
    "a wrong type in a map": (ran(lambda: Texts() | MapWorkflow(Take())), "each item of 'texts' is of type str"),
    "a wrong type of what is given": (ran(Take, inputs={"x": "1"}), "workflow 'w', input 'x': '1' is a str"),
    "a wrong type of what is bound": (ran(lambda: Take(x="1")), "task 'take', input 'x': '1' is a str"),
    "a number of numpy": (ran(lambda: Number() | Take()), r"task 'take', input 'x': np\.int64\(1\) is an int64"),
    "a circle": (ran(circle), "its blocks are joined in a circle: .* IterativeWorkflow"),
    "a block after itself": (ran(itself), r"joined in a circle: take \| take"),
    "sequences of different lengths": (
        ran(lambda: Uneven() | MapWorkflow(Pair(), map_on={"p": "a", "q": "b"})),
        "'p' has 2 items, 'q' has 1 items",
    ),
    "a missing parameter": (ran(Times, inputs={"x": 1}), r"parameters\.times\.k: is missing \(int\)\. Write it"),
    "a parameter of another task": (
        ran(Times, inputs={"x": 1}, parameters={"time": {"k": 1}}),
        r"parameters\.times\.k: is missing",
    ),
    "an unknown backend": (
        ran(Give, backend="paralel"),
        "backend: 'paralel' is unknown .*default, parallel, slurm, dask",
    ),
    "a map over nothing": (ran(lambda: Nothing() | MapWorkflow(Take())), "is empty: there is nothing to map over"),
    "a map of nothing": (ran(lambda: Texts() | MapWorkflow()), "there is no block in it|nothing inside takes an input"),
    "a loop that never ends": (ran(endless), "it was run 3 times and nothing has ended it"),
    "a loop without a number": (ran(LoopWorkflow), "it does not say how often"),
    "an iteration that ends on no output": (
        ran(lambda: IterativeWorkflow(Take(), max_iterations=3, break_func=break_func)),
        "asks for 'error', which is no output",
    ),
    "a class on the right": (ran(lambda: Give() | Take), "is no block .* Call it: a task is a class"),
    "a class on the left": (ran(lambda: Give | Take()), "is no block .* Call it: a task is a class"),
    "classes on both sides": (ran(lambda: Give | Take), "there is no block in it"),
    "a factory that is not called": (ran(lambda: Give() | as_workflow(Take)), "is no block"),
    "a workflow of nothing": (ran(lambda: None), "workflow 'w': there is no block in it"),
    "blocks outside a workflow": (lambda: Give() | Take(), "were made outside any workflow"),
    "a branch in one piece": (ran(lambda: Give() | IfThenElse(lambda x: True) | Take()), "it comes from"),
    "a merge of nothing": (ran(lambda: MergeTask() | Take()), "nothing is joined to it"),
    "an output that two blocks give": (ran(lambda: [Give(), Give()] | Take()), "it comes from 'give' and 'give-2'"),
    "an end that two blocks are": (ran(lambda: [Give(), Give()]), "both 'give' and 'give-2' end with it"),
    "a positional argument": (lambda: Take(3), r"3 is given without a name .*Take\(x=3\)"),
    "an unknown argument": (lambda: Take(z=3), r"task 'take', 'z': is no input of it \(one of: x\)"),
    "a task of a partial": (lambda: as_task(functools.partial(take_numbers, 1)), "as_task: .* is no function"),
    "a task of a class": (lambda: as_task(dict), "as_task: .* is no function"),
    "a name without its argument": (lambda: as_task("name"), "as_task: 'name' is no function"),
    "a class without a function": (type("Empty", (Task,), {}), "task 'empty': its class has no function 'run'"),
    "a run of a task": (lambda: run(Give()), r"is no workflow .*Workflow\(MyTask\(\)\)"),
    "a run of a class": (lambda: run(Give), "is no workflow"),
    "inputs in a list": (ran(Take, inputs=[1]), r"workflow 'w', inputs: \[1\] is no mapping"),
    "parameters in a number": (ran(Give, parameters=3), r"parameters: 3 is no mapping .*'parameter': value"),
    "parameters of no task": (ran(Give, parameters={"give": 3}), r"parameters\.give: 3 is no mapping"),
    "an engine that is none": (ran(Give, backend=3), r"backend: 3 is no engine .*backend='parallel'"),
    "options in a number": (ran(Give, options=3), r"options: 3 is no mapping .*'workers': 4"),
    "an option without a name": (ran(Give, options={3: 4}), "options, 3: is no name of an option"),
    "an input too much": (ran(Give, inputs={"z": 1}), "workflow 'w', 'z': is no input of it"),
}


def take_numbers(texts: list[int]) -> {}:
    pass


@pytest.mark.parametrize("what", BAD)
def test_a_mistake_is_named_with_what_to_do(what):
    make, text = BAD[what]
    with pytest.raises(FairleadError, match=text) as caught:
        make()
    assert isinstance(caught.value, ContractError)
    assert caught.value.retryable is False
    for problem in caught.value.problems:
        assert problem.where
        assert problem.found
        assert problem.expected or problem.remedy
    assert current_workflow() is None


def test_nothing_runs_where_something_does_not_fit(note):
    @as_task
    def First() -> {}:
        note.path.write_text("ran ")

    def body() -> None:
        First()
        Texts() | as_task(take_numbers)()

    with pytest.raises(ContractError):
        run(written(body))
    assert note.taken() == []


def test_exit_pipeline_outside_a_run_is_told_to_who_called():
    @as_task
    def Stop() -> {}:
        raise ExitPipeline

    with pytest.raises(ExitPipeline):
        Stop()()


def test_a_workflow_file_is_cheap_to_import():
    program = (
        "import sys\n"
        "from fairlead.adapters.workflow import Task, Workflow, MapWorkflow, IfThenElse, as_task, as_workflow, run\n"
        "heavy = {'numpy', 'pandas', 'pydantic', 'jsonschema', 'fsspec', 'sqlalchemy', 'typeguard', 'blake3',\n"
        "         'submitit', 'distributed', 'rich', 'asyncio', 'multiprocessing'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
