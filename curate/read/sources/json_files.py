"""JSON and JSON lines, row by row, so that a broken row is named and the rest is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

import fsspec
import orjson

from curate.errors import CurateError
from curate.read.sources.blocks import Block, PythonBlock

BLOCK_ROWS = 4096
_PEEK = 1 << 20
_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def open_binary(url: str) -> IO[bytes]:
    """A file opened for reading, decompressed by its ending."""
    opened: IO[bytes] = fsspec.open(url, "rb", compression="infer").open()
    return opened


def read_json_lines(url: str) -> Iterator[Block]:
    """Blocks of a file with one JSON object a line."""
    with open_binary(url) as file:
        yield from _line_blocks(file, url)


def read_json(url: str) -> Iterator[Block]:
    """Blocks of a JSON array of objects, of an object that holds one array, or of JSON lines."""
    with open_binary(url) as file:
        head = file.read(_PEEK)
        _check_encoding(head, url)
        whole = head.removeprefix(_UTF8_BOM).lstrip()[:1] == b"["
        if not whole:
            first, _, rest = head.strip().partition(b"\n")
            whole = (_parses(first) and not rest.strip()) or not _parses(first)
        if not whole:
            file.seek(0)
            yield from _line_blocks(file, url)
            return
        yield from _array_blocks(_load_array(head + file.read(), url))


def _parses(line: bytes) -> bool:
    try:
        _loads(line)
    except ValueError:
        return False
    return True


def _load_array(data: bytes, url: str) -> list[Any]:
    try:
        value = _loads(data.removeprefix(_UTF8_BOM))
    except UnicodeDecodeError as error:
        raise _not_utf8(url, error) from None
    except ValueError as error:
        raise CurateError(
            "the file is not valid JSON",
            where=url,
            found=str(error),
            expected="an array of objects",
        ) from None
    if isinstance(value, dict):
        lists = [v for v in value.values() if isinstance(v, list)]
        value = lists[0] if len(lists) == 1 and len(value) == 1 else [value]
    if not isinstance(value, list):
        found = type(value).__name__
        raise CurateError(
            "the file holds no rows", where=url, found=found, expected="an array of objects"
        )
    return value


def _array_blocks(values: list[Any]) -> Iterator[Block]:
    for start in range(0, len(values), BLOCK_ROWS):
        block = PythonBlock()
        for number, value in enumerate(values[start : start + BLOCK_ROWS], start + 1):
            _add(block, number, value)
        yield block


def _line_blocks(file: Iterable[bytes], url: str) -> Iterator[Block]:
    block = PythonBlock()
    for number, raw in enumerate(file, 1):
        line = raw
        if number == 1:
            _check_encoding(line, url)
            line = line.removeprefix(_UTF8_BOM)
        if not line.strip():
            continue
        try:
            _add(block, number, _loads(line))
        except UnicodeDecodeError as error:
            block.broken[number] = f"not UTF-8: {error.reason} at byte {error.start} of the row"
        except ValueError as error:
            block.broken[number] = f"not valid JSON: {error}"
        if len(block) >= BLOCK_ROWS:
            yield block
            block = PythonBlock()
    if len(block):
        yield block


def _add(block: PythonBlock, number: int, value: Any) -> None:
    if isinstance(value, dict):
        block.rows.append(value)
        block.numbers.append(number)
    else:
        block.broken[number] = f"the row is a {type(value).__name__}; expected an object"


def _loads(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # The standard parser takes NaN, which Python writes, and tells UTF-8 errors apart.
        return json.loads(data.decode("utf-8"))


def _check_encoding(head: bytes, url: str) -> None:
    for bom, name in _OTHER_BOMS.items():
        if head.startswith(bom):
            raise CurateError(
                "the file is not UTF-8",
                where=url,
                found=name,
                expected="UTF-8",
                fix=f"iconv -f {name} -t UTF-8 OLD > NEW",
            )


def _not_utf8(url: str, error: UnicodeDecodeError) -> CurateError:
    return CurateError(
        "the file is not UTF-8",
        where=f"{url}, byte {error.start}",
        found=error.reason,
        expected="UTF-8",
        fix="find the encoding (often latin-1), then: iconv -f latin1 -t UTF-8 OLD > NEW",
    )
