from __future__ import annotations

from unittest.mock import patch

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curate.data import hashes
from curate.data.hashes import (
    content_keys,
    numbers_by_appearance,
    row_keys,
    select_in_batches,
    vote_keys,
)
from tests.helpers import numbered_pairs, pairs_of, swapped


@given(
    st.lists(st.sampled_from(["a", "b", "c", None, ""]), max_size=30),
    st.sampled_from([1, 7, 1000]),
)
def test_numbers_follow_first_appearance(values: list[str | None], rows_a_part: int) -> None:
    with patch.object(hashes, "_ROWS_A_PART", rows_a_part):
        numbers, first = numbers_by_appearance(pl.Series(values, dtype=pl.String))
        halves = pl.DataFrame({"t": pl.Series(values, dtype=pl.String)}).select(
            hashes.hash_halves(pl.col("t").fill_null("null"))
        )
        by_halves = numbers_by_appearance(halves)
    order = list(dict.fromkeys(values))
    assert numbers.tolist() == [order.index(value) for value in values]
    assert [values[row] for row in first] == order
    assert by_halves[0].tolist() == numbers.tolist()
    assert by_halves[1].tolist() == first.tolist()


def test_content_keys_tell_texts_apart_and_ignore_the_label_in_low_and_high() -> None:
    pairs = numbered_pairs(20, prompts=5)
    keys, turned = content_keys(pairs), content_keys(swapped(pairs))
    assert keys["prompt"].n_unique() == 5
    assert keys["chosen"].n_unique() == keys["rejected"].n_unique() == 20
    assert keys["chosen"].equals(turned["rejected"])
    assert keys.select("low", "high").equals(turned.select("low", "high"))


def test_batches_change_nothing() -> None:
    frame = pl.DataFrame({"x": range(20_000)})
    selected = select_in_batches(frame, pl.col("x") * 2, y=pl.col("x").cast(pl.String))
    assert selected.equals(frame.select(pl.col("x") * 2, y=pl.col("x").cast(pl.String)))
    assert select_in_batches(frame.head(0), pl.col("x")).columns == ["x"]


def test_a_row_key_depends_on_each_value_and_a_missing_one_is_not_empty() -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [row, {**row, "annotator": ""}, {**row, "annotator": "x"}, {**row, "is_tie": True}]
    pairs = pairs_of(rows).with_columns(pair_id=pl.lit("same"))
    keys = row_keys(pairs)
    assert len(np.unique(keys)) == 4
    assert row_keys(pairs[2:3])[0] == keys[2]


def test_vote_keys_tell_what_content_keys_tell() -> None:
    rows = [
        {"prompt": p, "chosen": c, "rejected": r}
        for p, c, r in (
            ("p", "a", "b"), ("p", "b", "a"), ("q", "a", "b"), ("p", "a", "a"), ("p", "a", "c"),
        )
    ]  # fmt: skip
    pairs = pairs_of(rows)
    wide, keys = content_keys(pairs), vote_keys(pairs)
    same = wide.select(n=pl.struct("prompt", "low", "high").rank("dense"))["n"]
    for first in range(len(rows)):
        for second in range(len(rows)):
            assert (same[first] == same[second]) == (keys["pair"][first] == keys["pair"][second])
            assert (rows[first]["prompt"] == rows[second]["prompt"]) == (
                keys["prompt"][first] == keys["prompt"][second]
            )
    assert keys["differ"].to_list() == [True, True, True, False, True]
    assert keys["first"][0] != keys["first"][1]
    assert keys["first"][0] == keys["first"][2]
