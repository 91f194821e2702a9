"""Flags of repeated and contradicted pairs, beside a plain count over all rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.data.duplicates import duplicate_flags, first_duplicate, repeated_rows
from tests.helpers import pairs_of


def random_pairs(rows: int, texts: int) -> pl.DataFrame:
    """Pairs of few texts, so that many repeat or contradict each other."""
    rng = np.random.default_rng(0)

    def some() -> list[str]:
        return [f"t{n}" for n in rng.integers(texts, size=rows)]

    columns = {"prompt": some(), "chosen": some(), "rejected": some()}
    rows_ = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return pairs_of(rows_).with_columns(
        annotator=pl.Series(rng.choice(["a", "b", None], size=rows).tolist(), dtype=pl.String),
        is_tie=pl.Series(rng.random(rows) < 0.1),
    )


def naive(pairs: pl.DataFrame, ignore: bool) -> list[tuple[bool, int, bool, str]]:
    """The same one pair after another."""
    rows = []
    for row in pairs.iter_rows(named=True):
        texts = [row[part][-1]["content"] for part in ("prompt", "chosen", "rejected")]
        who = () if ignore else (row["annotator"],)
        rows.append((texts, row["is_tie"], who, row["pair_id"]))
    out = []
    for number, (texts, tie, who, pair_id) in enumerate(rows):
        same = [r for r in rows if r[0][0] == texts[0] and sorted(r[0][1:]) == sorted(texts[1:])]
        label = [r for r in rows[:number] if r[:3] == (texts, tie, who)]
        voted = [r for r in same if not r[1] and r[0][1] != r[0][2]]
        against = not tie and texts[1] != texts[2] and any(r[0] != texts for r in voted)
        out.append((bool(label), len(same), against, label[0][3] if label else pair_id))
    return out


@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize("texts", [2, 4, 1000])
def test_flags_are_those_of_a_loop(texts: int, ignore: bool) -> None:
    pairs = random_pairs(200, texts)
    flags = duplicate_flags(pairs, ignore_annotator=ignore)
    first = first_duplicate(pairs, ignore_annotator=ignore)
    assert [*zip(*flags, first, strict=True)] == naive(pairs, ignore)


def test_rows_of_a_key_that_is_there_once_are_left_out() -> None:
    keys = pl.Series([5, 1, 5, 2, 7, 2, 2], dtype=pl.UInt64)
    assert repeated_rows(keys).tolist() == [0, 2, 3, 5, 6]
    assert repeated_rows(keys.head(2)).tolist() == []
    assert repeated_rows(keys.head(0)).tolist() == []
