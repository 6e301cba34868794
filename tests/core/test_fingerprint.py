"""Fingerprints: equal for equal work on any machine, different for any other."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
import os
import struct
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.errors import NotFingerprintable
from fairlead.adapters.fingerprint import LONG, encoded, fingerprint, source_tree, whole_tree

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary(max_size=8)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
# Few values, so that two of them are often nearly the same.
alike = st.recursive(
    st.sampled_from([None, False, True, 0, 1, 0.0, -0.0, 1.0, "", "0", "1", "n", b"", b"1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "a", "b"]), inner, max_size=3),
    max_leaves=6,
)


class Level(enum.IntEnum):
    LOW = 1


def of(value: object) -> str:
    return fingerprint({"value": value})


def backwards(value: Any) -> Any:
    """Return the same document with the keys of every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Tell whether two documents are the same in every type, which ``==`` does not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))


@given(documents)
def test_a_fingerprint_is_64_hexadecimal_digits_and_always_the_same(document):
    assert len(of(document)) == 64
    assert set(of(document)) <= set("0123456789abcdef")
    assert of(document) == of(document)


@given(documents)
def test_the_order_of_keys_does_not_matter_at_any_depth(document):
    assert of(backwards(document)) == of(document)


@given(st.lists(alike, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_a_list_matters(items, random):
    shuffled = random.sample(items, len(items))
    assert (of(shuffled) == of(items)) == same(shuffled, items)


@given(alike, alike)
def test_two_documents_share_a_fingerprint_only_if_they_are_the_same(one, other):
    assert (of(one) == of(other)) == same(one, other)


def test_values_that_python_or_a_reader_takes_for_equal_all_differ():
    values = [
        None, False, True, 0, 1, -1, 0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, "", "0", "1", "1.0", "None", "true",
        b"", b"1", [], {}, set(), [None], [[]], {"": None}, {"1": 1}, {1: 1}, {1.0: 1}, {True: 1}, {None: 1},
        {1}, [1], ["1"], "[1]", dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), "2026-01-01", "2026-01-01T00:00:00",  # noqa: DTZ001
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    ]  # fmt: skip
    assert len({of(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([["a"], "b"], [["a", "b"]]),
        ([[], []], [[[]]]),
        ({"a": {"b": 1}}, {"a": {}, "b": 1}),
        ({"a": "b", "c": "d"}, {"a": "bc", "d": ""}),
        ({"ab": 1}, {"a": {"b": 1}}),
        ([1, 23], [12, 3]),
        ([1, [2]], [1, 2]),
        ({"a": None}, {}),
        ([None], []),
    ],
)
def test_what_is_inside_what_matters(one, other):
    assert of(one) != of(other)


def test_every_nan_equals_every_other():
    another = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]
    assert math.isnan(another)
    assert of(another) == of(math.nan) == of([math.inf - math.inf][0])


def test_the_kind_of_mapping_or_list_does_not_matter():
    assert of(collections.OrderedDict(a=1, b=2)) == of(types.MappingProxyType({"b": 2, "a": 1})) == of({"a": 1, "b": 2})
    assert of((1, (2, 3))) == of([1, [2, 3]])
    assert of(frozenset({1, 2})) == of({2, 1})


def test_integers_of_any_size_have_a_fingerprint():
    assert len({of(10**5000), of(10**5000 + 1), of(-(10**5000))}) == 3


@given(st.sampled_from([st.floats(), st.integers(), st.text(st.characters(exclude_categories=()))]).flatmap(
    lambda members: st.lists(members, min_size=LONG)))  # fmt: skip
def test_a_long_list_is_encoded_as_its_members_one_by_one(items):
    assert encoded(items) == b"l" + struct.pack(">Q", len(items)) + b"".join(encoded(item) for item in items)


def test_what_is_large_is_hashed_as_it_is_encoded():
    document = {"a": [1, "x" * 100_000, 2], "b": {"y" * 100_000: b"z" * 100_000}, "c": {b"s" * 100_000}}
    assert fingerprint(document) == blake3(encoded(document)).hexdigest()


def test_texts_are_taken_as_they_are():
    composed, decomposed = "\u00e9", "e\u0301"
    assert of(composed) != of(decomposed)
    assert of("\ud83d") != of("?")


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"a": [1, {"b": object()}]}, "a[1].b"),
        ({"turbines": [{"hub": {"height": complex(1, 2)}}]}, "turbines[0].hub.height"),
        ({"f": len}, "f"),
        ({"a": {(1, object()): 2}}, "a, key"),
        ({"a": frozenset({len})}, "a, member"),
        ({"path": Path("/tmp")}, "path"),
        ({"number": Level(1)}, "number"),
    ],
)
def test_what_has_no_identity_elsewhere_is_refused_by_the_path_to_it(document, where):
    with pytest.raises(NotFingerprintable) as caught:
        fingerprint(document)
    assert caught.value.problems[0].where.startswith(where)
    assert caught.value.problems[0].remedy
    assert not caught.value.retryable


def test_an_open_file_is_refused_by_its_type(tmp_path):
    with (tmp_path / "data").open("w") as stream, pytest.raises(NotFingerprintable, match="TextIOWrapper"):
        fingerprint({"weather": stream})


def test_a_document_that_contains_itself_is_refused():
    document: dict[str, Any] = {}
    document["self"] = [document]
    with pytest.raises(NotFingerprintable, match="contains itself"):
        fingerprint(document)


# Golden values. They must never change: every cached result anywhere is found by them. If this fails, a change has cut
# all users off from their caches, and a new `_IDENTITY_VERSION` of the units is the way to do that on purpose.
GOLDEN_DOCUMENT = """{
    "none": None, "true": True, "false": False, "small": 1, "huge": -(2**100), "float": 0.1, "zero": -0.0,
    "nan": float("nan"), "text": "wind, Wind, \\u98a8, \\U0001f32c", "half": "\\ud83d", "bytes": b"\\x00\\xff",
    "list": [1, 1.0, "1", [], {}], "mapping": {"b": 1, "a": {"c": None}, 1: 2}, "set": {"x", "y", "z", 1, 2.5},
    "date": dt.date(2026, 11, 20), "time": dt.datetime(2026, 11, 20, 6, 30, tzinfo=dt.UTC),
}"""
GOLDEN = "ea37bbb44055eb36435e1a77fc763f67732e474ce7e0d69247f06367e765ab44"
GOLDEN_TREE = "c8e2bef02ea912144fb0f61cfd3b0acd8bbbd67e713b610b780ef4c25a40a205"


def golden_tree(folder: Path) -> Path:
    for name, content in {
        "app.py": b"def run(analysis):\n    pass\n",
        "twine.json": b"{}",
        "wind/__init__.py": b"",
        "wind/rose.py": b"SECTORS = 12\n",
        "data/Sand Point, \u963f\u62c9\u65af\u52a0.csv": bytes(range(256)) * 2000,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_fingerprint_is_the_same_in_every_process_and_for_ever(seed):
    program = (
        "import datetime as dt; from fairlead.adapters.fingerprint import fingerprint; "
        f"print(fingerprint({GOLDEN_DOCUMENT}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Kolkata", "LC_ALL": "C"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == GOLDEN


def test_the_identity_of_a_source_tree_is_the_same_for_ever(tmp_path):
    assert source_tree(golden_tree(tmp_path / "app")) == GOLDEN_TREE


# Source trees


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return golden_tree(tmp_path / "app")


def test_one_byte_of_any_file_changes_the_tree(tree):
    seen = {source_tree(tree)}
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            content = bytearray(path.read_bytes() or b"\n")
            content[-1] ^= 1
            path.write_bytes(content)
            seen.add(source_tree(tree))
    assert len(seen) == 6


def test_a_new_name_changes_the_tree(tree):
    before = source_tree(tree)
    (tree / "wind" / "rose.py").rename(tree / "wind" / "roses.py")
    assert source_tree(tree) != before


def test_another_folder_changes_the_tree(tree):
    before = source_tree(tree)
    (tree / "wind" / "rose.py").rename(tree / "rose.py")
    assert source_tree(tree) != before


def test_an_empty_file_counts(tree):
    before = source_tree(tree)
    (tree / "wind" / "__init__.py").unlink()
    assert source_tree(tree) != before


def test_names_and_contents_do_not_run_into_each_other(tmp_path):
    trees = []
    for number, files in enumerate([{"ab": "c"}, {"a": "bc"}, {"a": "b", "c": ""}, {"a": "", "b": "c"}, {}]):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        trees.append(source_tree(folder))
    assert len(set(trees)) == len(trees)


def test_where_the_tree_is_does_not_matter(tree, tmp_path):
    before = source_tree(tree)
    assert source_tree(tree.rename(tmp_path / "elsewhere")) == before


def test_modes_and_times_do_not_count(tree):
    before = source_tree(tree)
    (tree / "app.py").chmod(0o755)
    os.utime(tree / "app.py", (0, 0))
    assert source_tree(tree) == before


@pytest.mark.parametrize(
    "name",
    [
        ".git/HEAD",
        ".env",
        "wind/.DS_Store",
        "__pycache__/app.cpython-311.pyc",
        "wind/__pycache__/rose.cpython-311.pyc",
        "old.pyc",
        "app.egg-info/PKG-INFO",
        "node_modules/left/pad.js",
        ".venv/lib/numpy.py",
        "venv/lib/numpy.py",
        "an/empty/folder/",
    ],
)
def test_what_is_not_source_does_not_count(tree, name):
    before = source_tree(tree)
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if name.endswith("/") else path.write_text("changes all the time")
    assert source_tree(tree) == before


def test_a_virtual_environment_of_any_name_does_not_count(tree):
    before = source_tree(tree)
    for name in ("pyvenv.cfg", "lib/site-packages/numpy.py", "bin/activate"):
        (tree / "environment" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "environment" / name).write_text("changes all the time")
    assert source_tree(tree) == before


def test_every_file_counts_in_a_whole_tree(tree):
    seen = {whole_tree(tree)}
    for name in (".hidden", "venv/x.py", "old.pyc"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("x")
        seen.add(whole_tree(tree))
    assert len(seen) == 4


@pytest.mark.parametrize("name", ["README.md", "data/new.csv", "venv.py", "wind/cache/x.py", "\u00e4\u00f6\u00fc.py"])
def test_any_other_file_counts(tree, name):
    before = source_tree(tree)
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("")
    assert source_tree(tree) != before


def test_a_link_to_a_file_counts_as_that_file(tree, tmp_path):
    before = source_tree(tree)
    target = (tree / "twine.json").rename(tmp_path / "shared.json")
    (tree / "twine.json").symlink_to(target)
    assert source_tree(tree) == before
    target.write_text('{"changed": true}')
    assert source_tree(tree) != before


def test_a_link_to_a_folder_counts_as_that_folder(tree, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "physics.py").write_text("G = 9.81")
    before = source_tree(tree)
    (tree / "shared").symlink_to(tmp_path / "shared")
    linked = source_tree(tree)
    (tmp_path / "shared" / "physics.py").write_text("G = 9.8")
    assert len({before, linked, source_tree(tree)}) == 3


@pytest.mark.parametrize("target", [".", "..", "/", "nothing"])
def test_links_that_lead_back_or_to_nothing_do_not_count(tree, target):
    before = source_tree(tree)
    (tree / "link").symlink_to(tree / target)
    assert source_tree(tree) == before


def test_a_name_that_is_no_text_counts_too(tree):
    before = source_tree(tree)
    (tree / os.fsdecode(b"\xff\xfe.dat")).write_text("")
    assert source_tree(tree) != before


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        source_tree(tmp_path / "nowhere")
