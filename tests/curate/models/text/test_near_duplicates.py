from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.data import table as pair_table
from curate.data.attachments import MEDIA
from curate.models.text.candidates import SketchedTexts, first_near_duplicate
from curate.models.text.near_duplicates import near_duplicate_of
from curate.models.text.shingles import (
    ShingleTable,
    jaccard_similarity,
    shingle_hashes,
    text_shingles,
)
from curate.models.text.sketches import SketchedItems
from curate.steps.context import SilentProgress
from curate.steps.workers import LocalWorkers
from curate.store.scratch import ScratchSpace
from tests.helpers import pairs_of
from tests.workers import PickledWorkers

LONG = " ".join(f"word{i}" for i in range(60))
ALL = ("prompt", "chosen", "rejected")


def edited(text: str, word: str = "other") -> str:
    return " ".join([*text.split()[:-1], word])


def table(*texts: str) -> ShingleTable:
    shingle_table = ShingleTable(ScratchSpace())
    shingle_table.add(*shingle_hashes(pl.Series(texts)))
    return shingle_table


def frame_of(*rows: tuple[str, ...], parts: tuple[str, ...] = ("prompt",)) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=list(parts), orient="row")


def similarity(*rows: tuple[str, ...], parts: tuple[str, ...] = ("prompt",)) -> Any:
    return SketchedItems.from_texts(frame_of(*rows, parts=parts)).shingles.similarity


def earlier(texts: list[str], threshold: float) -> np.ndarray:
    scratch = ScratchSpace()
    batches = [(frame_of(*((text,) for text in texts)), None)]
    sketched = SketchedTexts(batches, ("prompt",), LocalWorkers(scratch), scratch)
    return first_near_duplicate(sketched, threshold)


def test_shingles_are_runs_of_three_words_without_case() -> None:
    assert text_shingles("One two, three four") == text_shingles("one TWO three four")
    assert len(text_shingles("one two three four")) == 2
    assert len(text_shingles("one")) == 1
    assert len(text_shingles("你好世界啊")) == 3
    both = table("a b c d", "a b c e")
    assert jaccard_similarity(both.of(0), both.of(1)) == pytest.approx(1 / 3)


WORDS = st.lists(st.sampled_from(["a", "B", "c1", "d", "你好", "é", "!?", ""]), max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6))
def test_shingles_of_many_texts_equal_those_of_one_at_a_time(rows: list[list[str]]) -> None:
    texts = [" ".join(row) for row in rows]
    hashes, ends = shingle_hashes(pl.Series(texts, dtype=pl.String))
    sets = [set(hashes[ends[i] : ends[i + 1]].tolist()) for i in range(len(texts))]
    expected = [text_shingles(text) for text in texts]
    for i in range(len(texts)):
        assert len(sets[i]) == len(expected[i])
        for j in range(len(texts)):
            assert len(sets[i] & sets[j]) == len(expected[i] & expected[j])


def test_parts_of_several_batches_are_found_again(tmp_path: Path) -> None:
    shingle_table = ShingleTable(ScratchSpace(tmp_path))
    shingle_table.add(*shingle_hashes(pl.Series(["a b c d", "x"])))
    shingle_table.add(*shingle_hashes(pl.Series(["a b c d e"])))
    assert len(shingle_table) == 3
    assert jaccard_similarity(shingle_table.of(0), shingle_table.of(2)) == pytest.approx(2 / 3)
    assert jaccard_similarity(shingle_table.of(1), shingle_table.of(2)) == 0.0


def test_similarity_takes_the_least_part_and_the_better_order() -> None:
    compared = similarity(
        ("p q r s", LONG, "x y z"),
        ("p q r s", "x y z", LONG),
        ("p q r s", LONG, "no way out"),
        parts=ALL,
    )
    assert compared(0, 1) == 1.0
    assert compared(0, 2) == 0.0


def test_a_near_copy_is_found_and_a_chain_is_judged_by_what_was_kept() -> None:
    texts = [LONG, edited(LONG), "something else entirely here", edited(LONG, "third")]
    assert earlier(texts, 0.9).tolist() == [-1, 0, -1, 0]
    assert earlier(texts, 1.0).tolist() == [-1] * 4


def test_what_is_found_is_near_and_nearly_all_that_is_near_is_found() -> None:
    """Against all pairs of 400 texts, of which some are edited copies."""
    rng = np.random.default_rng(0)
    texts: list[str] = []
    for _ in range(200):
        words = [f"w{i}" for i in rng.integers(0, 500, size=40)]
        copy = list(words)
        for place in rng.integers(0, 40, size=rng.integers(0, 3)):
            copy[place] = "changed"
        texts += [" ".join(words), " ".join(copy)]
    near_earlier, compared = earlier(texts, 0.8), similarity(*((text,) for text in texts))
    near = {i for i in range(1, 400, 2) if compared(i - 1, i) >= 0.8}
    reported = set(np.flatnonzero(near_earlier >= 0).tolist())
    assert reported <= near
    assert len(reported) >= 0.95 * len(near) > 50


def test_every_part_must_be_near_and_the_order_of_answers_does_not_count() -> None:
    pairs = pairs_of(
        [
            {"prompt": LONG, "chosen": "yes it is", "rejected": LONG},
            {"prompt": edited(LONG), "chosen": edited(LONG), "rejected": "yes it is"},
            {"prompt": LONG, "chosen": "no it is not", "rejected": LONG},
        ]
    )
    ids = pairs["pair_id"].to_list()
    assert near_duplicate_of(pairs, ALL, 0.9, SilentProgress()).to_list() == [None, ids[0], None]
    prompt_only = near_duplicate_of(pairs, ("prompt",), 0.9, SilentProgress()).to_list()
    assert prompt_only == [None, ids[0], None]  # the third repeats exactly, which is no near copy


def test_exact_repeats_share_one_fate() -> None:
    row = {"prompt": edited(LONG), "chosen": "a", "rejected": "b"}
    pairs = pairs_of([{"prompt": LONG, "chosen": "a", "rejected": "b"}, row, row])
    first = pairs["pair_id"][0]
    assert near_duplicate_of(pairs, ALL, 0.9, SilentProgress()).to_list() == [None, first, first]


def test_equal_texts_about_other_images_are_other_pairs() -> None:
    row = {"prompt": "what is in this picture", "chosen": "a cat on a mat", "rejected": "a dog"}
    nearly = [row | {"chosen": "a cat on a mat ."}, row | {"rejected": "a dog ."}]
    pairs = pairs_of([row, *nearly])
    same = near_duplicate_of(pairs, ("prompt", "chosen", "rejected"), 0.5, SilentProgress())
    assert same.null_count() == 1
    images = [[{"path": name, "bytes": None}] for name in ("a.png", "b.png", "a.png")]
    pictured = pairs.with_columns(pl.Series("images", images, dtype=MEDIA))
    duplicates = near_duplicate_of(
        pictured, ("prompt", "chosen", "rejected"), 0.5, SilentProgress()
    )
    assert duplicates.to_list() == [None, None, pairs["pair_id"][0]]


def test_answers_that_are_images_are_matched_in_either_order() -> None:
    row = {"prompt": "a cat in the rain", "chosen": "<image>", "rejected": "<image>"}
    pairs = pairs_of([row, *(row | {"prompt": f"a cat in the rain {m}"} for m in "!?")])
    first = [[{"path": name, "bytes": None}] for name in ("a", "b", "a")]
    second = [[{"path": name, "bytes": None}] for name in ("b", "a", "c")]
    pairs = pairs.with_columns(
        pl.Series("images", first, dtype=MEDIA), pl.Series("rejected_images", second, dtype=MEDIA)
    )
    duplicates = near_duplicate_of(pairs, ("prompt", "chosen", "rejected"), 0.4, SilentProgress())
    assert duplicates.to_list() == [None, pairs["pair_id"][0], None]
    prompts = near_duplicate_of(pairs, ("prompt",), 0.4, SilentProgress())
    assert prompts.to_list() == [None, *[pairs["pair_id"][0]] * 2]


def scraped(count: int, seed: int = 0) -> pl.DataFrame:
    """Pairs of which half nearly repeat an earlier one, some of them each other."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    for _ in range(count):
        words = [f"w{i}" for i in rng.integers(0, 300, size=40)]
        row = {"prompt": " ".join(words), "chosen": "yes " * 5, "rejected": "no " * 5}
        if rows and rng.random() < 0.5:
            copied = rows[int(rng.integers(len(rows)))]
            row = copied | {"prompt": edited(copied["prompt"], str(rng.integers(3)))}
        rows.append(row)
    return pairs_of(rows)


@pytest.mark.parametrize("parts", [("prompt",), ALL])
def test_workers_find_what_is_found_here(
    parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_table, "BATCH_ROWS", 64)
    pairs = scraped(600)
    local_result = near_duplicate_of(pairs, parts, 0.8, SilentProgress())
    for receivers in (1, 4):
        workers = PickledWorkers(receivers)
        there = near_duplicate_of(pairs, parts, 0.8, SilentProgress(), workers=workers)
        assert there.to_list() == local_result.to_list()
    assert 200 < local_result.null_count() < 400


def test_workers_know_pairs_of_other_images_apart() -> None:
    texts = {"prompt": LONG, "chosen": "a b c d", "rejected": "e f g h"}
    pairs = pairs_of([texts, texts | {"prompt": edited(LONG)}])
    images = pl.Series("images", [[{"path": p, "bytes": None}] for p in "ab"], dtype=MEDIA)
    for frame, near in ((pairs, 1), (pairs.with_columns(images), 0)):
        duplicates = near_duplicate_of(frame, ALL, 0.5, SilentProgress(), workers=PickledWorkers())
        assert len(duplicates) - duplicates.null_count() == near


def test_no_pairs_have_no_near_duplicates() -> None:
    nothing = scraped(3)[:0]
    for workers in (None, PickledWorkers()):
        assert len(near_duplicate_of(nothing, ALL, 0.8, SilentProgress(), workers=workers)) == 0
