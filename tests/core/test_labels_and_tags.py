"""Labels and tags: what is one, and that nothing else ever gets in."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.twine.exceptions import InvalidLabelException, InvalidTagException
from fairlead.adapters.twine.resources.label import Label, LabelSet
from fairlead.adapters.twine.resources.tag import TagDict

SMALL = "abcdefghijklmnopqrstuvwxyz0123456789"
words = st.text(alphabet=SMALL + "-_ A\né", max_size=6)
labels = st.text(alphabet=SMALL + "-", min_size=1, max_size=6).filter(lambda text: text.strip("-") == text)
names = st.text(alphabet=SMALL + "_", min_size=1, max_size=6).filter(lambda text: text.strip("_") == text)


def is_word(text: str, joint: str) -> bool:
    """The rule in other words: parts of small letters and digits, joined by one character, which is at no end."""
    return bool(text) and set(text) <= {*SMALL, joint} and joint not in {text[0], text[-1]}


@pytest.mark.parametrize("text", ["a", "1", "a--b", "angry-marmaduke", " a\n"])
def test_a_label_is_a_word_of_small_letters_digits_and_hyphens(text):
    assert Label(text) == text.strip()


@pytest.mark.parametrize("text", ["A", "-a", "a-", "a_b", "", "é", "a b", "²"])
def test_anything_else_is_no_label_and_is_named(text):
    with pytest.raises(InvalidLabelException, match=f"Invalid label '{text}'. Labels must contain only lowercase"):
        Label(text)


@given(words)
def test_labels_are_told_from_other_texts(text):
    try:
        assert is_word(Label(text), "-")
    except InvalidLabelException:
        assert not is_word(text.strip(), "-")


@pytest.mark.parametrize("given_", [["b", "a"], "a b", ' ["a", "b"]', {"a", "b"}, ("b", "a", "a"), LabelSet("b a")])
def test_labels_are_given_as_an_iterable_a_text_or_a_json_list(given_):
    assert LabelSet(given_) == {"a", "b"}


@pytest.mark.parametrize("text", ["3", "2024 7"])
def test_numbers_in_a_text_are_labels(text):
    assert LabelSet(text) == set(text.split())


@pytest.mark.parametrize("nothing", [None, "", [], "[]"])
def test_no_labels_are_an_empty_set(nothing):
    assert LabelSet(nothing) == set()


@pytest.mark.parametrize("wrong", [3, 3.5, [3], b"a", "[1]", '{"a": 1}', '["a"', True, [["a"]]])
def test_a_wrong_type_is_an_invalid_label(wrong):
    with pytest.raises(InvalidLabelException):
        LabelSet(wrong)


@pytest.mark.parametrize(
    "add",
    [
        lambda held, new: held.add_labels(*new),
        lambda held, new: held.update(new),
        lambda held, new: held.update("fine", new),
        lambda held, new: held.__ior__(new),
        lambda held, new: held.__ixor__(set(new)),
        lambda held, new: held.symmetric_difference_update(new),
    ],
)
def test_a_mixture_of_valid_and_invalid_labels_adds_none(add):
    held = LabelSet("old")
    with pytest.raises(InvalidLabelException):
        add(held, ["new", "Not"])
    assert held == {"old"}


@given(st.lists(words), words)
def test_a_set_of_labels_never_holds_anything_else(many, one):
    held = LabelSet()
    for change in (lambda: held.update(many), lambda: held.add(one), lambda: held.__ixor__({one})):
        with contextlib.suppress(InvalidLabelException):
            change()
    assert all(is_word(label, "-") for label in held)


@given(st.sets(labels))
def test_labels_survive_copies_pickles_and_their_own_text(some):
    held = LabelSet(some)
    assert held == some
    for again in (
        copy.deepcopy(held),
        copy.copy(held),
        pickle.loads(pickle.dumps(held)),
        LabelSet(json.dumps([*held])),
    ):
        assert (type(again), again) == (LabelSet, held)
        assert repr(again) == repr(held)


def test_labels_can_be_asked_for_parts_of_themselves():
    held = LabelSet("met-mast raw")
    assert held.any_label_contains("t-m")
    assert held.any_label_starts_with("ra")
    assert held.any_label_ends_with("mast")
    assert not held.any_label_contains("x")
    assert not held.any_label_starts_with("mast")
    assert not held.any_label_ends_with("met")


@pytest.mark.parametrize("name", ["a", "1", "a__b", "sensor_height"])
def test_a_tags_name_is_a_word_of_small_letters_digits_and_underscores(name):
    assert TagDict({name: 1}) == {name: 1}


@pytest.mark.parametrize("name", ["A", "_a", "a_", "a-b", "", "é", "a b", "a\n"])
def test_any_other_name_is_told(name):
    with pytest.raises(InvalidTagException, match=f"Invalid tag '{name}'. Tags must contain only lowercase"):
        TagDict({name: 1})


def test_a_name_that_is_no_text_is_told_with_its_type():
    with pytest.raises(InvalidTagException, match="received 3, which is of type int"):
        TagDict({3: 1})


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update({"good": 1, "Bad": 2}),
        lambda held: held.update(good=1, Bad=2),
        lambda held: held.update([("good", 1), ("Bad", 2)]),
        lambda held: held.__setitem__("Bad", 1),
        lambda held: held.setdefault("Bad", 1),
        lambda held: held.__ior__({"good": 1, "Bad": 2}),
        lambda held: held | {"Bad": 1},
    ],
)
def test_one_bad_name_changes_nothing(change):
    held = TagDict(old=1)
    with pytest.raises(InvalidTagException):
        change(held)
    assert held == {"old": 1}


def test_tags_are_set_in_every_way_a_dictionary_knows():
    held = TagDict([("a", 1)], b=2)
    held["c"] = 3
    held |= {"d": 4}
    held.setdefault("e", 5)
    both = held.copy() | {"a": 0}
    assert both == {"a": 0, "b": 2, "c": 3, "d": 4, "e": 5}
    assert type(both) is TagDict
    assert held["a"] == 1


@given(st.dictionaries(names, st.none() | st.integers() | st.text() | st.lists(st.booleans())))
def test_tags_survive_copies_pickles_and_json(some):
    held = TagDict(some)
    for again in (copy.deepcopy(held), pickle.loads(pickle.dumps(held)), TagDict(json.loads(json.dumps(held)))):
        assert (type(again), again) == (TagDict, some)


@given(words)
def test_names_of_tags_are_told_from_other_texts(name):
    try:
        TagDict({name: None})
        assert is_word(name, "_")
    except InvalidTagException:
        assert not is_word(name, "_")
