"""Octue's hashes: the values that its SDK gives, and one for what it cannot hash."""

from __future__ import annotations

import datetime as dt
import os

import pytest

from fairlead.adapters.twine.resources import hashing
from fairlead.adapters.twine.resources.label import LabelSet
from fairlead.adapters.twine.resources.mixins import Hashable

VALUES = [
    "",
    "a text",
    "ünïcode",
    0,
    -7,
    2.5,
    float("inf"),
    None,
    [],
    {},
    [1, 2],
    [2, 1],
    ["b", "a"],
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {"a": {"y": [1, {"z": None}], "x": 2.5}},
    [{"a": 1}],
    [[2, 1], [1, 2]],
]
"""Values that Octue's SDK can hash."""


def test_the_hash_is_crc32c_as_the_standard_checks_it():
    assert hashing.hash_of_bytes(b"123456789") == hashing.encoded(0xE3069283)  # RFC 3720, appendix B.4


@pytest.mark.parametrize(
    ("value", "expected"),
    [([1, 2], "UwJ2VQ=="), ([2, 1], "UwJ2VQ=="), ({"b": 2, "a": 1}, "TTDyTw=="), ({}, "dk29dg=="), ([], "dk29dg==")],
)
def test_known_hashes_of_values(value, expected):
    assert hashing.hash_of_value(value) == expected


def test_a_file_that_is_missing_or_empty_has_the_hash_of_nothing(tmp_path):
    tmp_path.joinpath("empty").touch()
    assert hashing.hash_of_file(tmp_path / "empty") == hashing.hash_of_file(tmp_path / "missing") == "AAAAAA=="


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, 1 << 20, (1 << 21) + 3])
def test_a_file_has_the_hash_of_its_bytes(tmp_path, size):
    content = os.urandom(size)
    tmp_path.joinpath("file").write_bytes(content)
    assert hashing.hash_of_file(tmp_path / "file") == hashing.hash_of_bytes(content)


def test_a_folder_is_no_file_and_is_told(tmp_path):
    with pytest.raises(IsADirectoryError):
        hashing.hash_of_file(tmp_path)


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ([{"a": 1, "b": 2}, {"c": 3}], [{"b": 2, "a": 1}, {"c": 3}]),
        ([1, "a"], (1, "a")),
        (True, True),
        ({1: "a", "b": 2}, {"b": 2, 1: "a"}),
    ],
)
def test_what_octue_cannot_hash_has_the_hash_of_its_canonical_json(value, same):
    found = hashing.hash_of_value(value)
    assert found is not None
    assert found == hashing.hash_of_value(same)
    assert found != hashing.hash_of_value(None)


def test_what_has_no_json_form_either_has_no_hash():
    assert hashing.hash_of_value([{"a": object()}, {"b": 1}]) is None
    assert hashing.hash_of_value(object()) is None


class Known(Hashable):
    def __init__(self, value):
        super().__init__(value)


def test_members_with_a_hash_of_their_own_count_as_that():
    assert hashing.hash_of_value([Known("b"), Known("a")]) == hashing.hash_of_value(["a", "b"])
    assert hashing.hash_of_value({"k": Known("a")}) == hashing.hash_of_value({"k": "a"})
    assert hashing.hash_of_value([Known("b"), 1]) == hashing.hash_of_value(["b", 1])


def test_labels_have_one_hash_whatever_their_order():
    assert hashing.hash_of_value({"labels": LabelSet("a")}) == hashing.hash_of_value(
        {"labels": Shown("LabelSet({'a'})")}
    )
    assert hashing.hash_of_value({"labels": LabelSet("a b c d")}) == hashing.hash_of_value(
        {"labels": LabelSet("d c b a")}
    )


class Shown:
    """Something that is shown as a text says."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


@pytest.mark.slow
def test_octues_own_sdk_gives_the_same_hashes(octue):
    theirs = {repr(value): octue("hash_of", value=value) for value in VALUES}
    assert {repr(value): hashing.hash_of_value(value) for value in VALUES} == theirs


def test_a_date_counts_as_its_text():
    moment = dt.datetime(2024, 5, 17, 12, 30)  # noqa: DTZ001 (naive, as those of Octue)
    assert hashing.hash_of_value(moment) == hashing.hash_of_value("2024-05-17 12:30:00")
