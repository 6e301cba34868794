"""Filter containers: every filter does what plain Python says, and what cannot be answered is told."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters.twine.exceptions import (
    BrokenSequenceException,
    InvalidInputException,
    UnexpectedNumberOfResultsException,
)
from fairlead.adapters.twine.resources import filter_containers
from fairlead.adapters.twine.resources.filter_containers import FilterDict, FilterList, FilterSet
from fairlead.adapters.twine.resources.label import LabelSet
from fairlead.adapters.twine.resources.mixins import Filterable
from fairlead.adapters.twine.resources.tag import TagDict
from tests.stores import PEERS, needs


class Thing(Filterable):
    """Something with any attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def __repr__(self):
        return f"Thing({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def held_by(container, **filters):
    """Return the numbers ``n`` of the things that match, in order."""
    return sorted(thing.n for thing in container.filter(**filters))


def things(values):
    return FilterSet(Thing(n=number, x=value) for number, value in enumerate(values))


# What each filter means: a function of the attribute and the value, written without the code that is tested.
ORDER = {
    "lt": lambda a, v: a < v,
    "lte": lambda a, v: not a > v,
    "gt": lambda a, v: v < a,
    "gte": lambda a, v: not a < v,
}
EQUALITY = {"equals": lambda a, v: a == v, "not_equals": lambda a, v: a != v}
CONTAINING = {"contains": lambda a, v: v in a, "not_contains": lambda a, v: v not in a}
RANGES = {
    "in_range": lambda a, v: a >= v[0] and a <= v[1],
    "not_in_range": lambda a, v: a < v[0] or a > v[1],
}
TEXT = {
    "iequals": lambda a, v: a.casefold() == v.casefold(),
    "not_iequals": lambda a, v: a.casefold() != v.casefold(),
    "icontains": lambda a, v: a.casefold().find(v.casefold()) >= 0,
    "not_icontains": lambda a, v: a.casefold().find(v.casefold()) < 0,
    "starts_with": lambda a, v: a[: len(v)] == v,
    "not_starts_with": lambda a, v: a[: len(v)] != v,
    "ends_with": lambda a, v: a[len(a) - len(v) :] == v if len(v) <= len(a) else False,
    "not_ends_with": lambda a, v: a[len(a) - len(v) :] != v if len(v) <= len(a) else True,
}
MEMBERS = {
    "icontains": lambda a, v: v.casefold() in [member.casefold() for member in a],
    "not_icontains": lambda a, v: v.casefold() not in [member.casefold() for member in a],
}
ANY_LABEL = {
    "any_label_contains": lambda a, v: [label for label in a if v in label] != [],
    "not_any_label_contains": lambda a, v: [label for label in a if v in label] == [],
    "any_label_starts_with": lambda a, v: [label for label in a if label[: len(v)] == v] != [],
    "not_any_label_starts_with": lambda a, v: [label for label in a if label[: len(v)] == v] == [],
    "any_label_ends_with": lambda a, v: [label for label in a if label[::-1][: len(v)] == v[::-1]] != [],
    "not_any_label_ends_with": lambda a, v: [label for label in a if label[::-1][: len(v)] == v[::-1]] == [],
}
PARTS = {
    "year": lambda a: a.timetuple()[0],
    "month": lambda a: a.timetuple()[1],
    "day": lambda a: a.timetuple()[2],
    "hour": lambda a: a.timetuple()[3],
    "minute": lambda a: a.timetuple()[4],
    "second": lambda a: a.timetuple()[5],
    "weekday": lambda a: a.timetuple()[6],
    "iso_weekday": lambda a: a.timetuple()[6] + 1,
    "time": lambda a: dt.time.fromisoformat(a.isoformat().partition("T")[2]),
}
DATE_RANGES = {
    "in_date_range": lambda a, v: v[0].isoformat() <= a.isoformat()[:10] <= v[1].isoformat(),
    "in_time_range": lambda a, v: v[0] <= dt.time.fromisoformat(a.isoformat().partition("T")[2]) <= v[1],
}


texts = st.text(alphabet="abABß ", max_size=4)
numbers = st.integers(-3, 3) | st.floats(-3, 3)
words = st.text(alphabet="ab-", min_size=1, max_size=3).filter(lambda text: text.strip("-") == text)
moments = st.datetimes(dt.datetime(2023, 12, 30), dt.datetime(2024, 1, 3))  # noqa: DTZ001 (naive, as those of Octue)
label_sets = st.builds(LabelSet, st.lists(words, max_size=3))
lists = st.lists(texts, max_size=3)


def pairs(values):
    return st.tuples(values, values)


def cases():
    """Every filter but ``is``: its type, its name, what attributes and values to try it on, and what it means."""
    for name, rule in {**EQUALITY, **ORDER, **CONTAINING, **TEXT}.items():
        yield str, name, texts, texts, rule
    for name, rule in {**EQUALITY, **ORDER}.items():
        yield int, name, numbers, numbers, rule
        yield dt.datetime, name, moments, moments, rule
    for name, rule in EQUALITY.items():
        yield bool, name, st.booleans(), st.booleans(), rule
        yield type(None), name, st.none(), st.none() | st.booleans(), rule
        yield LabelSet, name, label_sets, label_sets, rule
        yield list, name, lists, lists, rule
    for name, rule in RANGES.items():
        yield str, name, texts, pairs(texts), rule
        yield int, name, numbers, pairs(numbers), rule
        yield dt.datetime, name, moments, pairs(moments), rule
    for name, rule in CONTAINING.items():
        yield LabelSet, name, label_sets, words, rule
        yield list, name, lists, texts, rule
    for name, rule in MEMBERS.items():
        yield list, name, lists, texts, rule
    for name, rule in ANY_LABEL.items():
        yield LabelSet, name, label_sets, words, rule
    for name, part in PARTS.items():
        of_others = moments.map(part)
        yield dt.datetime, f"{name}_equals", moments, of_others, lambda a, v, part=part: part(a) == v
        yield dt.datetime, f"{name}_in", moments, st.lists(of_others), lambda a, v, part=part: part(a) in v
    yield (
        dt.datetime,
        "in_date_range",
        moments,
        pairs(moments.map(dt.datetime.date)),
        DATE_RANGES["in_date_range"],
    )
    yield dt.datetime, "in_time_range", moments, pairs(st.times()), DATE_RANGES["in_time_range"]


CASES = {(cls, name): (attributes, values, rule) for cls, name, attributes, values, rule in cases()}


@pytest.mark.parametrize(("cls", "name"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_a_filter_finds_what_plain_python_finds(cls, name):
    attributes, values, rule = CASES[cls, name]

    @settings(max_examples=25)
    @given(st.lists(attributes, max_size=6), values)
    def check(some, value):
        expected = [number for number, attribute in enumerate(some) if rule(attribute, value)]
        assert held_by(things(some), **{f"x__{name}": value}) == expected

    check()


def test_every_filter_there_is_has_been_compared_with_plain_python():
    interfaces = dict(zip((int, list), filter_containers.INTERFACE_FILTERS.values(), strict=True))
    there = {(cls, name) for cls, table in {**filter_containers.TYPE_FILTERS, **interfaces}.items() for name in table}
    assert {case for case in there if case[1] not in {"is", "is_not"}} == set(CASES)


@pytest.mark.parametrize("value", ["ab", 3, 2.5, True, None, ("a",), {"a": 1}], ids=repr)
def test_every_attribute_can_be_compared_by_identity(value):
    container = FilterList([Thing(n=0, x=value), Thing(n=1, x=object.__new__(Thing).__class__.__name__)])
    assert held_by(container, x__is=value) == [0]
    assert held_by(container, x__is_not=value) == [1]


@pytest.mark.parametrize(("cls", "name"), [case for case in CASES if case[1].startswith("not_")], ids=str)
def test_a_filter_and_its_opposite_part_what_has_the_attribute(cls, name):
    attributes, values, _ = CASES[cls, name]

    @settings(max_examples=10)
    @given(st.lists(attributes, max_size=6), values)
    def check(some, value):
        container = things(some)
        container.add(Thing(n=-1))
        found, rest = (container.filter(**{f"x__{one}": value}) for one in (name.removeprefix("not_"), name))
        assert not found & rest
        assert {thing.n for thing in found | rest} == {*range(len(some))}

    check()


FILES = FilterSet(
    [
        Thing(n=0, name="a.csv", tags=TagDict(height=80, a=1), labels=LabelSet("met raw"), timestamp=None),
        Thing(n=1, name="b.csv", tags=TagDict(height=120), labels=LabelSet("met"), timestamp=dt.datetime(2024, 5, 1)),  # noqa: DTZ001
        Thing(n=2, name="c.txt", tags=TagDict(), labels=LabelSet(), timestamp=dt.datetime(2023, 1, 1)),  # noqa: DTZ001
    ]
)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"name": "a.csv"}, [0]),
        ({"tags__a": 1}, [0]),
        ({"tags__a": 2}, []),
        ({"tags__nothing": 1}, []),
        ({"tags": {"height": 120}}, [1]),
        ({"tags__equals": {}}, [2]),
        ({"tags__contains": "height"}, [0, 1]),
        ({"tags__height__gt": 100}, [1]),
        ({"tags__height__not_in_range": (80, 100)}, [1]),
        ({"labels__contains": "met"}, [0, 1]),
        ({"labels__contains": "me"}, []),
        ({"timestamp__year_in": {2023, 2024}}, [1, 2]),
        ({"timestamp__gt": dt.datetime(2023, 6, 1)}, [1]),  # noqa: DTZ001
        ({"timestamp__not_in_range": (dt.datetime(2023, 1, 1), dt.datetime(2023, 6, 1))}, [1]),  # noqa: DTZ001
        ({"timestamp__is": None}, [0]),
        ({"timestamp__not_equals": None}, [1, 2]),
        ({"name__ends_with": ".csv", "tags__height__lt": 100}, [0]),
        ({"tags__height__gt": 0, "name__ends_with": ".csv", "labels__not_contains": "raw"}, [1]),
        ({"tags__a__gt": 0, "tags__height__gt": 0}, [0]),
    ],
    ids=str,
)
def test_files_are_found_by_what_is_known_about_them(filters, expected):
    assert held_by(FILES, **filters) == expected
    assert held_by(FILES, **dict(reversed(filters.items()))) == expected


def test_without_filters_a_copy_is_returned():
    for container in (FILES, FilterList(FILES), FilterDict({thing.n: thing for thing in FILES})):
        again = container.filter()
        assert again == container
        assert again is not container
        assert type(again) is type(container)


def test_attributes_of_attributes_are_reached_too():
    container = FilterSet([Thing(n=0, owner=Thing(name={"first": "Joe"})), Thing(n=1, owner=None), Thing(n=2)])
    assert held_by(container, owner__name__first__starts_with="J") == [0]
    assert held_by(container, owner__name__first="Joe") == [0]
    assert held_by(container, owner__name={"first": "Joe"}) == [0]


def test_what_lacks_an_attribute_is_left_out_for_its_plain_name_too():
    assert held_by(FilterSet([Thing(n=0, a=3), Thing(n=1, b=3)]), a=3) == [0]


@pytest.mark.parametrize(
    "filters", [{"a__gt": 0}, {"b__gt": 0, "a__gt": 0}, {"a__gt": 0, "b__gt": 0}, {"tags__a": 1}, {"tags__a__gt": 1}]
)
def test_a_missing_attribute_is_an_error_if_asked_for_however_many_filters_there_are(filters):
    container = FilterSet([Thing(b=1, tags={}), Thing(a=1, b=1, tags={"a": 1})])
    with pytest.raises(AttributeError, match="does not have an attribute or key named"):
        container.filter(ignore_items_without_attribute=False, **filters)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            {"name__startswith": "a"},
            "There is no filter called 'startswith' for attributes of type <class 'str'>. The op",
        ),
        ({"tags__height__icontains": 1}, "There is no filter called 'icontains' for attributes of type <class 'int'>"),
        ({"tags__gt": 1}, "There is no filter called 'gt'"),
        (
            {"name_equals": "a"},
            "Invalid filter name 'name_equals'. Filter names should be in the form '<attribute_name",
        ),
        ({"n__gt": "a"}, "The filter 'n__gt' cannot be used on"),
        ({"n__in_range": 3}, "The filter 'n__in_range' cannot be used on"),
        ({"name__icontains": 3}, "The filter 'name__icontains' cannot be used on"),
    ],
)
def test_a_filter_that_cannot_be_used_is_told(filters, message):
    with pytest.raises(InvalidInputException) as caught:
        FILES.filter(**filters)
    assert message in str(caught.value)


def test_a_type_without_filters_is_told():
    with pytest.raises(InvalidInputException, match="Attributes of type object are not currently supported"):
        FilterSet([Thing(x=object())]).filter(x__equals=3)


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (FilterSet([1, 2]), "All items in a FilterSet must be of type Filterable."),
        (FilterList([1, 2]), "All items in a FilterList must be of type Filterable."),
        (FilterDict(a=1), "All values in a FilterDict must be of type Filterable."),
    ],
)
def test_members_that_cannot_be_filtered_are_told(container, message):
    with pytest.raises(TypeError, match=message):
        container.filter(a__equals=2)


def test_one_returns_the_only_match_and_leaves_the_container_alone():
    container = FILES.filter()
    assert container.one(name__starts_with="c").n == 2
    assert FilterList([Thing(n=7)]).one().n == 7
    assert container == FILES
    named = FilterDict(first=Thing(n=1), second=Thing(n=2))
    assert named.one(n=2) == ("second", named["second"])


def test_one_tells_when_there_is_not_exactly_one():
    with pytest.raises(UnexpectedNumberOfResultsException, match=r"No results found for filters {'n__gt': 5} among 3"):
        FILES.one(n__gt=5)
    with pytest.raises(
        UnexpectedNumberOfResultsException, match=r"More than one result found for filters {'n__gt': 0}"
    ):
        FILES.one(n__gt=0)
    with pytest.raises(UnexpectedNumberOfResultsException, match=r"Found 9: .* and 4 more"):
        FilterList(Thing(n=number) for number in range(9)).one()


def test_a_dictionary_is_filtered_and_ordered_by_its_values():
    held = FilterDict({"a": Thing(n=3), 7: Thing(n=1)}, c=Thing(n=2))
    assert held.filter(n__gt=1).keys() == {"a", "c"}
    assert type(held.filter(n__gt=1)) is FilterDict
    assert [key for key, _ in held.order_by("n")] == [7, "c", "a"]
    assert [key for key, _ in held.order_by("n", True)] == ["a", "c", 7]  # noqa: FBT003 (documented in this place)
    assert held.order_by("n", check_start_value=1, check_constant_increment=1)[0] == (7, held[7])


@given(st.lists(st.integers(0, 3)), st.booleans())
def test_members_are_ordered_and_equal_ones_stay_in_their_order(values, reverse):
    members = FilterList(Thing(n=number, tags={"x": value}) for number, value in enumerate(values))
    found = members.order_by("tags__x", reverse=reverse)
    assert type(found) is FilterList
    assert [thing.n for thing in found] == sorted(
        range(len(values)), key=lambda number: (-values[number] if reverse else values[number], number)
    )
    assert [thing.n for thing in members.order_by("tags.x", reverse=reverse)] == [thing.n for thing in found]


@pytest.mark.parametrize(
    ("values", "start", "increment"),
    [([0, 1, 2], 0, 1), ([2, 0, 4], 0, 2), ([0.1, 0.2, 0.3], 0.1, 0.1), ([5], 5, 1), ([1, 1], 1, 0), ([3, 9], 3, None)],
)
def test_a_sequence_that_is_whole_passes_its_checks(values, start, increment):
    found = things(values).order_by("x", start, increment)
    assert [thing.x for thing in found] == sorted(values)


def test_dates_can_be_checked_for_a_constant_step():
    days = [dt.datetime(2024, 2, day) for day in (28, 29, 27)]  # noqa: DTZ001 (naive, as those of Octue)
    found = things(days).order_by("x", check_constant_increment=dt.timedelta(days=1))
    assert [thing.x.day for thing in found] == [27, 28, 29]


def test_a_broken_sequence_is_told_with_where_it_breaks():
    with pytest.raises(BrokenSequenceException, match=r"of the first item, Thing\(n=0, x=1\), is 1; it does not equal"):
        things([1, 2]).order_by("x", check_start_value=0)
    with pytest.raises(BrokenSequenceException, match=r"constant increment of 1: after 1 \(.*\) comes 5 \("):
        things([0, 1, 5]).order_by("x", check_constant_increment=1)
    with pytest.raises(BrokenSequenceException, match="no first item"):
        things([]).order_by("x", check_start_value=0)


def test_members_without_order_are_told():
    with pytest.raises(
        InvalidInputException, match=r"named 'tags\.a' does not exist on one or more members of the Filt"
    ):
        FILES.order_by("tags__a")
    with pytest.raises(InvalidInputException, match="have no order by 'timestamp'"):
        FILES.order_by("timestamp")
    with pytest.raises(InvalidInputException, match="have no increment"):
        things(["a", "b"]).order_by("x", check_constant_increment=1)


def test_one_object_can_be_asked_whether_it_matches():
    thing = Thing(n=1, tags={"a": 2})
    assert thing.satisfies(tags__a__gte=2)
    assert not thing.satisfies(n=2)
    assert not thing.satisfies(raise_error_if_filter_is_invalid=False, missing__equals=2)
    with pytest.raises(AttributeError, match="named 'missing'"):
        thing.satisfies(missing__equals=2)
    with pytest.raises(ValueError, match="only takes one keyword argument"):
        thing.satisfies(n=1, tags={})


COMPARED = """
import datetime as dt, json, sys
octue = "octue" in sys.argv
if octue:
    from octue.mixins import Filterable
    from octue.mixins.filterable import INTERFACE_FILTERS, TYPE_FILTERS
    from octue.resources.filter_containers import FilterList
    from octue.resources.label import LabelSet
else:
    from fairlead.adapters.twine.resources.filter_containers import FilterList
    from fairlead.adapters.twine.resources.label import LabelSet
    from fairlead.adapters.twine.resources.mixins import Filterable

class Thing(Filterable):
    def __init__(self, n, x):
        self.n, self.x = n, x

moments = [dt.datetime(2024, 1, 1), dt.datetime(2024, 2, 29, 12, 30, 15), dt.datetime(2023, 12, 31, 23, 59, 59)]
attributes = {
    "str": ["", "a", "Ab", "aB", "abc", "\u00df", "ss"],
    "number": [-1, 0, 0.5, 1, 2, 10**20],
    "bool": [True, False],
    "none": [None],
    "labels": [LabelSet(), LabelSet("a"), LabelSet("a ab"), LabelSet("b-a")],
    "datetime": moments,
    "list": [[], ["a"], ["a", "b"], ["ab"]],
    "dict": [{}, {"a": 1}, {"b": {"a": 2}}],
}
values = [
    *attributes["str"], *attributes["number"], True, False, None, {"a"}, *moments, moments[0].date(), moments[1].time(),
    *attributes["list"], *attributes["dict"], ["a", "b"], [0, 1], moments[::-1], {2023, 12, 31, 23, 59, 4, 6, 7},
    [moments[2].date(), moments[0].date()], [dt.time(0), dt.time(12, 30, 15)],
]
found = {}
for kind, some in attributes.items():
    things = FilterList(Thing(n, x) for n, x in enumerate(some))
    for name in json.load(open(sys.argv[1])):
        for number, value in enumerate(values):
            try:
                result = [thing.n for thing in things.filter(**{f"x__{name}": value})]
            except Exception:
                result = "an exception"
            found[f"{kind} {name} {number}"] = result
print(json.dumps(found))
"""


@pytest.mark.slow
def test_octues_own_sdk_finds_the_same(tmp_path):
    octues_python = needs(PEERS / "bin" / "python", "octue")
    names = sorted({name for _, name in CASES})
    (tmp_path / "names.json").write_text(json.dumps(names))
    (tmp_path / "compare.py").write_text(COMPARED)
    octue, ours = (
        json.loads(
            subprocess.run(
                [python, tmp_path / "compare.py", tmp_path / "names.json", which],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()[-1]
        )
        for python, which in ((octues_python, "octue"), (sys.executable, "ours"))
    )
    assert octue.keys() == ours.keys()
    differing = {case for case in octue if octue[case] != ours[case]}
    # What is None matches nothing that compares, and members of lists are compared without case: see the deviations.
    told = {case for case in octue if case.startswith("none ") or re.match("(list|dict|labels) (not_)?icontains", case)}
    assert not differing - told
    assert {octue[case] for case in differing} == {"an exception"}


@pytest.mark.slow
def test_the_cost_of_filtering_grows_with_the_number_of_members_and_no_faster():
    def cost(number):
        container = FilterSet(
            Thing(n=index, name=f"{index}.csv", tags=TagDict(height=index), labels=LabelSet("met"))
            for index in range(number)
        )
        times = []
        for _ in range(3):
            start = time.perf_counter()
            found = container.filter(name__ends_with=".csv", tags__height__gte=number / 2, labels__contains="met")
            times.append(time.perf_counter() - start)
        assert len(found) == number / 2
        return min(times)

    assert cost(20_000) < 25 * cost(2_000)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tags__a__b": 1}, [1]), ({"tags__a__b__gt": 0}, [1, 2, 3]), ({"tags__a__b__equals": 2}, [2, 3]),
        ({"tags__d__e__f": 5}, [4]), ({"tags__a__c": 7}, [3]), ({"tags__a__c__lt": 8}, [3]),
    ],
)  # fmt: skip
def test_a_key_may_have_two_underscores_and_the_longest_counts(filters, expected):
    held = FilterSet(
        [
            Thing(n=1, tags=TagDict({"a__b": 1})),
            Thing(n=2, tags=TagDict({"a": {"b": 2}})),
            Thing(n=3, tags=TagDict({"a": {"b": 1, "c": 7}, "a__b": 2})),
            Thing(n=4, tags=TagDict({"d__e__f": 5})),
        ]
    )
    assert held_by(held, **filters) == expected


def test_members_are_ordered_by_a_key_with_two_underscores():
    held = FilterSet(Thing(n=number, tags=TagDict({"a__b": -number})) for number in range(4))
    assert [thing.n for thing in held.order_by("tags__a__b")] == [3, 2, 1, 0]
