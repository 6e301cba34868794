"""Codecs of pandas: columns are a parquet blob, which any tool reads, and what that lacks are arrays.

A frame comes back with the dtypes, names, index and attributes that it had. In an identity, neither how an index is
stored counts nor its frequency: frames that pandas calls equal are equal. What it does not do: take subclasses, such as
geographic frames.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fairlead.adapters.values.arrays import of_objects
from fairlead.adapters.values.codec import Blob, Codec, Plain, Unfit
from fairlead.adapters.values.tables import pyarrow

if TYPE_CHECKING:
    import numpy as np

_IN_PARQUET = "biufMm"
"""Kinds of numpy's types that parquet keeps: other numbers, texts and objects go on as arrays."""

_WIDEST = 8
"""Bytes of the longest number that parquet keeps."""


def _columns(columns: Sequence[Any], names: Sequence[Any]) -> dict[str, Any]:
    """Return columns, which are series or indexes, in simpler values: their types, a parquet blob and arrays."""
    types: list[Any] = []
    tables: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for label, column in zip(_labels(names), columns, strict=True):
        kind, content = _column(column)
        types.append([label, kind])
        (others if kind is None else tables)[label] = content
    parts: dict[str, Any] = {"types": types, "$others": others}
    return parts | {"parquet": _parquet(tables)} if tables else parts


def _labels(names: Sequence[Any]) -> list[str]:
    """Return the names of columns if they are different texts, else their places."""
    texts = len({name for name in names if isinstance(name, str)}) == len(names)
    return list(names) if texts else [str(place) for place in range(len(names))]


def _column(column: Any) -> tuple[Any, Any]:
    """Return the type of a column in JSON's words (None if its content says it), and its content."""
    import numpy as np
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        content = column.to_numpy()
        return (dtype.str, content) if _fits(content) else (None, content)
    if isinstance(dtype, pd.CategoricalDtype):
        values = pd.Categorical(column)
        return None, {"codes": values.codes, "categories": dtype.categories, "ordered": dtype.ordered}
    array = column.array
    if isinstance(dtype, pd.PeriodDtype):
        return None, {"period": str(dtype), "ordinals": np.asarray(array.asi8)}
    if isinstance(dtype, pd.IntervalDtype):
        return None, {"left": pd.Index(array.left), "right": pd.Index(array.right), "closed": dtype.closed}
    if isinstance(dtype, pd.ArrowDtype):
        return None, {"arrow": pyarrow().table({"": array.__arrow_array__()})}
    return _extension(dtype), array


def _fits(content: np.ndarray[Any, Any]) -> bool:
    dtype = content.dtype
    return dtype.kind in _IN_PARQUET and dtype.itemsize <= _WIDEST and dtype.isnative


def _extension(dtype: Any) -> Any:
    """Return a type of pandas' own in JSON's words."""
    import pandas as pd

    if isinstance(dtype, pd.StringDtype):
        return {"string": dtype.storage, "missing": "NA" if dtype.na_value is pd.NA else "NaN"}
    text = str(dtype)
    try:
        known = pd.api.types.pandas_dtype(text) == dtype and hasattr(dtype, "__from_arrow__")
    except TypeError:
        known = False
    if not known:
        found = f"has a column of type {text}, which parquet does not keep"
        raise Unfit(found, "a type of pandas or numpy", "Convert the column: frame[name].astype(…).")
    return {"pandas": text}


def _parquet(tables: dict[str, Any]) -> Blob:
    pa = pyarrow()
    from pyarrow import parquet

    table = pa.table({label: pa.array(column, from_pandas=_has_gaps(column)) for label, column in tables.items()})
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return Blob(stream.getvalue(), "parquet")


def _has_gaps(column: Any) -> bool:
    """Tell whether a column has a word for what is missing; in plain numbers, NaN is a number."""
    import numpy as np

    return not isinstance(column, np.ndarray)


def _series(parts: dict[str, Any], index: Any = None) -> list[Any]:
    """Return the columns of what `_columns` has returned, as series."""
    import pandas as pd

    tables: Any = {}
    if "parquet" in parts:
        pyarrow()
        from pyarrow import parquet

        tables = parquet.read_table(io.BytesIO(parts["parquet"]))
    series: list[Any] = []
    for label, kind in parts["types"]:
        content = parts["$others"][label] if kind is None else _from_arrow(kind, tables.column(label))
        if isinstance(content, dict):
            content = _special(content)
        series.append(pd.Series(content, index=index, dtype=content.dtype, copy=False))
    return series


def _from_arrow(kind: Any, column: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(kind, str):
        return column.to_numpy().astype(np.dtype(kind))
    if "string" in kind:
        options = {"na_value": np.nan} if kind["missing"] == "NaN" else {}
        return pd.StringDtype(kind["string"], **options).__from_arrow__(column)
    dtype: Any = pd.api.types.pandas_dtype(kind["pandas"])
    return dtype.__from_arrow__(column)


def _special(content: dict[str, Any]) -> Any:
    import pandas as pd

    if "codes" in content:
        dtype = pd.CategoricalDtype(content["categories"], content["ordered"])
        return pd.Categorical.from_codes(content["codes"], dtype=dtype)
    if "arrow" in content:
        column = content["arrow"].column("")
        return pd.ArrowDtype(column.type).__from_arrow__(column)
    if "period" in content:
        return pd.arrays.PeriodArray(content["ordinals"], dtype=pd.api.types.pandas_dtype(content["period"]))
    return pd.arrays.IntervalArray.from_arrays(content["left"], content["right"], closed=content["closed"])


# What a frame is


def _pack_frame(frame: Any) -> dict[str, Any]:
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    parts = {"$columns": frame.columns, "$index": frame.index, "$data": _columns(columns, list(frame.columns))}
    return parts | {"attrs": frame.attrs} if frame.attrs else parts


def _unpack_frame(parts: dict[str, Any]) -> Any:
    import pandas as pd

    index = parts["$index"]
    frame = pd.DataFrame(dict(enumerate(_series(parts["$data"], index))), index=index)
    frame.columns = parts["$columns"]
    frame.attrs = parts.get("attrs", {})
    return frame


def _pack_series(series: Any) -> dict[str, Any]:
    parts = {"name": series.name, "$index": series.index, "$data": _columns([series], [0])}
    return parts | {"attrs": series.attrs} if series.attrs else parts


def _unpack_series(parts: dict[str, Any]) -> Any:
    (series,) = _series(parts["$data"], parts["$index"])
    series.name = parts["name"]
    series.attrs = parts.get("attrs", {})
    return series


def _pack_index(index: Any) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": index.name}
    if isinstance(index, pd.MultiIndex):
        codes = [np.asarray(codes) for codes in index.codes]
        return {"levels": list(index.levels), "codes": codes, "names": list(index.names)}
    parts = {"name": index.name, "$data": _columns([index], [0])}
    frequency = getattr(index, "freq", None)
    if frequency is None or isinstance(index, pd.PeriodIndex):
        return parts
    if pd.tseries.frequencies.to_offset(index.freqstr) != frequency:
        found = f"has an index with the frequency {frequency!r}, which has no name"
        raise Unfit(found, "a frequency such as 'h'", "Drop it: index.freq = None.")
    return parts | {"frequency": index.freqstr}


def _unpack_index(parts: dict[str, Any]) -> Any:
    import pandas as pd

    if "range" in parts:
        return pd.RangeIndex(*parts["range"], name=parts["name"])
    if "levels" in parts:
        return pd.MultiIndex(parts["levels"], parts["codes"], names=parts["names"])
    (series,) = _series(parts["$data"])
    index: Any = pd.Index(series.array, dtype=series.dtype, name=parts["name"])
    if "frequency" in parts:
        index.freq = parts["frequency"]
    return index


# What counts of it


def _content(column: Any) -> Any:
    """Return what a column holds, however it is stored."""
    import numpy as np
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy()
    if isinstance(dtype, pd.CategoricalDtype):
        return [dtype.ordered, dtype.categories, pd.Categorical(column).codes]
    if isinstance(dtype, pd.StringDtype):
        return [str(dtype), column.to_numpy(object, na_value=None).tolist()]
    if isinstance(dtype, pd.DatetimeTZDtype):
        return [str(dtype), column.to_numpy(f"M8[{dtype.unit}]")]
    numeric = getattr(dtype, "numpy_dtype", None)
    if numeric is not None and numeric.kind in "biuf" and not isinstance(dtype, pd.ArrowDtype):
        return [str(dtype), np.asarray(column.isna()), column.to_numpy(numeric, na_value=0)]
    return [str(dtype), of_objects(list(column))]


def _frame_identity(frame: Any) -> dict[str, Any]:
    places = enumerate(_labels(list(frame.columns)))
    columns = {label: _content(frame.iloc[:, place]) for place, label in places}
    return {"columns": frame.columns, "index": frame.index, "$data": columns, "attrs": frame.attrs}


def _series_identity(series: Any) -> dict[str, Any]:
    return {"name": series.name, "index": series.index, "$data": _content(series), "attrs": series.attrs}


def _index_identity(index: Any) -> Any:
    levels = [index.get_level_values(place) for place in range(index.nlevels)]
    return {"names": list(index.names), "$data": [_content(level) for level in levels]}


# Single values


def _pack_timestamp(value: Any) -> list[Any]:
    return [int(value.asm8.view("i8")), value.unit, value.tzinfo, value.fold]


def _unpack_timestamp(parts: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    number, unit, zone, fold = parts
    value: Any = pd.Timestamp(np.datetime64(number, unit))
    if zone is not None:
        return value.tz_localize("UTC").tz_convert(zone)
    return value.replace(fold=fold) if fold else value


def codecs() -> tuple[Codec, ...]:
    """Return the codecs; raises ImportError without pandas."""
    import numpy as np
    import pandas as pd

    indexes = (
        pd.Index,
        pd.RangeIndex,
        pd.MultiIndex,
        pd.DatetimeIndex,
        pd.TimedeltaIndex,
        pd.PeriodIndex,
        pd.CategoricalIndex,
        pd.IntervalIndex,
    )
    return (
        Plain.of("pandas.DataFrame", pd.DataFrame, _pack_frame, _unpack_frame, _frame_identity),
        Plain.of("pandas.Series", pd.Series, _pack_series, _unpack_series, _series_identity),
        Plain.of("pandas.Index", indexes, _pack_index, _unpack_index, _index_identity),
        Plain.of("pandas.Timestamp", pd.Timestamp, _pack_timestamp, _unpack_timestamp),
        Plain.of(
            "pandas.Timedelta",
            pd.Timedelta,
            lambda value: [int(value.asm8.view("i8")), value.unit],
            lambda parts: pd.Timedelta(np.timedelta64(*parts)),
        ),
        Plain.of("pandas.NaT", type(pd.NaT), lambda _: None, lambda _: pd.NaT),
        Plain.of("pandas.NA", type(pd.NA), lambda _: None, lambda _: pd.NA),
        Plain.of(
            "pandas.Period",
            pd.Period,
            lambda value: [value.ordinal, value.freqstr],
            lambda parts: pd.Period(ordinal=parts[0], freq=parts[1]),
        ),
        Plain.of(
            "pandas.Interval",
            pd.Interval,
            lambda value: [value.left, value.right, value.closed],
            lambda parts: pd.Interval(*parts),
        ),
    )
