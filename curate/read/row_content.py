"""Sort keys of a row's content that are the same in JSON lines, Parquet and CSV."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import NamedTuple

from curate.data.hashes import hash_bytes

ROWS_KEY, FILES_KEY = "rows", "files"
"""Keys of `extra` with the numbers of the rows that made a pair, and the file of each where they
are of several; both change when rows move."""
_NUMBER = re.compile(r"-?\d{1,400}(\.\d+)?([eE][+-]?\d{1,4})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_WORDS = {"true": True, "false": False, "null": None, "": None}
# float32 columns of Parquet hold no more than that of the number that JSON spells out.
_DIGITS = 6


class ExtraKeys(NamedTuple):
    """Two hashes of one `extra`.

    Attributes:
        across_forms: equal for values that some form of file cannot tell apart.
        exact: equal for the same JSON only, whatever the order of its keys.
    """

    across_forms: bytes
    exact: bytes


def extra_keys(extra: str | None) -> ExtraKeys:
    """Return the hashes of what a pair keeps in `extra`.

    JSON lines, Parquet and CSV hold the same row in different ways: a missing key is a null in a
    Parquet column and an empty text in CSV, an integer beside nulls is a float, and every value of
    CSV is a text. The first hash ignores these differences, the second one does not.
    """
    try:
        value = json.loads(extra or "{}")
        if isinstance(value, dict) and _are_row_numbers(value.get(ROWS_KEY)):
            del value[ROWS_KEY]
            value.pop(FILES_KEY, None)
        return ExtraKeys(_hash(_canonical(value)), _hash(value))
    except (ValueError, RecursionError):
        # Too deep or too long for Python: the text itself stands for it.
        key = hash_bytes((extra or "").encode())
        return ExtraKeys(key, key)


def _are_row_numbers(value: object) -> bool:
    return isinstance(value, list) and all(type(number) is int for number in value)


def _hash(value: object) -> bytes:
    return hash_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _canonical(value: object) -> object:
    """The value in one form: no nulls in objects, numbers and times spelled one way."""
    if isinstance(value, str):
        return _canonical_text(value)
    if isinstance(value, dict):
        entries = ((key, _canonical(inner)) for key, inner in value.items())
        # An object of nulls alone is a null struct in Parquet.
        return {key: inner for key, inner in entries if inner is not None} or None
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return _canonical_number(value) if isinstance(value, (int, float)) else value


def _canonical_number(number: float) -> str | bool | None:
    if isinstance(number, bool):
        return number
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        return None
    return str(int(number)) if number == int(number) else f"{number:.{_DIGITS}g}"


def _canonical_text(text: str) -> object:
    """The text, or what CSV spells with it."""
    if len(text) <= len("false") and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text[0] in "[{":
        try:
            return _canonical(json.loads(text))
        except (ValueError, RecursionError):
            return text
    if _NUMBER.fullmatch(text):
        return _canonical_number(float(text) if set(text) & set(".eE") else int(text))
    if _TIME.fullmatch(text):
        return _canonical_time(text)
    return text


def _canonical_time(text: str) -> str:
    """A date or time in UTC; one without a zone counts as UTC, as Parquet reads it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
