"""Counts of keys over batches, beside a dictionary."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import polars as pl
import pytest

from curate.data.key_counts import KeyCounts, KeyHalves, key_halves
from curate.data.table import PairIds
from tests.helpers import numbered_pairs


@pytest.mark.parametrize("kind", ["few keys", "many keys", "one first half"])
def test_every_count_is_that_of_a_dictionary(kind: str) -> None:
    rng = np.random.default_rng(0)
    most = {"few keys": 5, "many keys": 2**40, "one first half": 300}[kind]
    counts, dictionary = KeyCounts(), dict[tuple[int, int], int]()
    for _ in range(60):
        keys: KeyHalves = rng.integers(most, size=(rng.integers(0, 40), 2)).astype(np.uint64)
        if kind == "one first half":
            keys[:, 0] = 7
        expected = []
        for first, second in keys.tolist():
            expected.append(dictionary.get((first, second), 0))
            dictionary[first, second] = expected[-1] + 1
        assert counts.before(keys).tolist() == expected


def test_a_key_takes_few_bytes() -> None:
    rng = np.random.default_rng(0)
    counts = KeyCounts()
    tracemalloc.start()
    for _ in range(50):
        counts.before(rng.integers(2**60, size=(4000, 2)).astype(np.uint64))
    allocated_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert allocated_bytes < 30 * 50 * 4000


def test_halves_of_bytes_differ_where_keys_do() -> None:
    keys = [bytes(16), bytes(15) + b"\x01", b"\x01" + bytes(15)]
    assert len({tuple(row) for row in key_halves(b"".join(keys)).tolist()}) == 3


def without_ids(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.with_columns(pair_id=pl.lit(None, dtype=pl.String))


def test_ids_skip_what_others_have() -> None:
    """As one pair at a time would: a taken number is left out, and so for all that follow."""
    pairs = numbered_pairs(2)
    first, second = pairs["pair_id"]
    bare = without_ids(pairs[[0, 0, 1, 0, 0]])
    ids = PairIds([pl.Series([f"{first}-1", f"{first}-2", f"{first}-5"])])
    filled_ids = ids.fill_missing(bare)["pair_id"].to_list()
    assert filled_ids == [first, f"{first}-3", second, f"{first}-4", f"{first}-6"]
    assert ids.fill_missing(bare[:1])["pair_id"].to_list() == [f"{first}-7"]


def test_ids_do_not_depend_on_how_pairs_are_cut_into_batches() -> None:
    pairs = numbered_pairs(6)
    rng = random.Random(0)
    rows = [rng.randrange(6) for _ in range(200)]
    bare = without_ids(pairs[rows])
    ids_in_one_batch = PairIds().fill_missing(bare)["pair_id"].to_list()
    assert len(set(ids_in_one_batch)) == 200
    for size in (1, 7, 64):
        ids = PairIds()
        parts = [ids.fill_missing(bare[start : start + size]) for start in range(0, 200, size)]
        assert [i for part in parts for i in part["pair_id"]] == ids_in_one_batch


def test_a_given_id_is_new_once() -> None:
    ids, pair_ids = PairIds(), numbered_pairs(4)["pair_id"]
    some = pair_ids.gather([0, 1, 0]).extend(pair_ids.clear(1))
    assert ids.is_new(some).to_list() == [True, True, False, True]
    assert ids.is_new(pair_ids).to_list() == [False, False, True, True]
