"""Tasks: every way to define and call one, as the documents of Outflow have it."""

from __future__ import annotations

import asyncio
import collections
import logging
from typing import Any

import pytest

from fairlead.adapters.errors import InputInvalid
from fairlead.adapters.workflow import Parameter, Skipped, Target, Task, Workflow, as_task, exit_pipeline, run
from fairlead.adapters.workflow.exceptions import (
    ContextArgumentException,
    ExitPipeline,
    IOCheckerError,
    ResultInvalid,
    TargetException,
    TaskException,
)

logger = logging.getLogger(__name__)


# Tutorial, part 2: tasks


@as_task
def GenData():
    raw_data = 42
    return {"raw_data": raw_data}


@as_task
def Transform(raw_data):
    result = raw_data * 2
    return {"transformed_data": result}


@as_task
def Compute(transformed_data):
    result = transformed_data / 2
    return {"computation_result": result}


@as_task
def PrintData(computation_result):
    logger.info(f"Result of the computation: {computation_result}")


def test_getting_started_with_tasks():
    assert GenData()() == {"raw_data": 42}
    assert issubclass(GenData, Task)
    assert GenData.__name__ == "GenData"


def test_modify_the_workflow(caplog):
    caplog.set_level("INFO")
    with Workflow() as workflow:
        GenData() | Transform() | Compute() | PrintData()
    assert run(workflow).outputs == {}
    assert "Result of the computation: 42.0" in caplog.messages


def test_the_right_shift_does_the_same(caplog):
    caplog.set_level("INFO")
    with Workflow() as workflow:
        GenData() >> Transform() >> Compute() >> PrintData()
    run(workflow)
    assert "Result of the computation: 42.0" in caplog.messages


def test_nothing_runs_while_a_workflow_is_written():
    with Workflow():

        @as_task
        def Fail():
            raise AssertionError

        Fail()


# Adding task parameters


@as_task
def ComputeWith(transformed_data: int, multiplier: Parameter(int)) -> {"computation_result": int}:
    result = transformed_data * multiplier
    return result


def test_adding_task_parameters():
    with Workflow() as workflow:
        GenData() | Transform() | ComputeWith()
    parameters = {"compute_with": {"multiplier": 3}}
    assert run(workflow, parameters=parameters).outputs == {"computation_result": 252}


def test_a_parameter_is_looked_up_by_the_name_of_the_instance():
    with Workflow() as workflow:
        ComputeWith(name="second", transformed_data=2)
    assert run(workflow, parameters={"second": {"multiplier": 5}}).outputs == {"computation_result": 10}


def test_a_parameter_is_of_its_type():
    with Workflow() as workflow:
        ComputeWith(transformed_data=2)
    with pytest.raises(IOCheckerError, match=r"parameters\.compute_with\.multiplier: '3' is a str \(int\)"):
        run(workflow, parameters={"compute_with": {"multiplier": "3"}})


def test_a_parameter_that_is_missing_is_told_before_anything_runs():
    with Workflow() as workflow:
        ComputeWith(transformed_data=2)
    with pytest.raises(IOCheckerError, match=r"parameters\.compute_with\.multiplier: is missing \(int\)\. Write it"):
        run(workflow)


def test_a_default_holds_where_the_configuration_says_nothing():
    @as_task
    def Times(x: int, factor: Parameter(int) = 2) -> {"y": int}:
        return x * factor

    with Workflow() as workflow:
        Times(x=3)
    assert run(workflow).outputs == {"y": 6}
    assert run(workflow, parameters={"times": {"factor": 5}}).outputs == {"y": 15}


def test_a_parameter_cannot_be_bound():
    with pytest.raises(TaskException, match=r"task 'compute_with', 'multiplier': is a parameter"):
        ComputeWith(multiplier=3)


def test_a_section_of_parameters_is_a_mapping():
    with Workflow() as workflow:
        ComputeWith(transformed_data=2)
    with pytest.raises(InputInvalid, match=r"parameters\.compute_with: 3 is no mapping"):
        run(workflow, parameters={"compute_with": 3})  # type: ignore[dict-item]


# Tasks: create a task


def test_create_a_task_from_a_function_with_and_without_parentheses():
    @as_task
    def MyTask(a, b):
        return {"result": a + b}

    @as_task()
    def MyOtherTask(a, b):
        return {"result": a + b}

    assert MyTask()(a=1, b=2) == MyOtherTask()(a=1, b=2) == {"result": 3}
    assert (MyTask().name, MyOtherTask().name) == ("my_task", "my_other_task")


def test_create_a_task_by_subclassing():
    class MyTask(Task):
        def run(self, a: int, b: int) -> {"result": int}:
            return {"result": a + b}

    assert MyTask()(a=1, b=2) == {"result": 3}


def test_create_a_task_template(caplog):
    caplog.set_level("INFO")

    class LogTask(Task):
        def __call__(self, *args, **kwargs):
            logger.info(f"Running task {self.name}")
            return super().__call__(*args, **kwargs)

    @LogTask.as_task
    def MyTask():
        pass

    with Workflow() as workflow:
        MyTask()
    run(workflow)
    assert "Running task my_task" in caplog.messages


def test_run_a_task_directly():
    @as_task
    def Add(a: int, b: int) -> {"result": int}:
        return a + b

    add = Add()
    assert add(2, 4) == {"result": 6}
    assert add(a=2, b=4) == {"result": 6}
    assert add(2, b=4) == {"result": 6}


def test_the_outputs_of_one_task_are_the_inputs_of_another_in_a_call():
    assert Transform()(GenData()()) == {"transformed_data": 84}


def test_bound_arguments():
    @as_task
    def Sleep(seconds=0) -> {"slept": int}:
        return seconds

    assert Sleep()() == {"slept": 0}
    assert Sleep(seconds=60)() == {"slept": 60}


def test_a_bound_argument_wins_over_an_upstream_block():
    with Workflow() as workflow:
        GenData() | Transform(raw_data=1)
    assert run(workflow).outputs == {"transformed_data": 2}


@pytest.mark.parametrize("name", ["snake_case", "CamelCase", "ABCTask2Go"])
def test_names_are_in_snake_case(name):
    made = type(name, (Task,), {"run": lambda self: None})
    assert made().name == {"snake_case": "snake_case", "CamelCase": "camel_case", "ABCTask2Go": "abc_task2_go"}[name]


def test_a_name_is_given_to_the_class_or_to_the_instance():
    @as_task(name="given")
    def Named() -> {}:
        pass

    assert (Named().name, Named(name="own").name) == ("given", "own")


# Functions of all sorts


def test_a_task_may_get_itself():
    @as_task(with_self=True)
    def Who(self) -> {"name": str}:
        return self.name

    assert Who(name="me")() == {"name": "me"}


@pytest.mark.parametrize("with_self", [True, False])
def test_who_gets_itself_says_so_twice(with_self):
    def me(this):
        return {"x": 1}

    def itself(self):
        return {"x": 1}

    with pytest.raises(ContextArgumentException, match="its first argument is"):
        as_task(with_self=with_self)(me if with_self else itself)


@as_task
async def Wait(x: int) -> {"x": int}:
    await asyncio.sleep(0)
    return x + 1


def test_an_async_task_is_awaited():
    with Workflow() as workflow:
        Wait(x=1)
    assert run(workflow).outputs == {"x": 2}


def test_an_async_task_is_awaited_where_a_loop_runs_already():
    async def main():
        return Wait()(1)

    assert asyncio.run(main()) == {"x": 2}


def test_a_lambda_with_its_names_written_out_is_a_task():
    assert as_task(lambda x: {"y": x + 1})()(1) == {"y": 2}


def test_a_method_of_an_object_is_a_task():
    class Plant:
        power = 3

        def produce(self, hours: int) -> {"energy": int}:
            return self.power * hours

    assert as_task(Plant().produce)()(2) == {"energy": 6}


def test_a_static_method_does_the_work_of_a_class():
    class Double(Task):
        @staticmethod
        def run(x: int) -> {"y": int}:
            return 2 * x

    assert Double()(2) == {"y": 4}


def test_a_class_method_does_the_work_of_a_class():
    class Double(Task):
        factor = 2

        @classmethod
        def run(cls, x: int) -> {"y": int}:
            return cls.factor * x

    assert Double()(2) == {"y": 4}


def test_any_names_go_where_any_are_taken():
    @as_task
    def Names(x: int, **others: Any) -> {"names": list}:
        return sorted(others)

    assert Names(more=1)(x=1, other=2) == {"names": ["more", "other"]}


def test_an_input_may_be_called_like_an_option():
    @as_task
    def Store(cache: str, timeout: int) -> {"where": str}:
        return f"{cache}{timeout}"

    assert Store(cache="c")(timeout=3) == {"where": "c3"}


def test_local_functions_close_over_what_is_round_them():
    tasks = [as_task(lambda x, factor=factor: {"y": x * factor}) for factor in (2, 3)]
    assert [task()(x=5)["y"] for task in tasks] == [10, 15]


# What comes back


def test_implicit_return():
    @as_task
    def One() -> {"raw_data": int}:
        return 42

    assert One()() == {"raw_data": 42}


def test_a_dict_is_always_taken_as_the_outputs():
    @as_task
    def Config() -> {"config": dict}:
        return {"a": 1, "b": 2, "c": 3}

    with pytest.raises(
        ResultInvalid, match=r"task 'config', output 'config': .*return \{'config': the dict\}"
    ) as caught:
        Config()()
    assert len(caught.value.problems) == 1


def test_what_is_missing_and_what_is_too_much_is_told_at_once():
    @as_task
    def Two(x) -> {"a": int, "b": int}:
        return {"a": 1, "c": 2}

    with pytest.raises(ResultInvalid) as caught:
        Two()(1)
    assert [problem.where for problem in caught.value.problems] == ["task 'two', output 'b'", "task 'two', output 'c'"]


def test_outputs_are_a_plain_dict_whatever_dict_was_returned():
    @as_task
    def Ordered() -> {"a": int}:
        return collections.OrderedDict(a=1)

    outputs = Ordered()()
    assert (outputs, type(outputs)) == ({"a": 1}, dict)


def test_several_outputs_come_in_a_dict():
    @as_task
    def Two() -> {"a": int, "b": int}:
        return 1

    with pytest.raises(ResultInvalid, match=r"task 'two': returned 1 \(a dict with its outputs 'a', 'b'\)"):
        Two()()


def test_no_outputs_is_no_value():
    @as_task
    def Zero() -> {}:
        return 1

    with pytest.raises(ResultInvalid, match=r"task 'zero': returned 1 \(nothing: it declares no outputs"):
        Zero()()


def test_skipped_stands_for_all_outputs_whatever_their_types():
    @as_task
    def Leave() -> {"a": int, "b": str}:
        return Skipped()

    assert Leave()() == {"a": Skipped(), "b": Skipped()}


def test_an_exception_comes_out_as_it_was_raised_with_a_note_of_where():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(one)
            self.two = two

    @as_task
    def Fail() -> {}:
        raise Odd(1, two=2)

    with Workflow() as workflow, Workflow(name="inner"):
        Fail()
    with pytest.raises(Odd) as caught:
        run(workflow)
    assert caught.value.two == 2
    assert caught.value.__notes__ == ["In task 'inner/fail'."]


def test_exit_pipeline_ends_the_run_as_a_success():
    ran = []

    @as_task
    def Stop() -> {"x": int}:
        exit_pipeline("enough")

    @as_task
    def After(x: int) -> {}:
        ran.append(x)

    with Workflow() as workflow:
        Stop() | After()
    result = run(workflow)
    assert (result.exited, result.outputs, ran) == (True, {}, [])


def test_exit_pipeline_is_no_exception_that_a_task_catches_by_accident():
    assert not issubclass(ExitPipeline, Exception)


# Calls


def test_the_inputs_of_a_call_are_checked():
    @as_task
    def Add(a: int, b: int) -> {"result": int}:
        return a + b

    for arguments, named, text in [
        ((1,), {}, r"task 'add', input 'b': is missing \(a value of type int\)"),
        ((1, "2"), {}, r"task 'add', input 'b': '2' is a str \(int\)"),
        ((1, 2, 3), {}, r"task 'add': 3 values were given \(at most 2: a, b\)"),
        ((1,), {"a": 2}, r"task 'add', input 'a': was given twice"),
        ((1, 2), {"c": 3}, r"task 'add', 'c': is no input of it \(one of: a, b\)"),
    ]:
        with pytest.raises(TaskException, match=text):
            Add()(*arguments, **named)


def test_what_is_bound_is_not_given_again():
    with pytest.raises(TaskException, match="task 'transform', input 'raw_data': is bound already"):
        Transform(raw_data=1)(raw_data=2)


def test_a_class_without_run_is_no_task():
    class Nothing(Task):
        pass

    with pytest.raises(TargetException, match="task 'nothing': its class has no function 'run'"):
        Nothing()


def test_a_task_that_cannot_be_made_is_in_no_workflow():
    with Workflow() as workflow:
        with pytest.raises(TaskException):
            Transform(wrong=1)
        GenData()
    assert [block.name for block in workflow.blocks] == ["gen_data"]


def test_targets_that_a_decorator_adds():
    @Target.output("returned_data", type=int)
    @as_task
    def DoStuff():
        return {"returned_data": 1}

    @Target.output("returned_data")
    @as_task
    def DoMore() -> {"returned_data": int}:
        return {"returned_data": 1}

    @Target.input("x", type=int)
    @Target.parameter("k", type=int)
    @as_task
    def Both(x, k):
        return {"y": x + k}

    assert (DoStuff()(), DoMore()()) == ({"returned_data": 1}, {"returned_data": 1})
    with Workflow() as workflow:
        Both(x=1)
    assert run(workflow, parameters={"both": {"k": 2}}).outputs == {"y": 3}
