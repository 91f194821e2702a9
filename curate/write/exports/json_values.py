"""Columns of JSON values of any shape, and of media, as they stand in files.

A JSON value is a struct of one field while it is in a frame, so that its column says what it is. In
JSON lines it is written as it is. In Parquet it is Arrow's type `json`, which `datasets` (from 4.7)
reads as the object: a column of structs would give every object the keys of all others.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from curate.data.attachments import REJECTED_MEDIA

_FIELD = "__json__"
JSON = pl.Struct({_FIELD: pl.String})
"""The type of a column of JSON values."""
HUB_MEDIA = pl.List(pl.Struct({"bytes": pl.Binary, "path": pl.String}))
"""Media as the hub's `Image` stores them."""
# Half of what offsets of 32 bits reach: estimated sizes can be too small.
_CHUNK_BYTES = 1 << 30
_IMAGES = ("images", REJECTED_MEDIA["images"])
_HUB_IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
"""The storage of `List(Image())`, to the letter: else `datasets` ignores that they are images."""


def json_column(name: str, texts: list[str | None]) -> pl.Series:
    """Return JSON texts as a column of values; null for null."""
    values = [None if text is None else {_FIELD: text} for text in texts]
    return pl.Series(name, values, dtype=JSON)


def json_lists(name: str, texts: list[list[str]]) -> pl.Series:
    """Return lists of JSON texts as a column of lists of values."""
    return pl.Series(name, [[{_FIELD: t} for t in row] for row in texts], dtype=pl.List(JSON))


def has_json(frame: pl.DataFrame) -> bool:
    """Return whether some column holds JSON values."""
    return any(_holds_json(kind) for kind in frame.dtypes)


def _holds_json(kind: Any) -> bool:
    if isinstance(kind, pl.List):
        return _holds_json(kind.inner)
    if isinstance(kind, pl.Struct) and kind != JSON:
        return any(_holds_json(field.dtype) for field in kind.fields)
    return bool(kind == JSON)


def iter_json_lines(frame: pl.DataFrame) -> bytes:
    """Return the rows as JSON lines."""
    lines = [orjson.dumps(_splice_json(row)) for row in frame.iter_rows(named=True)]
    return b"\n".join((*lines, b"")) if lines else b""


def _splice_json(value: object) -> object:
    if isinstance(value, dict):
        if value.keys() == {_FIELD}:
            return None if value[_FIELD] is None else orjson.Fragment(value[_FIELD])
        return {key: _splice_json(v) for key, v in value.items()}
    return [_splice_json(v) for v in value] if isinstance(value, list) else value


def arrow_table(frame: pl.DataFrame) -> pa.Table:
    """Return the rows in Arrow: JSON values as `pa.json_()`, images as `datasets` declares them.

    Texts and lists have offsets of 32 bits, as `datasets` gives all others: it aligns no
    `large_string` with a `string`.
    """
    # Offsets count the values of one chunk: a larger frame becomes several.
    rows = max(1, len(frame) * _CHUNK_BYTES // max(int(frame.estimated_size()), 1))
    slices = list(frame.iter_slices(rows)) or [frame]
    tables = [part.to_arrow(compat_level=pl.CompatLevel.oldest()) for part in slices]
    narrow = pa.schema([field.with_type(_narrow_type(field.type)) for field in tables[0].schema])
    table = pa.concat_tables([part.cast(narrow) for part in tables])
    images = _image_columns(frame)
    if not images and not has_json(frame):
        return table
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in images:
            columns[name] = column.cast(_HUB_IMAGES)
        elif _holds_json(frame.schema[name]):
            # In one piece, from its first value: a slice has offsets that nothing can be built on.
            columns[name] = _as_typed_column(
                pa.concat_arrays(column.chunks or [pa.array([], column.type)])
            )
        else:
            columns[name] = column
    return _with_features_metadata(pa.table(columns), images)


def _as_typed_column(array: pa.Array) -> pa.Array:
    """Return the array with JSON values typed, at any depth."""
    kind = array.type
    if pa.types.is_struct(kind):
        if [f.name for f in kind] == [_FIELD]:
            texts = array.field(0).cast(pa.string())
            return pa.ExtensionArray.from_storage(pa.json_(), texts)
        fields = [_as_typed_column(array.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, [f.name for f in kind], mask=array.is_null())
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(
            array.offsets, _as_typed_column(array.values), mask=array.is_null()
        )
    return array


def _narrow_type(kind: pa.DataType) -> pa.DataType:
    """Return the type with 32-bit offsets at every depth."""
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_large_list(kind):
        return pa.list_(kind.value_field.with_type(_narrow_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_narrow_type(field.type)) for field in kind])
    return kind


def _image_columns(frame: pl.DataFrame) -> list[str]:
    return [name for name in _IMAGES if frame.schema.get(name) == HUB_MEDIA]


def _with_features_metadata(table: pa.Table, images: list[str]) -> pa.Table:
    """Return the table with the features by which `datasets` decodes JSON and images."""
    from datasets import Features, Image, List

    features = Features.from_arrow_schema(table.schema)
    features |= {name: List(Image()) for name in images}
    info = {"info": {"features": features.to_dict()}}
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})
