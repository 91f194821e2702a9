from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from curate.read.pairs import Pairs
from curate.read.prompt_sample import sample_prompts
from tests.helpers import numbered_pairs


def parts(frame: pl.DataFrame, size: int = 37) -> Iterator[Pairs]:
    for start in range(0, len(frame), size):
        part = frame[start : start + size]
        origins = pl.DataFrame(
            {"file": ["f"] * len(part), "row": list(range(start, start + len(part)))}
        )
        yield Pairs(part, origins=origins, rows_read=start + len(part), notes=("n",))


def test_a_small_set_comes_as_it_is() -> None:
    frame = numbered_pairs(100, 40)
    sample, note = sample_prompts(parts(frame), 100)
    assert note is None
    assert sample.frame.equals(frame)
    assert (sample.rows_read, sample.notes) == (100, ("n",))


@pytest.mark.parametrize("most", [10, 60, 150, 399])
def test_whole_prompts_in_the_order_of_reading(most: int) -> None:
    frame = numbered_pairs(400, 100)
    sample, note = sample_prompts(parts(frame), most)
    assert 0 < len(sample) <= most
    assert len(sample) > most - 8
    prompts = frame.select("pair_id", p=pl.col("prompt").list.first().struct.field("content"))
    sampled = prompts.filter(pl.col("pair_id").is_in(sample.frame["pair_id"].implode()))
    assert sampled["pair_id"].equals(sample.frame["pair_id"])
    assert (sampled.group_by("p").len()["len"] == 4).all()
    assert note == f"{len(sample)} of 400 pairs, all those of a random sample of the prompts"
    assert sample.notes == ("n", note)
    rows = frame.with_row_index()["index"].filter(
        frame["pair_id"].is_in(sampled["pair_id"].implode())
    )
    assert sample.origins["row"].to_list() == rows.to_list()


def test_order_and_blocks_do_not_matter_and_the_seed_does() -> None:
    frame = numbered_pairs(300)
    ids = {
        key: set(sample_prompts(parts(f, size), 50, seed)[0].frame["pair_id"])
        for key, f, size, seed in (
            ("plain", frame, 37, 0),
            ("blocks", frame, 250, 0),
            ("reversed", frame.reverse(), 37, 0),
            ("seed", frame, 37, 1),
        )
    }
    assert ids["plain"] == ids["blocks"] == ids["reversed"] != ids["seed"]


def test_each_prompt_is_as_likely_as_any_other() -> None:
    frame = numbered_pairs(60)
    counts = np.zeros(60)
    for seed in range(400):
        sample, _ = sample_prompts(parts(frame), 15, seed)
        counts += frame["pair_id"].is_in(sample.frame["pair_id"].implode()).to_numpy()
    # 100 draws expected of each, with a deviation of 8.7.
    assert np.abs(counts - 100).max() < 4.5 * 8.7


def test_one_prompt_with_more_pairs_than_wanted_is_taken_whole() -> None:
    sample, _ = sample_prompts(parts(numbered_pairs(90, 1)), 10)
    assert len(sample) == 90
