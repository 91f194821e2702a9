"""JSON and JSON lines, row by row, so that a broken row is named and the rest is read."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

from curate.data.json_text import has_lone_surrogate, replace_lone_surrogates
from curate.errors import CurateError
from curate.read.messages import is_message
from curate.read.sources.arrow_block import ArrowBlock
from curate.read.sources.blocks import RowBlock
from curate.read.sources.column_json import rows_of_columns, rows_of_index
from curate.read.sources.data_file import BUFFER, DataFile, not_utf8
from curate.read.sources.json_keys import check_keys, may_repeat_keys
from curate.read.sources.python_block import PythonBlock
from curate.read.sources.text_lines import text_columns, text_table

BLOCK_ROWS = 4096
# Of lines that wait to be a block.
_BATCH_BYTES = 64 << 20
# Lines that are checked for one object each.
_CHECKED_LINES = 5
# Bytes in which the first bracket must come, after white space.
_PEEK = 1 << 20
_BETWEEN = re.compile(r"[\s,]*")
_UTF8_BOM = b"\xef\xbb\xbf"
_ROW_KEYS = ("data", "rows", "examples", "records", "instances", "items", "train")
_OTHER_BOMS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def read_json_lines(file: DataFile) -> Iterator[RowBlock]:
    """Yield blocks of a file with one JSON object a line."""
    with file.opened() as opened:
        yield from _line_blocks(opened, file)


def read_json(file: DataFile) -> Iterator[RowBlock]:
    """Yield blocks of a JSON array of objects, an object that holds one array, or JSON lines."""
    with file.opened() as opened:
        head = opened.read(_PEEK)
        check_encoding(head, file)
        if _is_single_value(head):
            max_bytes = file.bounds.file
            data = head + opened.read(max_bytes - len(head) + 1)
            if len(data) > max_bytes:
                raise file.too_large("the JSON array", len(data), max_bytes)
            yield from _array_blocks(_load_array(data, file))
            return
    yield from read_json_lines(file)


def _is_single_value(head: bytes) -> bool:
    """Return whether the file is one value, and not one a line."""
    text = head.removeprefix(_UTF8_BOM).strip()
    if text[:1] == b"[":
        return True
    head_line, _, following = text.partition(b"\n")
    return not _is_json(head_line) or not following.strip()


def _is_json(line: bytes) -> bool:
    try:
        _parse_json(line)
    except (ValueError, RecursionError):
        return False
    return True


def _load_array(data: bytes, file: DataFile) -> list[object]:
    try:
        value = _parse_json(data.removeprefix(_UTF8_BOM))
        if may_repeat_keys(data, value):
            _check_rows(data, file)
    except UnicodeDecodeError as error:
        raise not_utf8(file, f"byte {error.start}", error) from None
    except (ValueError, RecursionError) as error:
        # JSON lines in a file named .json: a mistake that one command repairs.
        several = str(error).startswith("Extra data")
        raise CurateError(
            "the file is not valid JSON",
            where=file.name,
            found="several values, one behind another" if several else str(error),
            expected="an array of objects, or one object a line",
            fix="write one a line: jq -c . OLD > NEW.jsonl" if several else None,
        ) from None
    if isinstance(value, dict):
        value = _array_within(value, file)
    if not isinstance(value, list):
        type_name = type(value).__name__
        raise CurateError(
            "the file holds no rows",
            where=file.name,
            found=type_name,
            expected="an array of objects",
        )
    return value


def _are_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and _is_row(value[0])


def _array_within(value: dict[str, Any], file: DataFile) -> list[Any]:
    """Return the rows that an object holds, or the object as the only row."""
    for shape in (rows_of_columns, rows_of_index):
        if (rows := shape(value)) is not None:
            return rows
    arrays = [key for key, values in value.items() if _are_rows(values)]
    only = next(iter(value.values())) if len(value) == 1 else None
    if isinstance(only, list):
        return only
    if isinstance(only, dict) and any(isinstance(v, list | dict) for v in only.values()):
        return _array_within(only, file)
    if len(arrays) > 1 and len(arrays) == len(value):
        raise CurateError(
            "the file holds several arrays of rows",
            where=file.name,
            found=f"keys {', '.join(map(repr, arrays[:5]))}",
            expected="one array",
            fix="write each to a separate file: jq '.KEY' OLD > NEW",
        )
    if len(arrays) == 1 and arrays[0] in _ROW_KEYS:
        return list(value[arrays[0]])  # other keys describe the file, such as a version
    return [value]


def _is_row(value: object) -> bool:
    return isinstance(value, dict) and not is_message(value)


def _array_blocks(values: list[object]) -> Iterator[RowBlock]:
    for start in range(0, len(values), BLOCK_ROWS):
        block = PythonBlock()
        for number, value in enumerate(values[start : start + BLOCK_ROWS], start + 1):
            _add_row(block, number, value)
        yield block


def _line_blocks(opened: io.BufferedReader, file: DataFile) -> Iterator[RowBlock]:
    _check_lines(opened.peek(), file)
    columns: tuple[str, ...] | None = None
    number = 1
    for lines in _line_batches(opened, file.bounds.row):
        if number == 1:
            check_encoding(lines[0], file)
            lines[0] = lines[0].removeprefix(_UTF8_BOM)
        table = None if columns is None else text_table(lines, columns)
        numbers = range(number, number + len(lines))
        block: RowBlock
        if table is None:
            block = _parse_lines(lines, numbers, file.bounds.row)
            if number == 1:
                columns = text_columns(block.rows)
        else:
            block = ArrowBlock(table, numbers)
        number += len(lines)
        if len(block):
            yield block


def _line_batches(opened: io.BufferedReader, max_length: int) -> Iterator[list[bytes]]:
    """Yield the lines, as many at a time as make a block; long ones in smaller batches."""
    lines, size = list[bytes](), 0
    for line in _bounded_lines(opened, max_length):
        lines.append(line)
        size += len(line)
        if len(lines) == BLOCK_ROWS or size > _BATCH_BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _parse_lines(lines: list[bytes], numbers: range, max_length: int) -> PythonBlock:
    """Return the rows of lines of any kind, and why some hold none."""
    block = PythonBlock()
    for number, line in zip(numbers, lines, strict=True):
        if line.strip():
            _read_line(block, number, line, max_length)
    return block


def _check_lines(head: bytes, file: DataFile) -> None:
    """Refuse objects that follow one another but are not one a line.

    Raises:
        CurateError: none of the first lines is an object, and together they look like some.
    """
    lines = [line for line in head.removeprefix(_UTF8_BOM).split(b"\n") if line.strip()]
    # The last line may be cut where the buffer ends.
    complete_lines = lines[
        : _CHECKED_LINES if len(head) < BUFFER else min(len(lines) - 1, _CHECKED_LINES)
    ]
    if (
        not complete_lines
        or not complete_lines[0].lstrip().startswith(b"{")
        or any(map(_is_json, complete_lines))
    ):
        return
    first_object = complete_lines[0].rstrip()
    problem, fix = "objects over several lines", "jq -c . OLD > NEW"
    if first_object.endswith(b"},"):
        problem, fix = "a comma behind each object", "sed 's/,$//' OLD > NEW"
    elif first_object.endswith(b"}"):
        if b"}{" not in first_object.replace(b" ", b""):
            return  # one broken object
        problem = "several objects in a line"
    raise CurateError(
        "the file is not JSON lines", where=file.name, found=problem,
        expected="one object a line", fix=fix,
    )  # fmt: skip


def _read_line(block: PythonBlock, number: int, line: bytes, max_length: int) -> None:
    """Add the object of a line, or why there is none."""
    try:
        if len(line) > max_length:
            raise ValueError(f"longer than {max_length >> 20} MB (input.max_row_mb)")
        value = _parse_json(line)
        if may_repeat_keys(line, value):
            check_keys(line.decode("utf-8"), "")
        _add_row(block, number, value)
    except UnicodeDecodeError as error:
        block.broken[number] = f"not UTF-8: {error.reason} at byte {error.start} of the row"
    except CurateError as error:
        block.broken[number] = f"{error.problem}: {error.found}"
    except RecursionError:
        block.broken[number] = "not usable JSON: nested too deeply"
    except ValueError as error:
        block.broken[number] = f"not valid JSON: {error}"


def _check_rows(data: bytes, file: DataFile) -> None:
    """Refuse an array with a row that has a duplicate key."""
    text, position = data.removeprefix(_UTF8_BOM).decode("utf-8", errors="replace").lstrip(), 1
    # It ends with the array; the caller reports what cannot be parsed.
    with suppress(ValueError, RecursionError):
        for number in itertools.count(1):
            space = _BETWEEN.match(text, position)
            position = check_keys(
                text, f"{file.name}, row {number}", space.end() if space else position
            )


def _bounded_lines(opened: io.BufferedReader, max_length: int) -> Iterator[bytes]:
    """Yield the lines; of a line over the limit only its start, one byte over the limit."""
    while line := opened.readline(max_length + 1):
        yield line
        while len(line) > max_length and not line.endswith(b"\n"):
            line = opened.readline(max_length + 1)  # skip the remainder of the long line


def _add_row(block: PythonBlock, number: int, value: object) -> None:
    block.replaced += type(value) is _RepairedRow
    if isinstance(value, dict):
        block.add(number, value)
    else:
        block.broken[number] = f"the row is a {type(value).__name__}; expected an object"


def _parse_json(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # The standard parser takes NaN, which Python writes, names UTF-8 errors, and takes
        # halves of characters, which are replaced (and counted).
        value = json.loads(data.decode("utf-8"))
        return (
            _RepairedRow.replace_halves(value)
            if b"\\u" in data and _has_half_character(value)
            else value
        )


class _RepairedRow(dict):  # type: ignore[type-arg]
    """A row in which halves of characters were replaced."""

    @classmethod
    def replace_halves(cls, value: object) -> object:
        """Return the value with halves replaced; a row is marked, rows of an array each."""
        if isinstance(value, list):
            return [cls.replace_halves(v) if _has_half_character(v) else v for v in value]
        clean = json.loads(replace_lone_surrogates(json.dumps(value, ensure_ascii=False)))
        return cls(clean) if isinstance(clean, dict) else clean


def _has_half_character(value: object) -> bool:
    return has_lone_surrogate(json.dumps(value, ensure_ascii=False))


def check_encoding(head: bytes, file: DataFile) -> None:
    """Refuse data that does not begin as UTF-8.

    Raises:
        CurateError: with the encoding that the first bytes show.
    """
    encoding = next((name for bom, name in _OTHER_BOMS.items() if head.startswith(bom)), None)
    if encoding is None and head[:64].count(b"\0") * 3 >= len(head[:64]) > 0:
        encoding = "UTF-16 or binary data"
    if encoding is not None:
        fix = "iconv -f UTF-16 -t UTF-8 OLD > NEW, where it is text"
        raise CurateError(
            "the file is not UTF-8", where=file.name, found=encoding, expected="UTF-8", fix=fix
        )
