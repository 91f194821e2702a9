"""Python values as JSON text, whatever they hold."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

DEEPEST = 100
"""Levels of nesting that readers of JSON (polars among them) surely follow."""
# Fewer cannot nest so deep that a parser overflows; they need no second look.
_MANY_BRACKETS = 60


def to_json(value: Any) -> str:
    """JSON of any value: numbers of any size, null for what JSON has no form for (NaN), U+FFFD for
    half characters, base64 for bytes, the text of anything else.

    Raises:
        ValueError: an integer has more digits than Python writes (4,300).
    """
    try:
        return orjson.dumps(value, default=_told).decode()
    except TypeError:
        pass  # beyond what the fast way takes
    try:
        text = json.dumps(value, default=_told, ensure_ascii=False)
        if "NaN" in text or "Infinity" in text:
            text = json.dumps(_finite(value), default=_told, ensure_ascii=False)
    except RecursionError:
        text = "".join(_deep_json(value))
    return whole_text(text)


def _deep_json(value: Any) -> Iterator[str]:
    """Pieces of the JSON of a value of any depth, without recursion."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, _Piece):
            yield item
        elif isinstance(item, dict):
            entries = [[_Piece(f"{to_json(str(key))}:"), inner] for key, inner in item.items()]
            stack += reversed(_between(_Piece("{"), entries, _Piece("}")))
        elif isinstance(item, (list, tuple)):
            stack += reversed(_between(_Piece("["), [[inner] for inner in item], _Piece("]")))
        else:
            yield to_json(item)


class _Piece(str):
    """JSON that is written as it is."""

    __slots__ = ()


def _between(start: _Piece, entries: list[list[Any]], end: _Piece) -> list[Any]:
    """All entries in a row, with commas between them."""
    flat = [start]
    for number, entry in enumerate(entries):
        flat += [_Piece(","), *entry] if number else entry
    return [*flat, end]


def _told(value: Any) -> Any:
    """What JSON has no form for: bytes as base64, decimals as numbers, others as their text."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return float(value) if isinstance(value, Decimal) else str(value)


def parsed_json(value: Any) -> Any:
    """What a JSON text holds, and what a JSON text within it does; any other value as it is."""
    for _ in range(2):
        if not isinstance(value, str):
            return value
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def object_to_json(row: dict[str, Any]) -> str:
    """JSON of one object; a value that is nested more than `DEEPEST` levels stands in it as the
    JSON text of its own, so that the object stays readable.
    """
    text = to_json(row)
    if text.count("[") + text.count("{") <= _MANY_BRACKETS:
        return text
    flat = {key: to_json(v) if depth(v) > DEEPEST else v for key, v in row.items()}
    return to_json(flat) if any(flat[k] is not v for k, v in row.items()) else text


class DeepJson(str):
    """The JSON of a value that is nested too deeply to be looked into."""

    __slots__ = ()


def without_depth(row: dict[str, Any]) -> dict[str, Any]:
    """The row, values of more than `DEEPEST` levels as their JSON where there are very deep ones.

    Whoever walks through a value recursively ends at some thousand levels, and so does Python.
    """
    try:
        orjson.dumps(row)  # goes some 250 levels deep, and is a tenth of parsing
    except TypeError:
        return {k: DeepJson(to_json(v)) if depth(v) > DEEPEST else v for k, v in row.items()}
    return row


def depth(value: Any) -> int:
    """Levels of lists and objects within each other; 0 for a scalar."""
    levels, level = 0, [value]
    while level := [v for v in level if isinstance(v, (list, dict))]:
        levels += 1
        level = [v for c in level for v in (c.values() if isinstance(c, dict) else c)]
    return levels


def whole_text(text: str) -> str:
    """The text with each half of a character (a lone surrogate) replaced by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Two halves that belong together (as older JSON writers put them) become their character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def has_half(text: str) -> bool:
    """Whether the text holds a half of a character, which no file and no table can hold."""
    return any("\ud800" <= c <= "\udfff" for c in text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
