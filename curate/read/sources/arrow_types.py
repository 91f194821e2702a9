"""pa.ChunkedArrays of every Arrow type, brought to those that the pair table is made from.

What a format reads becomes text, numbers, or messages; other columns become JSON for `extra`,
in these forms: bytes as base64, decimals, dates, intervals and durations as text, maps as lists of
[key, value], unions as their value, extension types as what they are stored as.
"""

from __future__ import annotations

import base64
import datetime
import decimal
from zoneinfo import ZoneInfo

import pyarrow as pa

from curate.data.json_text import to_json
from curate.errors import CurateError

_FILE = "bytes"
INFINITY = "infinity"
# Values from which the kind of a column of bytes is found.
_SAMPLE_VALUES = 100
_BYTES_OF = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}


def decode_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column without dictionaries, runs, views and extension types."""
    if not column.num_chunks:
        return column
    unencoded = _of_one_type([_decode_array(chunk) for chunk in column.chunks])
    return decode_column(_in_one_chunk(column)) if unencoded is None else unencoded


def _of_one_type(chunks: list[pa.Array]) -> pa.ChunkedArray | None:
    """Return the chunks as a column; None if one odd value gave a chunk another type."""
    return pa.chunked_array(chunks) if len({chunk.type for chunk in chunks}) == 1 else None


def _in_one_chunk(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([column.combine_chunks()])


def _decode_array(array: pa.Array) -> pa.Array:  # noqa: PLR0911 (one answer a type)
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _decode_array(array.storage)
    if pa.types.is_dictionary(kind):
        return _decode_array(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        # A tenth of the imports of a small run, for a type that hardly any file has.
        from pyarrow import compute

        return _decode_array(compute.run_end_decode(array))
    target = {
        pa.string_view(): pa.large_string(),
        pa.binary_view(): pa.large_binary(),
        pa.float16(): pa.float32(),
    }.get(kind)
    if target is not None:
        return array.cast(target)
    may_lack_values = _is_time(kind) or pa.types.is_map(kind) or pa.types.is_union(kind)
    if may_lack_values and not _has_python_values(array):
        return _unreadable_times_as_text(array)
    if _has_unknown_zone(kind):
        return _zoned_times_as_text(array)
    if pa.types.is_fixed_size_list(kind):
        # Messages or media of which every row happens to have as many.
        return array.cast(pa.list_(kind.value_field))
    if pa.types.is_decimal(kind):
        return pa.array([None if v is None else float(v) for v in array.to_pylist()], pa.float64())
    return array


def _is_time(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_date(kind) or t.is_timestamp(kind) or t.is_duration(kind))


def _has_python_values(array: pa.Array) -> bool:
    """Return whether Python has a value for each date, time or duration: years 1 to 9999."""
    try:
        _without_unknown_zone(array).to_pylist()
    except (OverflowError, ValueError):
        return False
    return True


def _without_unknown_zone(array: pa.Array) -> pa.Array:
    kind = array.type
    # Python refuses a zone that it does not know, even where nobody asks for local time.
    return array.cast(pa.timestamp(kind.unit)) if _has_unknown_zone(kind) else array


def _has_unknown_zone(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None and not _known_zone(kind.tz)


def _zoned_times_as_text(array: pa.Array) -> pa.Array:
    """Return ISO texts that name the zone, which Python does not know."""
    times = array.cast(pa.timestamp(array.type.unit)).to_pylist()
    zone = array.type.tz
    texts = [None if time is None else f"{time.isoformat()} UTC, zone {zone}" for time in times]
    return pa.array(texts, pa.string())


def _unreadable_times_as_text(array: pa.Array) -> pa.Array:
    """Return times that Python has no value for as text.

    Raises:
        CurateError: they are within maps or unions.
    """
    if _is_time(array.type):
        return _times_as_text(array)
    raise CurateError(
        "a date cannot be read",
        where=f"a column of {array.type}",
        expected="years 1 to 9999",
        fix="write the column as text",
    )


def _times_as_text(array: pa.Array) -> pa.Array:
    """Return ISO texts; DuckDB's `infinity` and whatever lies beyond Python's years as INFINITY or
    -INFINITY, by its sign.
    """
    texts = []
    for value in _without_unknown_zone(array):
        try:
            texts.append(None if not value.is_valid else _json_value(value.as_py()))
        except (OverflowError, ValueError):
            texts.append(INFINITY if value.value > 0 else f"-{INFINITY}")
    return pa.array(texts, pa.string())


def check_offsets(array: pa.Array) -> None:
    """Make sure that all lengths, offsets and numbers of an array lie within its buffers.

    Where they do not, whoever looks into the array ends the process: Arrow checks none of them when
    it maps a file. What a file calls texts need not be UTF-8: `replace_invalid_utf8` repairs it.

    Raises:
        pa.ArrowInvalid: some do not.
    """
    array.validate(full=False)
    _check_buffers(array)


def _check_buffers(array: pa.Array) -> None:
    kind, t = array.type, pa.types
    if kind in _BYTES_OF:
        # As bytes: of a text `full` would also check the UTF-8, which is repaired later.
        array.view(_BYTES_OF[kind]).validate(full=True)
    elif t.is_list(kind) or t.is_large_list(kind):
        # First the offsets with an empty child, then the values that they point into.
        make = pa.LargeListArray if t.is_large_list(kind) else pa.ListArray
        make.from_arrays(array.offsets, pa.nulls(len(array.values))).validate(full=True)
        _check_buffers(array.values)
    elif t.is_struct(kind):
        for number in range(kind.num_fields):
            _check_buffers(array.field(number))
    else:
        array.validate(full=True)


def is_bytes(kind: pa.DataType) -> bool:
    """Return whether values are bytes."""
    t = pa.types
    is_binary = t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind)
    return bool(is_binary or kind == pa.binary_view())


def is_text(kind: pa.DataType) -> bool:
    """Return whether values are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def holds_bytes(kind: pa.DataType) -> bool:
    """Return whether values are bytes, or hold some at any depth."""
    nested = (kind.field(i).type for i in range(kind.num_fields))
    return is_bytes(kind) or any(holds_bytes(k) for k in nested)


def holds_files(kind: pa.DataType) -> bool:
    """Return whether values are files as `datasets` stores images and audios, or lists of them."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return holds_files(kind.value_type)
    if not pa.types.is_struct(kind) or kind.get_field_index(_FILE) < 0:
        return False
    return is_bytes(kind.field(_FILE).type)


def holds_text_bytes(column: pa.ChunkedArray) -> bool:
    """Return whether values are bytes, most of the first ones UTF-8 text: Hive and Spark write so.

    No image, audio or video is: its first bytes are no text.
    """
    if not is_bytes(column.type):
        return False
    values = [v for v in column.slice(0, _SAMPLE_VALUES).to_pylist() if v is not None]
    return bool(values) and 2 * sum(map(_is_text_bytes, values)) > len(values)


def _is_text_bytes(value: bytes) -> bool:
    try:
        return "\0" not in value.decode("utf-8")
    except UnicodeDecodeError:
        return False


def bytes_as_text(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[int]]:
    """Return UTF-8 bytes as text, and the rows of other bytes, which become null."""
    try:
        return column.cast(pa.large_string()), []  # which checks every value
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = []
    wrong: list[int] = []
    for row, value in enumerate(column.to_pylist()):
        try:
            texts.append(None if value is None else value.decode("utf-8"))
        except UnicodeDecodeError:
            texts.append(None)
            wrong.append(row)
    return pa.chunked_array([pa.array(texts, pa.large_string())]), wrong


def replace_invalid_utf8(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """Return texts at any depth as valid UTF-8, also bytes in messages, and how many changed.

    Arrow does not check what a file calls a text; U+FFFD takes the place of what is none.
    """
    utf8_repair = _Utf8Repair()
    chunks = [utf8_repair.repair(chunk) for chunk in column.chunks]
    if not utf8_repair.changed:
        return column, 0
    repaired = _of_one_type(chunks)
    return (
        replace_invalid_utf8(_in_one_chunk(column))
        if repaired is None
        else (repaired, utf8_repair.replaced)
    )


class _Utf8Repair:
    def __init__(self) -> None:
        self.replaced, self.changed = 0, False

    def repair(self, array: pa.Array, nested: bool = False) -> pa.Array:  # noqa: PLR0911
        kind = array.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            try:
                array.validate(full=True)
            except pa.ArrowInvalid:
                large = pa.types.is_large_string(kind)
                return self._decoded(array.view(pa.large_binary() if large else pa.binary()))
            return array
        if nested and is_bytes(kind):
            return self._decoded(array)
        if nested and _is_time(kind) and not _has_python_values(array):
            self.changed = True
            return _times_as_text(array)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return self._list(array)
        if pa.types.is_struct(kind):
            return self._struct(array)
        return array

    def _decoded(self, array: pa.Array) -> pa.Array:
        self.changed = True
        texts = [None if v is None else v.decode("utf-8", "replace") for v in array.to_pylist()]
        self.replaced += sum(t is not None and "\ufffd" in t for t in texts)
        return pa.array(texts, pa.large_string())

    def _list(self, array: pa.Array) -> pa.Array:
        values = self.repair(array.values, nested=True)
        if values is array.values or (values.type == array.type.value_type and not self.changed):
            return array
        make = pa.LargeListArray if pa.types.is_large_list(array.type) else pa.ListArray
        return make.from_arrays(array.offsets, values, mask=array.is_null())

    def _struct(self, array: pa.Array) -> pa.Array:
        if not array.type.num_fields:
            return array
        names = [f.name for f in array.type]
        # A field `bytes` is the file of a medium, as in the hub's images.
        fields = [
            array.field(i) if name == _FILE else self.repair(array.field(i), nested=True)
            for i, name in enumerate(names)
        ]
        return pa.StructArray.from_arrays(fields, names, mask=array.is_null())


_JSON_SCALARS = (
    *(pa.types.is_boolean, pa.types.is_integer, pa.types.is_null),
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_date),
)


def is_json(kind: pa.DataType) -> bool:
    """Return whether polars writes values of this type as JSON, and reads the type at all."""
    t = pa.types
    if any(is_kind(kind) for is_kind in _JSON_SCALARS):
        return True
    if t.is_floating(kind):
        return bool(kind != pa.float16())
    if t.is_timestamp(kind):
        return not _has_unknown_zone(kind)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return is_json(kind.value_type) and not t.is_null(kind.value_type)
    if t.is_struct(kind):
        return kind.num_fields > 0 and all(is_json(f.type) for f in kind)
    return False


def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def json_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return each value as JSON text, null for null."""
    return [None if v is None else to_json(_json_value(v)) for v in column.to_pylist()]


def _json_value(value: object) -> object:  # noqa: PLR0911 (one answer a type)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (decimal.Decimal, datetime.timedelta)):
        return str(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(k): _json_value(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, (list, tuple)):
        return [_json_value(v) for v in value]
    return value
