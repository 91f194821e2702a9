"""alignment, answer_overlap, caption_relevance, image_near_duplicates."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from curate import Context
from curate.data.attachments import MEDIA
from curate.scorers.alignment import Alignment
from curate.scorers.answer_overlap import AnswerOverlap
from curate.scorers.caption_relevance import NO_CAPTIONS, CaptionRelevance
from curate.scorers.image_near_duplicates import NO_IMAGES, NOT_SEEN, ImageNearDuplicates
from curate.scorers.image_near_duplicates.near_images import (
    _hash_leaders,
    first_near_image,
    perceptual_hashes,
)
from curate.steps.features import Features
from tests.helpers import media_answers, numbered_pairs
from tests.pictures import picture, smooth


def with_answers(chosen: list[bytes | None], rejected: list[bytes | None]) -> pl.DataFrame:
    def listed(data: list[bytes | None]) -> list[list[dict[str, object]] | None]:
        return [None if d is None else [{"path": None, "bytes": d}] for d in data]

    return media_answers(
        numbered_pairs(len(chosen)).with_columns(
            pl.Series("images", listed(chosen), dtype=MEDIA),
            pl.Series("rejected_images", listed(rejected), dtype=MEDIA),
        )
    )


def context_with(
    pairs: pl.DataFrame, *vectors: list[float], index: dict[str, list[int]]
) -> Context:
    rows = np.array(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(norms > 0, norms, 1)
    features = Features(
        rows, np.zeros((len(rows), 1), np.float32), {k: np.array(v) for k, v in index.items()}
    )
    return Context().for_pairs(pairs, features)


def test_alignment_is_clip_score() -> None:
    pairs = with_answers([b"1", b"2", None, b"4"], [b"3", b"4", None, b"5"])
    context = context_with(
        pairs,
        [1, 0],
        [1, 1],
        [-1, 0],
        [0, 0],
        index={"prompt": [0, 0, 0, 0], "chosen": [1, 2, 1, 3], "rejected": [2, 1, 2, 3]},
    )
    scores = Alignment().score(pairs, context)
    root = 2.5 / np.sqrt(2)
    assert scores["chosen"].to_list()[:2] == pytest.approx([root, 0.0])
    assert scores["margin"].to_list()[:2] == pytest.approx([root, -root])
    assert scores["margin"].to_list()[2:] == [None, None]
    assert scores["status"].to_list() == ["ok", "ok", "answers are texts", "not seen"]


def test_answer_overlap_is_the_cosine() -> None:
    pairs = numbered_pairs(3)
    context = context_with(
        pairs,
        [1, 0],
        [1, 1],
        [0, 0],
        index={"prompt": [0, 0, 0], "chosen": [0, 0, 2], "rejected": [1, 0, 2]},
    )
    scores = AnswerOverlap().score(pairs, context)
    assert scores["overlap"].to_list()[:2] == pytest.approx([1 / np.sqrt(2), 1.0])
    assert scores["overlap"][2] is None
    assert scores["status"].to_list() == ["ok", "ok", "not seen"]


def test_caption_relevance_follows_slot_and_flip() -> None:
    pairs = with_answers([b"1"] * 4, [b"2"] * 4)
    both = {"caption_0": "east", "caption_1": "north"}
    extras = [
        both | {"chosen_slot": 1},
        both | {"chosen_slot": 2},
        both | {"chosen_slot": 1, "flipped": True},
        {"caption_0": "east"},
    ]
    pairs = pairs.with_columns(pl.Series("extra", [json.dumps(e) for e in extras]))
    index = {"prompt": [2] * 4, "chosen": [0] * 4, "rejected": [1] * 4}
    context = context_with(pairs, [1, 0], [0, 1], [1, 1], index=index)
    vectors_by_text = {"east": [1.0, 0.0], "north": [0.0, 1.0]}
    context = replace(
        context, embed=lambda texts: np.array([vectors_by_text[t] for t in texts], dtype=np.float32)
    )
    scores = CaptionRelevance().score(pairs, context)
    assert scores["chosen"].to_list() == pytest.approx([1.0, 0.0, 0.0, None])
    assert scores["rejected"].to_list() == pytest.approx([1.0, 0.0, 0.0, None])
    gain = 1 - 1 / np.sqrt(2)
    assert scores["chosen_gain"].to_list()[:2] == pytest.approx([gain, gain - 1])
    assert scores["overlap"].to_list() == pytest.approx([0.0, 0.0, 0.0, None])
    assert scores["status"].to_list() == ["ok", "ok", "ok", NO_CAPTIONS]


def test_resized_and_recompressed_copies_are_found() -> None:
    a, b = smooth(1), smooth(2)
    pairs = with_answers(
        [a, smooth(1, side=200), smooth(3), b"none", None],
        [b, smooth(2, quality=60), smooth(3, quality=50), b, None],
    )
    context = Context()
    scores = ImageNearDuplicates().score(pairs, context)
    assert scores["repeats"].to_list() == [False, True, False, None, None]
    assert scores["of"].to_list() == [None, pairs["pair_id"][0], None, None, None]
    assert scores["same"].to_list() == [False, False, True, None, None]
    assert scores["distance"][0] > 10
    assert scores["status"].to_list() == ["ok", "ok", "ok", NOT_SEEN, NO_IMAGES]
    assert context.facts["images_repeated"] == 3


def test_hashes_are_those_of_the_whole_image() -> None:
    imagehash = pytest.importorskip("imagehash")
    from curate.models.media.decoding import decode_image

    data = smooth(5, side=300)
    small = decode_image(data).facts.small
    assert small is not None
    reference_hash = imagehash.phash(Image.open(io.BytesIO(data))).hash
    assert (np.unpackbits(perceptual_hashes(small[None])[0]) == reference_hash.ravel()).all()


def test_groups_against_a_naive_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (40, 8)).astype(np.uint8)
    codes = np.repeat(base, 5, axis=0)
    for code in codes:
        for bit in rng.choice(64, rng.integers(0, 5), replace=False):
            code[bit // 8] ^= 1 << (bit % 8)
    codes = codes[rng.permutation(len(codes))]
    distance = 5
    leader = list(range(len(codes)))
    for i in range(len(codes)):
        for j in range(i):
            if leader[j] == j and np.unpackbits(codes[i] ^ codes[j]).sum() <= distance:
                leader[i] = j
                break
    decoded_mask = np.ones(len(codes), dtype=bool)
    assert first_near_image(codes, decoded_mask, distance).tolist() == leader
    monkeypatch.setattr("curate.scorers.image_near_duplicates.near_images._FLAT_BELOW", 10)
    assert first_near_image(codes, decoded_mask, distance).tolist() == leader
    assert (_hash_leaders(codes[:1], distance) == [0]).all()


def test_pairs_without_images() -> None:
    scores = ImageNearDuplicates().score(numbered_pairs(2), Context())
    assert scores["status"].to_list() == [NO_IMAGES] * 2
    assert picture() != picture(seed=1)
