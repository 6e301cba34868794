"""The codec of pyarrow's tables: a table is a blob in the format of Arrow files, with its schema and metadata.

In an identity, columns count by name, type and values, and not in which pieces a table is kept. What it does not do:
take single arrays and batches.
"""

from __future__ import annotations

import io
from typing import Any

from fairlead.adapters.values.codec import Blob, Codec, Plain, Unfit


def pyarrow() -> Any:
    """Return the package; raises `Unfit` that says how to install it."""
    try:
        import pyarrow as pa
    except ImportError as error:
        remedy = "Install it, here and where the value is read: pip install 'fairlead[frames]'."
        raise Unfit("is kept by pyarrow, which is not installed", remedy=remedy) from error
    return pa


def _pack_table(table: Any) -> Blob:
    pa = pyarrow()
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    return Blob(stream.getvalue(), "arrow")


def _unpack_table(data: bytes) -> Any:
    pa = pyarrow()
    with pa.ipc.open_file(pa.BufferReader(data)) as reader:
        return reader.read_all()


def _table_identity(table: Any) -> dict[str, Any]:
    schema = [[field.name, str(field.type), field.nullable] for field in table.schema]
    return {"schema": schema, "$data": [column.to_pylist() for column in table.columns]}


def codecs() -> tuple[Codec, ...]:
    """Return the codec; raises ImportError without pyarrow."""
    import pyarrow as pa

    return (Plain.of("pyarrow.Table", pa.Table, _pack_table, _unpack_table, _table_identity),)
