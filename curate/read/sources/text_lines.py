"""JSON lines whose values are all texts, parsed to columns without a Python object a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pyarrow import json as arrow_json

# Of one text column, whose offsets have 32 bits.
_MAX_BYTES = 1 << 30


def text_columns(rows: Sequence[Mapping[str, object]]) -> tuple[str, ...] | None:
    """Return the keys of the rows if all rows have the same ones and all values are texts.

    Examples:
        >>> text_columns([{"a": "x", "b": "y"}, {"a": "z", "b": ""}])
        ('a', 'b')
        >>> text_columns([{"a": "x"}, {"a": None}]) is None
        True
    """
    if not rows or not rows[0]:
        return None
    names = rows[0].keys()
    if any(row.keys() != names or {*map(type, row.values())} != {str} for row in rows):
        return None
    return tuple(names)


def text_table(lines: Sequence[bytes], columns: Sequence[str]) -> pa.Table | None:
    """Return the lines as columns of texts; None unless every line is an object of just these.

    What is refused here may still be rows: null or missing values, numbers, duplicate keys, invalid
    UTF-8, several objects a line, blank lines, Windows line ends.

    Args:
        lines: consecutive lines of a file, with their line ends.
        columns: names of all keys.

    Returns:
        (lines,) rows of valid UTF-8 without nulls.

    Examples:
        >>> text_table([b'{"a": "x"}\\n', b'{"a": "y"}'], ["a"]).to_pydict()
        {'a': ['x', 'y']}
        >>> text_table([b'{"a": "x"}\\n', b'{"a": 1}'], ["a"]) is None
        True
    """
    data = b"".join(lines)
    # Arrow's parser takes objects wherever they lie, and ends the process at a bare null.
    one_a_line = data.count(b"}\n{") == len(lines) - 1 and data.startswith(b"{")
    if not one_a_line or len(data) > _MAX_BYTES:
        return None
    schema = pa.schema([(name, pa.string()) for name in columns])
    try:
        table = arrow_json.read_json(
            pa.py_buffer(data),
            arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        # It takes bytes for texts as they are.
        table.validate(full=True)
    except pa.ArrowInvalid:
        return None
    has_nulls = any(column.null_count for column in table.columns)
    return None if has_nulls or len(table) != len(lines) else table
