"""Python values as JSON text, whatever they hold."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

MAX_JSON_DEPTH = 100
"""Levels of nesting that readers of JSON (polars among them) surely follow."""
# Fewer cannot nest so deep that a parser overflows; they need no second look.
_MANY_BRACKETS = 60


def to_json(value: Any) -> str:
    """Return any value as JSON.

    Numbers may have any size. NaN and infinity become null, lone surrogates U+FFFD, bytes base64,
    and any other object its text.

    Raises:
        ValueError: an integer has more digits than Python writes (4,300).
    """
    try:
        return orjson.dumps(value, default=_json_fallback).decode()
    except TypeError:
        pass  # beyond what the fast way takes
    try:
        text = json.dumps(value, default=_json_fallback, ensure_ascii=False)
        # A text may hold these words as well; then the second pass changes nothing.
        if "NaN" in text or "Infinity" in text:
            text = json.dumps(_null_nonfinite(value), default=_json_fallback, ensure_ascii=False)
    except RecursionError:
        # With a stack of its own, where the library's recursion ends.
        text = "".join(_deep_json(value))
    return replace_lone_surrogates(text)


def _deep_json(value: Any) -> Iterator[str]:
    """Yield pieces of a value's JSON without recursion, for any depth."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, _Piece):
            yield item
        elif isinstance(item, dict):
            entries = [[_Piece(f"{to_json(str(key))}:"), inner] for key, inner in item.items()]
            stack += reversed(_join_entries(_Piece("{"), entries, _Piece("}")))
        elif isinstance(item, (list, tuple)):
            stack += reversed(_join_entries(_Piece("["), [[inner] for inner in item], _Piece("]")))
        else:
            yield to_json(item)


class _Piece(str):
    """JSON that is written as it is."""

    __slots__ = ()


def _join_entries(start: _Piece, entries: list[list[Any]], end: _Piece) -> list[Any]:
    """Return all entries in one list, with commas between them."""
    flat = [start]
    for number, entry in enumerate(entries):
        flat += [_Piece(","), *entry] if number else entry
    return [*flat, end]


def _json_fallback(value: Any) -> Any:
    """Return a JSON value of another object: bytes as base64, decimals as numbers, else text."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    # A number stays a number, at the precision that readers of JSON have.
    return float(value) if isinstance(value, Decimal) else str(value)


def parse_nested_json(value: Any) -> Any:
    """Return the value of a JSON text, decoded twice if it is nested; other values unchanged."""
    for _ in range(2):
        if not isinstance(value, str):
            return value
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def object_to_json(row: dict[str, Any]) -> str:
    """Return the JSON of one object.

    A value that is nested more than `MAX_JSON_DEPTH` levels becomes a JSON text within it, so that
    readers can parse the object.
    """
    text = to_json(row)
    if text.count("[") + text.count("{") <= _MANY_BRACKETS:
        return text
    flat = {key: to_json(v) if nesting_depth(v) > MAX_JSON_DEPTH else v for key, v in row.items()}
    return to_json(flat) if any(flat[k] is not v for k, v in row.items()) else text


class DeepJson(str):
    """The JSON of a value that is nested too deeply to be looked into."""

    __slots__ = ()


def flatten_deep_values(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with values of more than `MAX_JSON_DEPTH` levels as JSON text.

    Whoever walks through a value recursively ends at some thousand levels, and so does Python.
    """
    try:
        orjson.dumps(row)  # goes some 250 levels deep, and is a tenth of parsing
    except TypeError:
        return {
            k: DeepJson(to_json(v)) if nesting_depth(v) > MAX_JSON_DEPTH else v
            for k, v in row.items()
        }
    return row


def nesting_depth(value: Any) -> int:
    """Return the levels of nested lists and objects; 0 for a scalar."""
    levels, level = 0, [value]
    while level := [v for v in level if isinstance(v, (list, dict))]:
        levels += 1
        level = [v for c in level for v in (c.values() if isinstance(c, dict) else c)]
    return levels


def replace_lone_surrogates(text: str) -> str:
    """Return the text with each lone surrogate replaced by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Two halves that belong together (as older JSON writers put them) become their character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def has_lone_surrogate(text: str) -> bool:
    """Return whether the text has a lone surrogate, which no file and no table can store."""
    return any("\ud800" <= c <= "\udfff" for c in text)


def _null_nonfinite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _null_nonfinite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_null_nonfinite(v) for v in value]
    return value
