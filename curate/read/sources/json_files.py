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

from curate.data.json_text import has_half, whole_text
from curate.errors import CurateError
from curate.read.messages import is_message
from curate.read.sources.blocks import Block
from curate.read.sources.column_json import rows_of_columns, rows_of_index
from curate.read.sources.data_file import BUFFER, DataFile, not_utf8
from curate.read.sources.json_keys import check_keys, may_repeat_keys
from curate.read.sources.python_block import PythonBlock

BLOCK_ROWS = 4096
# Lines by which it is told whether a file has one object in each.
_FIRST = 5
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


def read_json_lines(file: DataFile) -> Iterator[Block]:
    """Blocks of a file with one JSON object a line."""
    with file.opened() as opened:
        yield from _line_blocks(opened, file)


def read_json(file: DataFile) -> Iterator[Block]:
    """Blocks of a JSON array of objects, of an object that holds one array, or of JSON lines."""
    with file.opened() as opened:
        head = opened.read(_PEEK)
        check_encoding(head, file)
        if _is_whole(head):
            most = file.bounds.whole
            data = head + opened.read(most - len(head) + 1)
            if len(data) > most:
                raise file.too_large("the JSON array", len(data), most)
            yield from _array_blocks(_load_array(data, file))
            return
    yield from read_json_lines(file)


def _is_whole(head: bytes) -> bool:
    """Whether the file is one value, and not one a line."""
    text = head.removeprefix(_UTF8_BOM).strip()
    if text[:1] == b"[":
        return True
    first, _, rest = text.partition(b"\n")
    return not _parses(first) or not rest.strip()


def _parses(line: bytes) -> bool:
    try:
        _loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _load_array(data: bytes, file: DataFile) -> list[Any]:
    try:
        value = _loads(data.removeprefix(_UTF8_BOM))
        if may_repeat_keys(data, value):
            _check_rows(data, file)
    except UnicodeDecodeError as error:
        raise not_utf8(file, f"byte {error.start}", error) from None
    except (ValueError, RecursionError) as error:
        # JSON lines under the name of JSON: a mistake that one command mends.
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
        found = type(value).__name__
        raise CurateError(
            "the file holds no rows", where=file.name, found=found, expected="an array of objects"
        )
    return value


def _array_within(value: dict[str, Any], file: DataFile) -> list[Any]:
    """The rows that an object holds, or the object as the only row."""
    for shape in (rows_of_columns, rows_of_index):
        if (rows := shape(value)) is not None:
            return rows
    arrays = [k for k, v in value.items() if isinstance(v, list) and v and _is_row(v[0])]
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
            fix="write each to a file of its own: jq '.KEY' OLD > NEW",
        )
    if len(arrays) == 1 and arrays[0] in _ROW_KEYS:
        return list(value[arrays[0]])  # what stands beside it is about the file, such as a version
    return [value]


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and not is_message(value)


def _array_blocks(values: list[Any]) -> Iterator[Block]:
    for start in range(0, len(values), BLOCK_ROWS):
        block = PythonBlock()
        for number, value in enumerate(values[start : start + BLOCK_ROWS], start + 1):
            _add(block, number, value)
        yield block


def _line_blocks(opened: io.BufferedReader, file: DataFile) -> Iterator[Block]:
    _check_lines(opened.peek(), file)
    block = PythonBlock()
    for number, raw in enumerate(_lines(opened, file.bounds.row), 1):
        line = raw
        if number == 1:
            check_encoding(line, file)
            line = line.removeprefix(_UTF8_BOM)
        if not line.strip():
            continue
        _read_line(block, number, line, file.bounds.row)
        if len(block) >= BLOCK_ROWS:
            yield block
            block = PythonBlock()
    if len(block):
        yield block


def _check_lines(head: bytes, file: DataFile) -> None:
    """Refuse objects that stand one behind another, but not one a line.

    Raises:
        CurateError: none of the first lines is an object, and together they look like some.
    """
    lines = [line for line in head.removeprefix(_UTF8_BOM).split(b"\n") if line.strip()]
    # The last line may be cut where the buffer ends.
    whole = lines[: _FIRST if len(head) < BUFFER else min(len(lines) - 1, _FIRST)]
    if not whole or not whole[0].lstrip().startswith(b"{") or any(map(_parses, whole)):
        return
    first = whole[0].rstrip()
    found, fix = "objects over several lines", "jq -c . OLD > NEW"
    if first.endswith(b"},"):
        found, fix = "a comma behind each object", "sed 's/,$//' OLD > NEW"
    elif first.endswith(b"}"):
        if b"}{" not in first.replace(b" ", b""):
            return  # one broken object
        found = "several objects in a line"
    raise CurateError(
        "the file is not JSON lines", where=file.name, found=found,
        expected="one object a line", fix=fix,
    )  # fmt: skip


def _read_line(block: PythonBlock, number: int, line: bytes, most: int) -> None:
    """Add the object of a line, or why there is none."""
    try:
        if len(line) > most:
            raise ValueError(f"longer than {most >> 20} MB (input.max_row_mb)")
        value = _loads(line)
        if may_repeat_keys(line, value):
            check_keys(line.decode("utf-8"), "")
        _add(block, number, value)
    except UnicodeDecodeError as error:
        block.broken[number] = f"not UTF-8: {error.reason} at byte {error.start} of the row"
    except CurateError as error:
        block.broken[number] = f"{error.problem}: {error.found}"
    except RecursionError:
        block.broken[number] = "not usable JSON: nested too deeply"
    except ValueError as error:
        block.broken[number] = f"not valid JSON: {error}"


def _check_rows(data: bytes, file: DataFile) -> None:
    """Refuse a row of an array in which a key stands twice."""
    text, at = data.removeprefix(_UTF8_BOM).decode("utf-8", errors="replace").lstrip(), 1
    # It ends with the array; what cannot be parsed is told elsewhere.
    with suppress(ValueError, RecursionError):
        for number in itertools.count(1):
            space = _BETWEEN.match(text, at)
            at = check_keys(text, f"{file.name}, row {number}", space.end() if space else at)


def _lines(opened: io.BufferedReader, most: int) -> Iterator[bytes]:
    """Lines; of one that is longer than `most` bytes its start alone, a byte more than `most`."""
    while line := opened.readline(most + 1):
        yield line
        while len(line) > most and not line.endswith(b"\n"):
            line = opened.readline(most + 1)  # the rest of it, which nobody wants


def _add(block: PythonBlock, number: int, value: Any) -> None:
    block.replaced += type(value) is _WithHalves
    if isinstance(value, dict):
        block.add(number, value)
    else:
        block.broken[number] = f"the row is a {type(value).__name__}; expected an object"


def _loads(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # The standard parser takes NaN, which Python writes, tells UTF-8 errors apart, and takes
        # halves of characters, which are replaced (and counted).
        value = json.loads(data.decode("utf-8"))
        return _WithHalves.of(value) if b"\\u" in data and _holds_half(value) else value


class _WithHalves(dict):  # type: ignore[type-arg]
    """A row in which halves of characters were replaced."""

    @classmethod
    def of(cls, value: Any) -> Any:
        """The value with halves replaced; a row is marked, rows of an array each."""
        if isinstance(value, list):
            return [cls.of(v) if _holds_half(v) else v for v in value]
        clean = json.loads(whole_text(json.dumps(value, ensure_ascii=False)))
        return cls(clean) if isinstance(clean, dict) else clean


def _holds_half(value: Any) -> bool:
    return has_half(json.dumps(value, ensure_ascii=False))


def check_encoding(head: bytes, file: DataFile) -> None:
    """Refuse what does not begin as UTF-8.

    Raises:
        CurateError: with the encoding that its first bytes tell.
    """
    found = next((name for bom, name in _OTHER_BOMS.items() if head.startswith(bom)), None)
    if found is None and head[:64].count(b"\0") * 3 >= len(head[:64]) > 0:
        found = "UTF-16 or binary data"
    if found is not None:
        fix = "iconv -f UTF-16 -t UTF-8 OLD > NEW, where it is text"
        raise CurateError(
            "the file is not UTF-8", where=file.name, found=found, expected="UTF-8", fix=fix
        )
