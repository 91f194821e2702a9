"""Flips of pairs whose answers are images."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.benchmark.data import BenchData
from curate.data.attachments import MEDIA
from curate.steps.features import Features
from curate.steps.relabel import flip_labels
from tests.helpers import numbered_pairs


def test_a_flip_exchanges_the_images() -> None:
    names = [["a", "b"], ["c", "d"]]
    listed = [[[{"path": n, "bytes": None}] for n in names_of_side] for names_of_side in names]
    pairs = numbered_pairs(2).with_columns(
        pl.Series("images", listed[0], dtype=MEDIA),
        pl.Series("rejected_images", [listed[1][0], None], dtype=MEDIA),
    )
    index = {part: np.arange(2) for part in ("prompt", "chosen", "rejected")}
    features = Features(np.eye(2, dtype=np.float32), np.zeros((2, 1), np.float32), index)
    flipped = BenchData("d", pairs, features).flipped(np.array([True, True])).pairs
    for exchanged in (flipped, flip_labels(pairs, pl.Series([True, True]))):
        assert [m[0]["path"] for m in exchanged["images"]] == ["c", "b"]
        assert exchanged["rejected_images"].to_list() == [[{"path": "a", "bytes": None}], None]
        assert exchanged["chosen"].to_list() == pairs["rejected"].to_list()
    assert flipped["extra"].to_list() == pairs["extra"].to_list()
