"""How results are shown alike wherever they are: what is a table, and how sizes and times are written."""

from __future__ import annotations

import pytest

from fairlead.adapters.presentation import duration, is_table, size


@pytest.mark.parametrize(
    ("value", "table"),
    [
        ([{"a": 1, "b": None}, {"b": "x", "a": True}], True),
        ([{"a": 1}, {"b": 1}], False),
        ([{"a": [1]}], False),
        ([{"a": {}}], False),
        ([{}, {}], False),
        ([{"a": 1}, 2], False),
        ([2, {"a": 1}], False),
        ([], False),
        ({"a": 1}, False),
        ("ab", False),
    ],
)
def test_a_table_is_a_list_of_plain_objects_with_the_same_fields_in_any_order(value, table):
    assert is_table(value) is table


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3_614, "3.61 kB"),
        (999_499, "999 kB"),
        (999_600, "1 MB"),
        (5 * 10**9, "5 GB"),
        (4 * 10**12, "4 TB"),
    ],
)
def test_sizes_are_three_digits_and_never_in_powers_of_ten(number, text):
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0583, "58.3 ms"),
        (0.9996, "1.00 s"),
        (1.344, "1.34 s"),
        (59.996, "1 min 0 s"),
        (119.7, "2 min 0 s"),
        (3725.0, "62 min 5 s"),
    ],
)
def test_durations_never_have_sixty_seconds(seconds, text):
    assert duration(seconds) == text
