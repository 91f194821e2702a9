"""Names of version 0.2 still work for one release, with a warning."""

from __future__ import annotations

import copy

import polars as pl
import pytest

from curate.read.formats.base import Format, ReadOptions, RowSample
from curate.read.pairs import Pairs


def test_pairs_answer_to_their_old_names() -> None:
    pairs = Pairs(pl.DataFrame(), notes=("a note",), derivation={"type": "round"})
    with pytest.warns(DeprecationWarning, match="reading_notes"):
        assert pairs.told() == ["a note"]
    with pytest.warns(DeprecationWarning, match="derivation"):
        assert pairs.made == {"type": "round"}
    assert copy.copy(pairs).notes == ("a note",)
    with pytest.raises(AttributeError, match="'Pairs' object has no attribute 'notse'"):
        pairs.notse  # noqa: B018


def test_a_format_may_declare_by_old_names() -> None:
    with pytest.warns(DeprecationWarning, match=r"OldFormat\.answers is now called side_suffixes"):

        class OldFormat(Format):
            name = "old"
            summary = "a format of another package"
            answers = ("_a", "_b")

            def matches(self, rows: RowSample) -> bool:
                return bool(rows)

            def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
                return rows

    assert OldFormat.side_suffixes == ("_a", "_b")
