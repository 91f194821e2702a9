"""Rows for verbs that make pairs: an odd one at the first place is one row that is left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError
from curate.derive.classes import labelled_texts
from curate.derive.pool import has_answers, read_pool
from curate.read.conversation_rows import conversation_rows
from curate.read.input import InputConfig
from curate.read.raw_rows import PublishedRows
from tests.helpers import write_jsonl

TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
ROWS: dict[str, dict[str, Any]] = {
    "talks": {"messages": TALK},
    "texts": {"text": "a", "label": "x"},
    "pool": {"prompt": "p", "responses": ["a", "b"]},
}
ODD: list[dict[str, Any]] = [{"version": 1}, {}, {"comment": "a header", "license": "MIT"}]


def counted(kind: str, path: Path) -> tuple[int, int]:
    """Rows that are taken and that are left out."""
    rows, left_out = PublishedRows(InputConfig(path=str(path))), Counter[str]()
    if kind == "talks":
        unreadable = [row.turns is None for row in conversation_rows(rows)]
        return unreadable.count(False), unreadable.count(True)
    if kind == "texts":
        return len(labelled_texts(rows, left_out)), left_out.total()
    pool = read_pool(rows)
    return len(pool.prompts), pool.left_out.total()


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_an_odd_row_is_left_out_wherever_it_stands(
    kind: str, odd: dict[str, Any], place: int, tmp_path: Path
) -> None:
    rows = [ROWS[kind] for _ in range(3)]
    if kind == "texts":
        rows = [row | {"text": f"a{i}"} for i, row in enumerate(rows)]
    rows.insert(place, odd)
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    assert counted(kind, path) == (3, 1)
    assert has_answers(InputConfig(path=str(path))) == (kind == "pool")


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_another_kind_are_refused_with_their_columns(kind: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [*ODD, {"b": 1, "c": 2}])
    with pytest.raises(CurateError) as caught:
        counted(kind, path)
    assert "version" in str(caught.value)
    assert "rows.jsonl" in str(caught.value)
