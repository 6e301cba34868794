"""A task that is kept is other work when its code is: its own, and all of the user's that it uses; only then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.workflow import Workflow, run
from fairlead.adapters.workflow.engines import named
from fairlead.adapters.workflow.identity import identity_of
from fairlead.adapters.workflow.run_state import Run

HEAD = """
import functools, os
from fairlead.adapters.workflow import Task, as_task

def note():
    with open(os.environ["NOTES"] + "/note", "a") as file:
        file.write("T ")

def times(k):
    def outer(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return k * function(*args, **kwargs)
        return inner
    return outer
"""
TASK = """
@as_task
def T(x) -> {"y": int}:
    note()
    return x + USED
"""

CASES = """
== itself: ONE
== a helper: helper()
def helper(): return ONE
== a helper of a helper: helper()
def deep(): return ONE
def helper(): return deep()
== a helper that calls itself: helper()
def helper(n=3): return helper(n - 1) if n else ONE
== a constant: K
K = ONE
== a list: K[1]
K = [0, ONE]
== an array: int(K[0])
import numpy
K = numpy.array([ONE])
== a class: C().get()
class C:
    def get(self): return ONE
== a base of a class: C().get()
class B:
    def get(self): return ONE
class C(B): pass
== a class that was made: C.k
def make(number):
    class C:
        k = number
    return C
C = make(ONE)
== an object: c.k
class C:
    def __init__(self, k): self.k = k
c = C(ONE)
== an object that has a lock, by its class: c.get()
import threading
class C:
    def __init__(self): self.lock = threading.Lock()
    def get(self): return ONE
c = C()
== a property: C().k
class C:
    @property
    def k(self): return ONE
== a static method: C.k()
class C:
    @staticmethod
    def k(): return ONE
== a method of an object: get()
class C:
    def __init__(self, k): self.k = k
    def get(self): return self.k
get = C(ONE).get
== a decorated helper: helper()
@times(ONE)
def helper(): return 1
== a helper behind a cache: helper()
@functools.lru_cache
def helper(): return ONE
== a partial: helper()
helper = functools.partial(lambda k: k, ONE)
== one of two lambdas in a line: way()
ways = [lambda: 1, lambda: 2]
way = ways[ONE - 1]
== one lambda of two in a line: way()
ways = [lambda: 5, lambda: ONE]
way = ways[1]
== a lambda over lines: way()
way = (
    lambda:
        ONE
)
== what a helper closes over: helper()
def make(k):
    return lambda: k
helper = make(ONE)
== a constant in a function inside: (lambda: [K for _ in range(2)][0])()
K = ONE
== a default: helper()
def helper(k=ONE): return k
== a default that was computed: helper()
K = ONE
def helper(k=K + 1): return k
K = 5
== a number sign in a text: len('# ' * ONE)
== a dict of functions: HANDLERS["a"]()
def a(): return ONE
HANDLERS = {"a": a}
== what functions in a dict close over: HANDLERS["x"]()
def a(k): return lambda: k
HANDLERS = {"x": a(ONE), "y": a(5)}
== a list of functions, of which one is the list's own user: STEPS[0]()
def a(): return ONE + 0 * len(STEPS)
STEPS = [a, len]
== a number beside a function: STEPS[0][1] * STEPS[0][0]()
def a(): return 1
STEPS = [(a, ONE)]
== a set of functions: sum(f() for f in STEPS)
def a(): return ONE
def b(): return 5
STEPS = {a, b}
== functions by class: HANDLERS[int]()
def a(): return ONE
HANDLERS = {str: len, int: a}
== an object in a dict: HANDLERS["a"].get()
class A:
    def get(self): return ONE
HANDLERS = {"a": A(), "b": len}
== a dict of functions of a class: C().get()
def a(): return ONE
class C:
    HANDLERS = {"a": a}
    def get(self): return self.HANDLERS["a"]()
== a cached property: C().k
def helper(): return ONE
class C:
    @functools.cached_property
    def k(self): return helper()
== a setter of a property: C().set()
def helper(): return ONE
class C:
    @property
    def k(self): return self._k
    @k.setter
    def k(self, k): self._k = helper()
    def set(self):
        self.k = 7
        return self.k
== a partial method: C()()
def helper(k): return ONE
class C:
    __call__ = functools.partialmethod(lambda self, k: helper(k), 1)
== an argument of a partial method: C().get()
K = ONE
class C:
    get = functools.partialmethod(lambda self, k: k, K)
== a way of a function that dispatches: helper(3)
@functools.singledispatch
def helper(k): return 0
@helper.register
def _(k: int): return ONE
== a way of a method that dispatches: C().get(3)
def helper(): return ONE
class C:
    @functools.singledispatchmethod
    def get(self, k): return 0
    get.register(int, lambda self, k: helper())
== a method of a metaclass: C.get()
def helper(): return ONE
class M(type):
    def get(cls): return helper()
class C(metaclass=M): pass
== a class method with a name in underscores: C[0]
def helper(): return ONE
class C:
    @classmethod
    def __class_getitem__(cls, k): return helper()
== a method that is called like an option: C().name()
def helper(): return ONE
class C:
    @property
    def options(self): return helper
    name = lambda self: self.options()
== a method of an object that is data: c.get()
import dataclasses
@dataclasses.dataclass
class C:
    k: int
    def get(self): return self.k * ONE
c = C(1)
== what the task closes over:
def make(k):
    @as_task
    def T(x) -> {"y": int}:
        note()
        return x + k
    return T
T = make(ONE)
== the task's decorator:
@as_task
@times(ONE)
def T(x) -> {"y": int}:
    note()
    return x
== the task's template:
class Template(Task):
    def __call__(self, *args, **inputs):
        return {"y": ONE * super().__call__(*args, **inputs)["y"]}

@Template.as_task
def T(x) -> {"y": int}:
    note()
    return x
== the task's method:
class T(Task):
    def k(self): return ONE
    def run(self, x) -> {"y": int}:
        note()
        return x + self.k()
== the task's attribute:
class T(Task):
    def __init__(self, k=ONE, **options):
        self.k = k
        super().__init__(**options)
    def run(self, x) -> {"y": int}:
        note()
        return x + self.k
== the attribute of a task's class:
class T(Task):
    k = ONE
    def run(self, x) -> {"y": int}:
        note()
        return x + self.k
"""
TEXTS = {
    name: before + (TASK.replace("USED", used.strip()) if used.strip() else "")
    for name, used, before in re.findall(r"^== ([^:]*):(.*)\n((?:(?!==).*\n)*)", CASES, re.MULTILINE)
}


@pytest.fixture
def ran(cached: Any, study: Any) -> Callable[[str], bool]:
    """Run the task ``T`` of a user's module; tell whether it ran, or was found."""

    def go(text: str) -> bool:
        module = study(HEAD + text)
        return bool(cached(lambda: module.T(cache=True), {"x": 1})[1])

    return go


@pytest.mark.parametrize("what", TEXTS)
def test_other_code_is_other_work(ran, what):
    text = TEXTS[what]
    assert ran(text.replace("ONE", "1"))
    assert not ran(text.replace("ONE", "1"))
    assert ran(text.replace("ONE", "2"))


@pytest.mark.parametrize(
    ("before", "inside", "call"),
    [
        ("import helpers", "pass", "helpers.k()"),
        ("from helpers import k", "pass", "k()"),
        ("", "from helpers import k", "k()"),
        ("", "import helpers as h", "h.k()"),
    ],
)
def test_a_helper_in_another_module_counts(ran, study, before, inside, call):
    task = TASK.replace("USED", call).replace("note()", f"{inside}; note()")
    for number, is_new in ((1, True), (1, False), (2, True)):
        study(f"def k(): return {number}\n", name="helpers")
        assert ran(before + task) == is_new


def test_comments_empty_lines_and_the_place_do_not_count(ran):
    assert ran(TASK.replace("USED", "1"))
    moved = TASK.replace("USED", "1").replace("    note()", "\n    # first\n\n    note()  # so")
    assert not ran("\n\n# moved\n" + moved)


def test_spaces_at_the_end_of_a_line_of_a_text_count(ran):
    task = TASK.replace("USED", "len('''aSPACE\nb''')")
    assert ran(task.replace("SPACE", "  "))
    assert ran(task.replace("SPACE", ""))


def test_a_list_in_which_a_task_keeps_objects_does_not_make_it_other_work(study, cached):
    module = study(
        HEAD
        + """
class Met:
    def __init__(self, x): self.x, self.lock = x, note

SEEN = [Met(0)]

@as_task
def T(x) -> {"y": int}:
    note()
    SEEN.append(Met(x))
    return x
"""
    )
    assert [len(cached(lambda: module.T(cache=True), {"x": 1})[1]) for _ in range(3)] == [1, 0, 0]


ORDINARY = """
import enum, numpy
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
class Mode(str, enum.Enum):
    FAST = "1"
    SLOW = "2"
def make(k):
    @as_task
    def T(x, level: int = k) -> {"y": int}:
        note()
        return x + int(k)
    return T
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Level.LOW", "Level.HIGH"),
        ("Level.LOW", "1"),
        ("Mode.FAST", "Mode.SLOW"),
        ("Mode.FAST", "'1'"),
        ("numpy.float64(1.0)", "numpy.float64(2.0)"),
    ],
)
def test_what_is_more_than_a_number_or_text_is_told_apart(ran, one, other):
    assert ran(f"{ORDINARY}T = make({one})\n")
    assert not ran(f"{ORDINARY}T = make({one})\n")
    assert ran(f"{ORDINARY}T = make({other})\n")


@pytest.mark.parametrize("edited", ["the task", "a helper"])
def test_a_result_of_old_code_is_not_found_for_the_text_of_new_code(study, cached, tmp_path, edited):
    task = HEAD + TASK.replace("USED", "helper()") + "def helper(): return 1\n"
    new = task.replace("x + helper()", "x + helper() + 1") if edited == "the task" else task.replace("n 1", "n 2")
    module = study(task)
    (tmp_path / "studies" / "study.py").write_text(new)
    assert cached(lambda: module.T(cache=True), {"x": 1}) == ({"y": 2}, ["T"])
    module = study(new)
    assert cached(lambda: module.T(cache=True), {"x": 1}) == ({"y": 3}, ["T"])


def test_what_is_installed_does_not_count(ran, monkeypatch):
    import numpy as np

    task = "import numpy\n" + TASK.replace("USED", "int(numpy.ones(3).sum())")
    assert ran(task)
    monkeypatch.setattr(np, "ones", lambda number: np.array([number]))
    assert not ran(task)


def test_code_that_changes_between_two_runs_of_one_workflow_counts(study, notes, tmp_path):
    module = study(HEAD + "K = 1\n" + TASK.replace("USED", "K"))
    with Workflow() as workflow:
        module.T(cache=True)
    for number in (1, 2, 1):
        module.K = number
        assert run(workflow, {"x": 1}, cache=str(tmp_path)).outputs == {"y": 1 + number}


def test_the_fingerprint_of_a_task_does_not_change_by_accident(study):
    module = study(
        "from fairlead.adapters.workflow import as_task\n@as_task\ndef T(x: int) -> {'y': int}:\n    return x\n"
    )
    document = identity_of(module.T(), {"x": 1}, Run(named("default")), {})
    assert fingerprint(document) == "e9d83566559430ab1c464e0f5de747a4cb04dbe161e9ccf333a9fe7875b7b0c4"
