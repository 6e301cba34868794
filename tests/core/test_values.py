"""Values between tasks: they come back equal and of the same type, and have an identity; or they are refused."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import json
import math
import os
import subprocess
import sys
import textwrap
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra import pandas as hpd

from fairlead.adapters import storage
from fairlead.adapters.errors import ContractInvalid, InputInvalid, NotFingerprintable, NotPortable, StorageFailed
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.twine import Datafile, Dataset, Manifest
from fairlead.adapters.values import Blob, Codec, Unfit, ValueStore, identity, pack, packing, register, registry, unpack


class Level(enum.Enum):
    LOW = 1
    HIGH = "high"


class Number(enum.IntEnum):
    ONE = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: float
    y: float


@dataclasses.dataclass
class Site:
    name: str
    at: Point
    hubs: tuple[float, ...] = ()
    seen: Any = dataclasses.field(default=None, repr=False)

    @functools.cached_property
    def label(self) -> Callable[[], str]:
        return lambda: self.name


@dataclasses.dataclass(frozen=True, slots=True)
class Turbine:
    site: Site
    height: decimal.Decimal
    number: int = dataclasses.field(init=False, default=3)

    def __post_init__(self) -> None:
        CALLED.append(self)


class Farm(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    sites: list[Site] = []
    _note: str = pydantic.PrivateAttr(default="none")

    def model_post_init(self, _context: Any) -> None:
        CALLED.append(self)


class Dictionary(dict[str, int]):
    pass


class Opaque:
    def __init__(self, value: int) -> None:
        self.value = value


CALLED: list[Any] = []


def again(value: Any) -> Any:
    """Return a value after it has travelled."""
    packed = pack(value)
    blobs = {
        name: content if isinstance(content, bytes) else content.read_bytes() for name, content in packed.blobs.items()
    }
    for name, content in blobs.items():
        assert name.partition(".")[0] == blake3(content).hexdigest()
    return unpack(json.loads(json.dumps(packed.data, allow_nan=False)), blobs.__getitem__)


def of(value: Any) -> str:
    return fingerprint({"value": identity(value)})


def same(one: Any, other: Any) -> bool:  # noqa: PLR0911 (a table)
    """Tell whether two values are equal in every type, and NaN equal to NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(map(of, one)) == list(map(of, other)) and all(map(same, one.values(), other.values()))
    if isinstance(one, Site):
        return same(vars(one), vars(other))
    if isinstance(one, list | tuple | collections.deque):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and sorted(map(of, one)) == sorted(map(of, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, complex):
        return same([one.real, one.imag], [other.real, other.imag])
    if isinstance(one, decimal.Decimal):
        return str(one) == str(other)
    if isinstance(one, dt.datetime | dt.time):
        return (one.replace(tzinfo=None), one.fold, one.tzinfo) == (
            other.replace(tzinfo=None),
            other.fold,
            other.tzinfo,
        )
    return bool(one == other)


# Any value of the standard library

zones = st.sampled_from(
    [None, dt.UTC, dt.timezone(dt.timedelta(hours=-3, minutes=-30), "NST"), zoneinfo.ZoneInfo("Europe/Paris")]
)
hashable = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.binary(max_size=8)
    | st.complex_numbers()
    | st.decimals().filter(lambda value: not value.is_snan())
    | st.fractions()
    | st.uuids()
    | st.datetimes(timezones=zones)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.sampled_from([*Level, *Number, *Mode, Mode.READ | Mode.WRITE, Mode(0)])
    | st.builds(Point, st.floats(), st.floats())
    | st.builds(range, st.integers(), st.integers(), st.integers(min_value=1))
    | st.sampled_from([PurePosixPath("a/b"), PureWindowsPath("c:/d"), Path("/nowhere/at/all")])
)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.lists(inner, max_size=4).map(collections.deque)
        | st.dictionaries(st.text(max_size=5) | st.just("$fairlead"), inner, max_size=4)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=4)
        | st.frozensets(hashable, max_size=4)
        | st.builds(lambda value: collections.OrderedDict(b=value, a=1), inner)
        | st.builds(lambda value: collections.defaultdict(list, {"a": value}), inner)
        | st.builds(Site, st.text(), st.builds(Point, inner, inner), seen=inner)
    ),
    max_leaves=12,
)


@given(values)
def test_a_value_comes_back_equal_and_of_the_same_type(value):
    assert same(again(value), value)
    assert of(again(value)) == of(value)


@given(values, values)
def test_two_values_share_an_identity_only_if_they_are_packed_alike(one, other):
    def text(value: Any) -> str:
        return json.dumps(pack(value).data, sort_keys=True)

    if text(one) == text(other):
        assert of(one) == of(other)
    elif of(one) == of(other):  # dictionaries whose keys are in another order
        assert sorted(text(one)) == sorted(text(other))


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | finite | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_plain_data_is_its_own_packed_form_and_identity(value):
    packed = pack(value)
    assert packed.data is value
    assert packed.blobs == {}
    assert identity(value) is value
    assert unpack(value, {}.__getitem__) is value


@pytest.mark.parametrize(
    "value",
    [
        (1, [2, (3,)]),
        10**10_000,
        math.nan,
        [1.0] * 20 + [math.inf],
        ["a"] * 20 + ["\ud83d"],
        {"\ud83d": 1},
        {"$fairlead": "tuple", "value": [1]},
        {"a": {"$fairlead": 1}},
        {(1, 2): {3: 4}, None: True},
        {1, "1", (1, frozenset({2}))},
        bytes(range(256)) * 40,
        bytearray(b"x"),
        slice(1, None, 2),
        collections.Counter("fairlead"),
        collections.deque([1, 2, 3], maxlen=2),
        types.SimpleNamespace(a=(1,)),
        dt.timezone(dt.timedelta(hours=1)),
        zoneinfo.ZoneInfo("Asia/Kolkata"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_lacks_comes_back(value):
    assert same(again(value), value)
    assert type(again(value)) is type(value)


def test_the_later_of_two_equal_times_stays_the_later():
    time = dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
    assert again(time).fold == 1
    assert again(time).utcoffset() == time.utcoffset()
    assert of(time) != of(time.replace(fold=0))


# Classes


def test_a_dataclass_comes_back_as_it_was_without_being_called():
    site = Site("Sand Point", Point(1, math.inf), (90.0,))
    assert site.label() == "Sand Point"
    site.extra = {1, 2}  # type: ignore[attr-defined]
    turbine = Turbine(site, decimal.Decimal("90.50"))
    object.__setattr__(turbine, "number", 4)
    CALLED.clear()
    copy = again(turbine)
    assert copy == turbine
    assert copy.number == 4
    assert copy.site.extra == {1, 2}
    assert copy.site.label() == "Sand Point"
    assert CALLED == []


def test_a_model_comes_back_as_it_was_without_being_called():
    farm = Farm(name="North", owner=("a", 1), sites=[Site("x", Point(0, 1))])  # type: ignore[call-arg]
    farm._note = "seen"
    CALLED.clear()
    copy = again(farm)
    assert copy == farm
    assert (copy._note, copy.owner, copy.model_fields_set) == ("seen", ("a", 1), farm.model_fields_set)
    assert CALLED == []


def test_members_of_enumerations_are_the_same_objects():
    assert again([Level.LOW, Number.ONE, Mode.READ | Mode.WRITE])[0] is Level.LOW
    assert again(Number.ONE) is Number.ONE
    assert again(Mode.READ | Mode.WRITE) == Mode.READ | Mode.WRITE


def in_a_function() -> Any:
    @dataclasses.dataclass
    class Inner:
        a: int = 1

    return Inner()


def test_a_class_that_another_process_does_not_find_is_refused_with_the_reason():
    with pytest.raises(
        NotPortable, match=r"^result\.site: its class .*Inner.* is made inside a function .*Define the class"
    ):
        pack({"site": in_a_function()}, "result")
    hidden = dataclasses.make_dataclass("Hidden", ["a"], namespace={"__module__": __name__})
    with pytest.raises(NotPortable, match=rf"is not found again as {__name__}:Hidden"):
        pack(hidden(1))


def test_a_class_of_the_script_is_refused_with_the_reason(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import dataclasses
            from fairlead.adapters.values import identity, pack

            @dataclasses.dataclass
            class Site:
                name: str

            print(identity(Site("x"))["class"])
            pack([Site("x")], "result")
        """)
    )
    done = subprocess.run([sys.executable, str(script)], check=False, capture_output=True, text=True)
    assert done.stdout == "__main__:Site\n"
    assert "result[0]: its class Site is of the script that is run" in done.stderr
    assert "Move the class into a module" in done.stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"$fairlead": "dataclass", "class": "os:system", "value": {}}, "os:system is no dataclass"),
        ({"$fairlead": "dataclass", "class": "pathlib:Path", "value": {}}, "pathlib:Path is no dataclass"),
        ({"$fairlead": "enum", "class": f"{__name__}:Site", "value": "x"}, "is no enum"),
        ({"$fairlead": "model", "class": "nowhere:Farm", "value": {}}, "nowhere:Farm is not found"),
        ({"$fairlead": "model", "class": f"{__name__}:Gone", "value": {}}, "is not found"),
        ({"$fairlead": "enum", "class": f"{__name__}:Level", "value": "GONE"}, "KeyError: 'GONE'"),
        ({"$fairlead": "acme.turbine", "value": {}}, "the codec 'acme.turbine', which is not known here"),
        ({"$fairlead": ["a"], "value": {}}, "cannot be made again"),
        ({"$fairlead": "tuple"}, "cannot be made again by its codec 'tuple': KeyError"),
        ({"$fairlead": "bytes", "value": {"$fairlead": "blob", "name": "../../etc/passwd"}}, "is no name of a blob"),
        ({"$fairlead": "defaultdict", "value": {"factory": "system", "$items": {}}}, "KeyError: 'system'"),
        ({"$fairlead": "float", "value": "__import__('os')"}, "KeyError"),
    ],
)
def test_data_that_was_not_packed_runs_nothing_and_is_refused_by_the_path_to_it(data, message):
    with pytest.raises(NotPortable) as caught:
        unpack({"a": [1, data]}, {}.__getitem__)
    assert caught.value.problems[0].where == "the value.a[1]"
    assert message in str(caught.value)


def test_an_attribute_that_belongs_to_python_is_not_taken_from_data():
    data = pack(Site("x", Point(0, 0))).data
    data["value"]["__class__"] = "y"
    assert type(unpack(data, {}.__getitem__)) is Site


# What is refused


@pytest.mark.parametrize("refuse", [pack, identity])
@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ({"turbines": [1, {"hub": Opaque(1)}]}, "result.turbines[1].hub", f"('{__name__}:Opaque',)"),
        ([Dictionary(a=1)], "result[0]", "as a dict, it would come back as another type"),
        ((1, len), "result[1]", "import the code where it is used"),
        (iter([1]), "result", "Make a list"),
        ({"t": (x for x in "a")}, "result.t", "Make a list"),
        ({"e": ValueError("x")}, "result.e", "str(error)"),
        ({(1, Opaque(1)): 2}, "result, key", "Opaque"),
        ({3: Opaque(1)}, "result[3]", "Opaque"),
        ({Opaque}, "result, member", "import the code"),
        (Site("x", Point(0, Opaque(1))), "result.at.y", "Opaque"),  # type: ignore[arg-type]
        (Farm(name="x", o=Opaque(1)), "result.o", "Opaque"),  # type: ignore[call-arg]
        (collections.defaultdict(lambda: 1), "result", "dict(…)"),
        (np.array([1, Opaque(2)], dtype=object), "result[1]", "Opaque"),
        (np.ma.array([1]), "result", "MaskedArray"),
        (np.array(["a"], dtype=np.dtypes.StringDType()), "result", "value.astype"),
        (pd.DataFrame({"hub": pd.Series([1, Opaque(2)], dtype=object)}), "result.hub[1]", "Opaque"),
    ],
)  # fmt: skip
def test_what_no_codec_takes_is_refused_by_the_path_to_it(refuse, value, where, message):
    with pytest.raises(NotPortable if refuse is pack else NotFingerprintable) as caught:
        refuse(value, "result")
    assert caught.value.problems[0].where.startswith(where)
    assert message in str(caught.value)
    assert caught.value.problems[0].remedy
    assert not caught.value.retryable


def test_an_open_file_is_refused_with_what_to_pass_instead(tmp_path):
    with (tmp_path / "data").open("w") as stream, pytest.raises(NotPortable, match="Pass the path of the file"):
        pack({"file": stream})


@pytest.mark.parametrize("refuse", [pack, identity])
def test_what_contains_itself_is_refused_by_the_path_to_it(refuse):
    site = Site("x", Point(0, 0))
    site.seen = [{"again": site}]
    with pytest.raises((NotPortable, NotFingerprintable), match=r"^result\.a\.seen\[0\]\.again: contains itself"):
        refuse({"a": site}, "result")
    items: list[Any] = [1]
    items.append(items)
    with pytest.raises((NotPortable, NotFingerprintable), match=r"^result\[1\]: contains itself"):
        refuse(items, "result")


def test_what_is_in_a_value_twice_travels_twice():
    part = (1, 2)
    assert again([part, part]) == [part, part]


@pytest.mark.parametrize("refuse", [pack, identity])
@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {"a": inner}])
def test_what_is_nested_too_deeply_is_refused(refuse, wrap):
    value: Any = 1
    for _ in range(2000):
        value = wrap(value)
    with pytest.raises((NotPortable, NotFingerprintable), match="is nested"):
        refuse(value, "result")


def test_what_is_nested_as_deeply_as_may_be_comes_back():
    value: Any = ()
    for _ in range(90):
        value = (value,)
    assert again(value) == value
    assert of(again(value)) == of(value)


# Codecs of one's own


class OpaqueCodec:
    name = "test.opaque"
    types = (Opaque,)

    def pack(self, value: Opaque) -> Any:
        if value.value < 0:
            raise Unfit("is below zero", "a positive number", "Give one.")
        return {"value": value.value, "model": Blob(bytes(value.value), "model")}

    def unpack(self, parts: Any) -> Opaque:
        assert parts["model"] == bytes(parts["value"])
        return Opaque(parts["value"])


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in ("_of_type", "_of_name", "_met"):
            patch.setattr(registry, name, dict(getattr(registry, name)))
        register(OpaqueCodec())
        yield


@pytest.mark.usefixtures("registered")
def test_a_registered_codec_takes_its_types_and_its_blobs_travel(tmp_path):
    store = ValueStore(tmp_path)
    data = store.put({"models": [Opaque(3), Opaque(10_000)]})
    assert [model.value for model in store.get(data)["models"]] == [3, 10_000]
    assert [name[-6:] for name in storage.walk(str(tmp_path))] == [".model"]
    assert of(Opaque(3)) == of(Opaque(3)) != of(Opaque(4))
    with pytest.raises(NotPortable, match=r"^result\[0\]: is below zero \(a positive number\)\. Give one\.$"):
        pack([Opaque(-1)], "result")


@pytest.mark.usefixtures("registered")
def test_a_codec_that_fails_is_named_with_the_path():
    with pytest.raises(NotPortable, match=r"^result\.a: cannot be packed by its codec 'test\.opaque': TypeError"):
        pack({"a": Opaque("x")}, "result")  # type: ignore[arg-type]


@pytest.mark.usefixtures("registered")
def test_a_file_can_be_a_blob(tmp_path):
    class FileCodec(OpaqueCodec):
        name = "test.file"

        def pack(self, value: Opaque) -> Any:
            path = tmp_path / f"{value.value}.bin"
            path.write_bytes(bytes(value.value))
            return {"value": value.value, "model": Blob(path, "bin")}

    register(FileCodec())
    assert again(Opaque(10_000)).value == 10_000
    assert again(Opaque(10)).value == 10
    assert list(pack(Opaque(10_000)).blobs.values()) == [tmp_path / "10000.bin"]
    assert of(Opaque(10_000)) != of(Opaque(10_001))


@pytest.mark.usefixtures("registered")
def test_a_codec_may_say_what_counts():
    class Loose(OpaqueCodec):
        def identity(self, value: Opaque) -> Any:
            return value.value // 10

    register(Loose())
    assert of(Opaque(11)) == of(Opaque(12)) != of(Opaque(21))


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (OpaqueCodec, "is a class"),
        (types.SimpleNamespace(name="a", types=(Opaque,), pack=len), "has no unpack"),
        (types.SimpleNamespace(name="tuple", types=(Opaque,), pack=len, unpack=len), "cannot have this name"),
        (types.SimpleNamespace(name="a", types=Opaque, pack=len, unpack=len), "is no sequence"),
        (types.SimpleNamespace(name="a", types=("Opaque",), pack=len, unpack=len), "'Opaque' is no type"),
        (types.SimpleNamespace(name="a", types=(dict,), pack=len, unpack=len), "dict travels as it is"),
    ],
)
def test_what_is_no_codec_is_not_registered(codec, message):
    with pytest.raises(ContractInvalid, match=message):
        register(codec)


PACKAGE = """
    class Rotor:
        def __init__(self, blades):
            self.blades = blades

    class RotorCodec:
        name = "rotors.rotor"
        types = ("rotors:Rotor",)

        def pack(self, value):
            return (value.blades,)

        def unpack(self, parts):
            return Rotor(parts[0])

    codec = RotorCodec()
"""


@pytest.fixture
def package(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Install a package that has a codec, and run programs that find it."""
    site = tmp_path / "site"
    facts = site / "rotors-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "rotors.py").write_text(textwrap.dedent(PACKAGE))
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: rotors\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[fairlead.codecs]\nrotor = rotors:codec\n")

    def run(program: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-c", program],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": paths},
        )

    return run


def test_a_codec_of_an_installed_package_is_found(package):
    done = package(
        "import json, rotors; from fairlead.adapters.values import identity, pack; "
        "print(json.dumps(pack(rotors.Rotor(3)).data)); identity(rotors.Rotor(3))"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["$fairlead"] == "rotors.rotor"
    read = package(f"from fairlead.adapters.values import unpack; print(unpack({done.stdout}, None).blades)")
    assert read.stdout == "3\n", read.stderr


# Arrays


@given(
    hnp.arrays(
        hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes() | hnp.array_dtypes(max_size=3),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
def test_an_array_comes_back_whatever_its_type_and_shape(array):
    copy = again(array)
    assert type(copy) is np.ndarray
    assert (copy.dtype, copy.shape, copy.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert copy.flags.writeable
    assert of(copy) == of(array) == of(np.array(array, order="F"))


@given(hnp.arrays(hnp.scalar_dtypes(), (1,)))
def test_a_number_of_numpy_comes_back_as_that(array):
    number = array[0]
    copy = again(number)
    assert type(copy) is type(number)
    np.testing.assert_array_equal(copy, number)
    assert of(copy) == of(number)
    assert of(number) != of(number.item())


def test_an_array_of_objects_travels_member_by_member():
    array = np.array([[None, (1, 2)], [{"a": {1}}, [3]]], dtype=object)
    copy = again(array)
    assert copy.tolist() == array.tolist()
    assert copy.shape == array.shape
    assert of(copy) == of(array) != of(array.T)


def test_the_identity_of_an_array_is_its_type_shape_and_members():
    array = np.arange(6, dtype="f8")
    others = [array.astype("f4"), array.reshape(2, 3), array[::-1], list(array), array.astype(">f8"), array + 0.5]
    assert len({of(value) for value in [array, *others]}) == 7
    assert of(np.arange(12, dtype="f8")[::2] / 2) == of(array)


def test_every_nan_of_an_array_is_the_same():
    with np.errstate(invalid="ignore"):
        computed = np.array([np.inf, 1]) - np.array([np.inf, 0])
    assert computed.tobytes() != np.array([np.nan, 1]).tobytes()
    assert of(computed) == of(np.array([np.nan, 1]))


def test_a_large_array_is_one_npy_blob(tmp_path):
    array = np.arange(10_000)
    (path,) = pack(array).blobs
    (tmp_path / path).write_bytes(pack(array).blobs[path])  # type: ignore[arg-type]
    assert path.endswith(".npy")
    np.testing.assert_array_equal(np.load(tmp_path / path, allow_pickle=False), array)


# Frames

COLUMNS: dict[str, Any] = {
    "floats": [1.5, np.nan, -0.0],
    "short": np.array([1, 2, 3], "i2"),
    "unsigned": np.array([1, 2, 2**64 - 1], "u8"),
    "truths": [True, False, True],
    "halves": np.array([1, np.nan, 3], "f2"),
    "complex": np.array([1j, 2, np.nan]),
    "swapped": np.array([1, 2, 3], ">f8"),
    "texts": ["a", None, "é"],
    "objects": pd.Series(["a", None, (1, [2])], dtype=object),
    "gaps": pd.Series([None, np.nan, pd.NA], dtype=object),
    "times": np.array(["2020-01-01T00:00:00.123456789", "NaT", "2021"], "M8[ns]"),
    "seconds": np.array(["2020", "NaT", "9999"], "M8[s]"),
    "durations": np.array([1, 2, "NaT"], "m8[s]"),
    "zoned": pd.to_datetime(["2020-10-25 00:30", "2020-10-25 01:30", None], utc=True).tz_convert("Europe/Paris"),
    "Integers": pd.array([1, None, 3], "Int64"),
    "Floats": pd.array([1.5, None, 3], "Float32"),
    "Truths": pd.array([True, None, False], "boolean"),
    "Texts": pd.array(["a", None, "b"], "string"),
    "categories": pd.Categorical(["x", None, "y"], categories=["y", "x", "z"], ordered=True),
    "numbers": pd.Categorical([3, 1, 3]),
    "periods": pd.PeriodIndex(["2020-01", "2020-02", None], freq="M"),
    "intervals": pd.interval_range(0, 3, closed="left"),
    "arrow": pd.array([1, None, 3], pd.ArrowDtype(pa.timestamp("s", "UTC"))),
    "lists": pd.array([[1], None, [2, 3]], pd.ArrowDtype(pa.list_(pa.int32()))),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_comes_back(name):
    frame = pd.DataFrame({name: COLUMNS[name], "other": 1})
    pd.testing.assert_frame_equal(again(frame), frame)
    assert again(frame)[name].dtype == frame[name].dtype
    series = pd.Series(COLUMNS[name], name=("a", 1))
    pd.testing.assert_series_equal(again(series), series)
    assert of(again(series)) == of(series)
    if name != "halves":  # pandas has no index of them
        index = pd.Index(COLUMNS[name], name=name)
        pd.testing.assert_index_equal(again(index), index, exact=True)
        assert of(again(index)) == of(index)


def test_no_two_types_of_columns_have_one_identity():
    assert len({of(pd.Series(column)) for column in COLUMNS.values()}) == len(COLUMNS)


WHOLE = pd.DataFrame(COLUMNS)


@pytest.mark.parametrize(
    "frame",
    [
        WHOLE,
        WHOLE.set_index(["short", "texts"]),
        WHOLE.iloc[:0],
        WHOLE.iloc[:, :0],
        pd.DataFrame(),
        pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
        pd.DataFrame([[1, 2.5]], columns=[1, "1"]),
        pd.DataFrame([[1, 2.5]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])),
        pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="h", tz="UTC")),
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(4, 8, 2, name="n")),
    ],
    ids=range(10),
)
def test_a_frame_comes_back_with_its_names_index_and_types(frame):
    pd.testing.assert_frame_equal(again(frame), frame)
    assert type(again(frame).index) is type(frame.index)
    assert of(again(frame)) == of(frame)


def test_attributes_of_a_frame_come_back():
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"source": ("mast", 3)}
    assert again(frame).attrs == frame.attrs
    assert of(frame) != of(pd.DataFrame({"a": [1]}))


@settings(max_examples=30)
@given(hpd.data_frames([hpd.column("f", dtype=float), hpd.column("i", dtype=int), hpd.column("b", dtype=bool)]))
def test_a_frame_comes_back_equal(frame):
    pd.testing.assert_frame_equal(again(frame), frame)
    assert of(again(frame)) == of(frame)


def test_equal_frames_have_one_identity_however_they_were_made():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    made = [
        pd.DataFrame([[1, "x"], [2, "y"], [3, "z"]], columns=["a", "b"]),
        pd.concat([frame.iloc[:1], frame.iloc[1:]]),
        frame.set_index(pd.Index([0, 1, 2])),
        pd.DataFrame({"b": frame["b"], "a": frame["a"]})[["a", "b"]],
    ]
    assert {of(one) for one in made} == {of(frame)}
    others = [frame[["b", "a"]], frame.iloc[::-1], frame.astype({"a": float}), frame.rename(columns={"a": "c"})]
    assert len({of(one) for one in [frame, *others]}) == 5


def test_single_values_of_pandas_come_back():
    later = pd.Timestamp("2020-10-25 01:30", tz="UTC").tz_convert("Europe/Paris")
    stamp = pd.Timestamp("2020-01-01 03:04:05.123456789")
    far = pd.Timestamp("9999-01-01").as_unit("s")
    for value in [
        later,
        stamp,
        far,
        pd.Timedelta("1 day 1 ns"),
        pd.Period("2020-01", "M"),
        pd.Interval(1, 2.5, "both"),
    ]:
        assert again(value) == value
        assert type(again(value)) is type(value)
        assert getattr(again(value), "unit", None) == getattr(value, "unit", None)
        assert of(again(value)) == of(value)
    assert again([pd.NaT, pd.NA]) == [pd.NaT, pd.NA] or [*map(type, again([pd.NaT, pd.NA]))] == [
        type(pd.NaT),
        type(pd.NA),
    ]


def test_a_table_of_arrow_comes_back():
    table = pa.table({"a": [1, None], "b": [["x"], []]}, metadata={"by": "mast"})
    assert again(table).equals(table, check_metadata=True)
    assert of(again(table)) == of(pa.concat_tables([table.slice(0, 1), table.slice(1)]))


def test_a_type_that_parquet_does_not_keep_is_refused():
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])})
    with pytest.raises(NotPortable, match=r"^result: has a column of type Sparse"):
        pack(frame, "result")


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotPortable, match=r"pip install 'fairlead\[frames\]'"):
        pack(pd.DataFrame({"a": [1.0]}))


def test_a_package_that_is_not_here_is_named():
    data = pack(np.arange(3)).data
    program = f"""
        import sys
        sys.modules["numpy"] = None
        from fairlead.adapters.values import unpack
        unpack({data!r}, None)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True)
    assert "NotPortable: the value: needs a package that is not installed" in done.stderr
    assert "pip install numpy" in done.stderr


# Files and datasets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "b").mkdir(parents=True)
    (tmp_path / "data" / "a.csv").write_text("1")
    (tmp_path / "data" / "b" / "a.csv").write_text("2")
    return tmp_path / "data"


def test_a_datafile_comes_back_with_what_is_known_of_it(folder):
    file = Datafile(folder / "a.csv", timestamp=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), tags={"a": 1}, labels=["raw"])
    copy = again({"file": file})["file"]
    assert type(copy) is Datafile
    assert copy.to_description() == file.to_description()


def test_a_dataset_and_a_manifest_come_back(folder):
    dataset = Dataset(folder, tags={"a": 1})
    copy = again(Manifest({"met": dataset}))
    assert copy.datasets["met"].to_description() == dataset.to_description()
    assert again(dataset).tags == dataset.tags


@pytest.mark.parametrize("make", [lambda folder: Datafile(folder / "a.csv"), Dataset])
def test_a_file_that_has_changed_or_gone_is_not_handed_on(make, folder):
    data = pack(make(folder)).data
    (folder / "a.csv").write_text("2")
    with pytest.raises(StorageFailed, match=r"a\.csv has changed since an earlier task handed it on"):
        unpack(data, {}.__getitem__)
    (folder / "a.csv").unlink()
    with pytest.raises(StorageFailed, match=r"a\.csv cannot be read"):
        unpack(data, {}.__getitem__)


def test_a_datafile_that_was_never_written_is_refused(folder):
    with pytest.raises(NotPortable, match=r"^result\.file: the file .*gone\.csv cannot be read"):
        pack({"file": Datafile(folder / "gone.csv")}, "result")


@pytest.mark.parametrize(
    "make", [lambda folder: Datafile(folder / "a.csv"), Dataset, lambda folder: Manifest({"a": Dataset(folder)})]
)
def test_files_count_by_content_and_not_by_place(make, folder, tmp_path):
    first = of(make(folder))
    moved = folder.rename(tmp_path / "other")
    (tmp_path / "elsewhere").mkdir()
    moved = moved.rename(tmp_path / "elsewhere" / "data")
    assert of(make(moved)) == first
    (moved / "a.csv").write_text("3")
    assert of(make(moved)) != first


def test_where_a_file_is_in_its_dataset_counts(folder):
    first = of(Dataset(folder))
    (folder / "b" / "a.csv").rename(folder / "b" / "c.csv")
    second = of(Dataset(folder))
    (folder / "b").rename(folder / "d")
    assert len({first, second, of(Dataset(folder))}) == 3


# Identity


def test_values_that_python_takes_for_equal_all_differ():
    found = [
        1, 1.0, True, "1", b"1", (1,), [1], {1}, frozenset({1}), {1: None}, {"1": None}, {(1,): None}, 1 + 0j,
        decimal.Decimal(1), decimal.Decimal("1.0"), fractions.Fraction(1), Number.ONE, Level.LOW, range(1, 2),
        np.int64(1), np.float64(1), np.True_, np.array(1), np.array([1]), pd.Series([1]), pd.Index([1]),
        {"$fairlead": "tuple", "value": [1]}, collections.OrderedDict({1: None}), Point(1, 1), (1, 1), Path("1"),
        PurePosixPath("1"), dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), "2026-01-01", bytearray(b"1"), None,  # noqa: DTZ001
        -0.0, 0.0,
    ]  # fmt: skip
    assert len({of(value) for value in found}) == len(found)


def test_order_matters_only_where_it_is_one():
    assert of({"a": 1, "b": (2,)}) == of({"b": (2,), "a": 1})
    assert of({(1, 2): 1, (3,): 2}) == of({(3,): 2, (1, 2): 1})
    assert of({1, (2,), "x"}) == of({"x", (2,), 1})
    assert of((1, 2)) != of((2, 1))
    assert of(collections.OrderedDict(a=1, b=2)) != of(collections.OrderedDict(b=2, a=1))


def test_every_nan_is_the_same():
    assert of([math.nan, (math.inf - math.inf,)]) == of([math.inf - math.inf, (math.nan,)])


def test_a_path_counts_with_the_file_that_is_there(tmp_path):
    path = tmp_path / "input.csv"
    seen = {of(path)}
    for content in ("1", "2"):
        path.write_text(content)
        seen.add(of([path]))
        seen.add(of(path))
    path.rename(tmp_path / "other.csv")
    seen.add(of(tmp_path / "other.csv"))
    assert len(seen) == 6
    assert of(path) in seen
    assert again(path) == path


def test_a_path_counts_with_all_files_of_the_folder_that_is_there(tmp_path):
    (tmp_path / "in").mkdir()
    seen = {of(tmp_path / "in")}
    for name in ("a.csv", ".hidden", "b/c.csv"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text("x")
        seen.add(of(tmp_path / "in"))
    (tmp_path / "in" / "a.csv").rename(tmp_path / "in" / "d.csv")
    seen.add(of(tmp_path / "in"))
    assert len(seen) == 5


def test_a_folder_that_cannot_be_read_has_no_identity(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(NotFingerprintable, match=r"^inputs\.folder: .* cannot be read"):
        identity({"folder": tmp_path}, "inputs")


# Known ones. They must never change: cached results are found by them.
GOLDEN_VALUE = """{
    "tuple": (1, [2.5]), "set": {"x", ("y", 1)}, "keys": {(1, 2): 3, None: 4}, "number": 1j, "bytes": b"x" * 5000,
    "time": dt.datetime(2026, 11, 20, 6, 30, tzinfo=zoneinfo.ZoneInfo("Asia/Kolkata")),
    "decimal": decimal.Decimal("1.50"),
    "array": np.array([[1.5, np.nan]]), "scalar": np.float32(0.1), "tag": {"$fairlead": 1}, "nan": float("nan"),
    "frame": pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index(["p", "q"], name="i")),
}"""
GOLDEN = "4ca1e791ca48070bcc8480e9200291024f9193fc9fc590660d109370ebf8c092"


@pytest.mark.parametrize("seed", ["0", "1"])
def test_an_identity_is_the_same_in_every_process_and_for_ever(seed):
    program = (
        "import datetime as dt, decimal, zoneinfo; import numpy as np, pandas as pd; "
        "from fairlead.adapters.fingerprint import fingerprint; from fairlead.adapters.values import identity; "
        f"print(fingerprint({{'value': identity({GOLDEN_VALUE})}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Kolkata", "LC_ALL": "C"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == GOLDEN


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_value_is_packed_alike_in_every_process(seed):
    value = "{'b', 'a', 'c', (1, 'd')}"
    program = f"import json; from fairlead.adapters.values import pack; print(json.dumps(pack({value}).data))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == pack({"c", (1, "d"), "b", "a"}).data


# The store


def test_small_values_are_handed_on_as_they_are_and_nothing_is_stored(root):
    store = ValueStore(root)
    value = {"a": (1, 2)}
    assert store.get(store.put(value)) == value
    assert storage.walk(root) == []


@pytest.mark.parametrize(
    "value",
    [
        np.arange(10_000.0),
        "x" * 40_000,
        "é" * 20_000,
        [(i,) for i in range(5000)],
        pd.DataFrame({"a": range(5000)}),
        b"x" * 9000,
    ],
)
def test_large_values_are_stored_and_what_is_handed_on_is_small(root, value):
    data = ValueStore(root).put(value)
    assert len(json.dumps(data)) < 2000
    assert of(ValueStore(root).get(json.loads(json.dumps(data)))) == of(value)
    names = storage.walk(storage.join(root, "values"))
    assert names
    for name in names:
        content = storage.read_bytes(storage.join(root, "values", name))
        digest = blake3(content).hexdigest()
        assert name == f"{digest[:2]}/{digest}.{name.rpartition('.')[2]}"


def test_the_limit_is_that_of_what_is_handed_on(root):
    store = ValueStore(root, inline_limit=20)
    assert store.put("x" * 18) == "x" * 18
    assert store.put("x" * 19)["$fairlead"] == "json"
    assert store.put("é" * 10)["$fairlead"] == "json"


def test_equal_values_are_stored_once(root):
    store = ValueStore(root)
    store.put([np.arange(10_000), np.arange(10_000)])
    store.put({"again": np.arange(10_000)})
    assert len(storage.walk(root)) == 1


def test_nothing_is_stored_of_what_cannot_travel(root):
    with pytest.raises(NotPortable, match=r"^result\[1\]: "):
        ValueStore(root).put([np.arange(10_000), Opaque(1)], "result")
    assert storage.walk(root) == []


@pytest.mark.parametrize("value", [np.arange(10_000), "x" * 40_000], ids=["array", "text"])
def test_a_missing_blob_is_named_with_what_to_do(root, value):
    store = ValueStore(root)
    data = store.put(value)
    (name,) = storage.walk(root)
    storage.remove(storage.join(root, name))
    with pytest.raises(StorageFailed, match=r"is missing: a value of an earlier task\. Run the task again") as caught:
        store.get(data)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:-1] + b"\0\0", lambda _: b""]
)
def test_a_damaged_blob_is_named_and_mended_by_whoever_stores_it_again(root, damage):
    store = ValueStore(root)
    data = store.put(np.arange(10_000))
    (name,) = storage.walk(root)
    location = storage.join(root, name)
    storage.write_bytes(location, damage(storage.read_bytes(location)))
    with pytest.raises(StorageFailed, match="has changed since it was written") as caught:
        store.get(data)
    assert name in str(caught.value)
    store.put(np.arange(10_000))
    np.testing.assert_array_equal(store.get(data), np.arange(10_000))


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match=r"The value store .*file/x cannot be used"):
        ValueStore(tmp_path / "file" / "x").put(b"x" * 10_000)


def test_an_address_with_a_password_is_refused():
    with pytest.raises(InputInvalid, match="value store"):
        ValueStore("ftp://me:hunter2@host/values")


# Lightness


def test_nothing_heavy_is_imported_for_values_that_do_not_need_it():
    program = """
        import sys
        from fairlead.adapters.values import identity, pack, unpack
        data = pack({"a": (1, {2}), "b": b"x"}).data
        unpack(data, None), identity({"a": (1,)})
        print({"numpy", "pandas", "pyarrow", "pydantic", "fsspec", "decimal"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_codec_is_a_role_that_codecs_fill():
    codec: Codec = OpaqueCodec()
    assert codec.name == "test.opaque"
    assert ValueStore("/x").inline_limit > packing.FEW
