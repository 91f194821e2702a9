"""One odd row among many: the others are read as without it, and the odd one is accounted for."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate import Pairs, read_pairs
from tests.curate.read.public_rows import FORMS, Rows
from tests.helpers import write_jsonl

_MISSING = object()
_ODD: dict[str, Any] = {
    "missing": _MISSING,
    "null": None,
    "number": 1.5,
    "text": "some text",
    "items": [None, 1],
    "object": {"key": "value"},
}
_COUNT, _AT = 20, 13


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a row, however deep; of a list the first item."""
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        keys = [0]
    for key in keys:
        yield (*before, key)
        yield from _paths(value[key], (*before, key))


def _with(row: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(row)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    if value is _MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def _texts(pairs: Pairs) -> set[str]:
    rows = pairs.frame.select("prompt", "chosen", "rejected").rows()
    return {json.dumps(row) for row in rows}


def _read(path: Path, rows: Rows) -> Pairs:
    return read_pairs(str(write_jsonl(path, rows)), on_error="skip")


@pytest.mark.parametrize("form", FORMS)
def test_one_odd_row_spoils_no_other(tmp_path: Path, form: str) -> None:
    rows = [row for i in range(_COUNT) for row in FORMS[form](i)]
    at = _AT * len(rows) // _COUNT
    pairs = _read(tmp_path / "whole.jsonl", rows)
    other_texts = {text for text in _texts(pairs) if f" {_AT}" not in text}
    assert len(other_texts) == _COUNT - 1
    kinds = list(_ODD.items())
    for number, path in enumerate(_paths(rows[at])):
        # Two kinds at each place, others at the next: all of them at all places take a minute.
        for name, value in (kinds[number % len(kinds)], kinds[(number + 2) % len(kinds)]):
            case = f"{'.'.join(map(str, path))} {name}"
            odd = [*rows[:at], _with(rows[at], path, value), *rows[at + 1 :]]
            pairs_beside_odd_row = _read(tmp_path / "odd.jsonl", odd)
            texts = _texts(pairs_beside_odd_row)
            assert pairs_beside_odd_row.format == pairs.format, case
            assert other_texts <= texts, case
            # It makes a pair, or it is listed with what is wrong: no row goes without a word.
            assert len(texts) > len(other_texts) or len(pairs_beside_odd_row.rejected), case
            assert pairs_beside_odd_row.rows_read == len(rows), case
