"""Features of pairs whose answers are images or audio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import REJECTED_MEDIA, is_url
from curate.data.media_answers import media_answer_columns, media_answer_mask
from curate.data.media_bytes import NOT_IN_DATA
from curate.errors import CurateError
from curate.models.embed.pair_embeddings import embed_pairs
from curate.steps.features import Features
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.models.media.media_embedder import MediaEmbedder
    from curate.models.media.media_set import MediaSet
    from curate.steps.context import Progress
    from curate.store.store import Store

MediaAnswers = list[tuple[int, tuple[int, ...], tuple[int, ...]]]
"""Row of the pair table, and the numbers of the media that are its chosen and rejected answer."""


def embed_media_pairs(
    pairs: pl.DataFrame,
    embedder: MediaEmbedder,
    media: Callable[[str], MediaSet],
    store: Store | None,
    progress: Progress,
    scratch: ScratchSpace | None = None,
    dtype: str = "float32",
) -> tuple[Features, dict[str, int]]:
    """Embed prompts as texts, and media answers by their media only.

    An answer of several media has the mean of their vectors, brought to length 1. Media that stand
    before both answers, such as a picture that both edit, do not count. Where one medium of a pair
    cannot be seen, both of its answers have the vector 0, so the pair gets no information.

    Args:
        pairs: the pair table.
        embedder: of texts and these media.
        media: gives the media of a column.
        store: keeps vectors.
        progress: where progress is shown.
        scratch: where the vectors are stored; default memory.
        dtype: float32 or float16, of the vectors that are kept.

    Returns:
        The features, and counts for the manifest.
    """
    texts = embed_pairs(pairs, embedder, store, progress, scratch, dtype)
    index = {part: rows.copy() for part, rows in texts.index.items()}
    blocks = [np.asarray(texts.vectors)]
    counts = Counter(media=0, media_not_seen=0, pairs_not_seen=0)
    for column in media_answer_columns(pairs):
        media_set = media(column)
        answers, numbers = _media_answers(media_set, media_answer_mask(pairs, column))
        vectors = media_set.embed(numbers, embedder, store, progress, dtype)
        answer_block = _embed_answers(answers, numbers, vectors)
        _append_answers(answer_block, [row for row, *_ in answers], blocks, index)
        counts.update(_count_media(vectors, answer_block))
    _require_visible_media(counts, pairs, media)
    return _join_features(texts, blocks, index, scratch or ScratchSpace(), dtype), dict(counts)


@dataclass(frozen=True)
class _AnswerBlock:
    """Vectors of the distinct answers, and which are each pair's.

    Attributes:
        vectors: (answers + 1, dim), the last one 0.
        chosen: (pairs,) row of the chosen answer.
        rejected: (pairs,) row of the rejected answer.
    """

    vectors: NDArray[np.float32]
    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]


def _append_answers(
    answer_block: _AnswerBlock,
    rows: list[int],
    blocks: list[NDArray[np.floating]],
    index: dict[str, NDArray[np.int64]],
) -> None:
    """Put the block below the others, and let the pairs at `rows` point into it."""
    vector_count = sum(len(block) for block in blocks)
    # The rows of texts stay as they are; a pair with media points behind them instead.
    index["chosen"][rows] = vector_count + answer_block.chosen
    index["rejected"][rows] = vector_count + answer_block.rejected
    blocks.append(answer_block.vectors)


def _count_media(vectors: NDArray[np.float32], answer_block: _AnswerBlock) -> dict[str, int]:
    """Count media, those that cannot be seen, and the pairs that lack one of theirs."""
    unseen_row = len(answer_block.vectors) - 1
    return {
        "media": len(vectors),
        "media_not_seen": int((~vectors.any(axis=1)).sum()),
        "pairs_not_seen": int((answer_block.chosen == unseen_row).sum()),
    }


def _join_features(
    texts: Features,
    blocks: list[NDArray[np.floating]],
    index: dict[str, NDArray[np.int64]],
    scratch: ScratchSpace,
    dtype: str,
) -> Features:
    """Return the features of texts and media, the vectors of media below those of texts."""
    count = sum(len(block) for block in blocks)
    vectors = scratch.array("vectors", (count, blocks[0].shape[1]), dtype)
    np.concatenate(blocks, out=vectors, casting="same_kind")
    # A medium has no style: zeros on both sides make no difference between answers.
    style = scratch.array("style", (count, texts.style.shape[1]), "float32")
    style[: len(texts.style)] = texts.style
    return Features(vectors, style, index)


def _require_visible_media(
    counts: Counter[str], pairs: pl.DataFrame, media: Callable[[str], MediaSet]
) -> None:
    """Raise CurateError where there are media and none of them can be seen."""
    if counts["media"] and counts["media_not_seen"] == counts["media"]:
        raise _no_medium_error(pairs, media)


def _no_medium_error(pairs: pl.DataFrame, media: Callable[[str], MediaSet]) -> CurateError:
    """Return the error for a dataset none of whose media can be decoded."""
    column = media_answer_columns(pairs)[0]
    problem = next((p for p in media(column).problems if p is not None), "unknown")
    first = pairs[column].explode().struct.field("path").drop_nulls().head(1).to_list()
    if problem == NOT_IN_DATA and first and is_url(first[0]):
        return CurateError(
            f"the {column} are URLs, which are not fetched",
            where="embedder",
            found=first[0],
            expected=f"files of {column} beside the data, or their bytes in it",
            fix="download them, and give the files' paths in place of the URLs",
        )
    return CurateError(
        f"none of the {column} can be decoded",
        where="embedder",
        found=f"the first is {problem}",
        expected=f"{column} in the data, or files beside it",
        fix="read the data from the folder that holds the files; media_health lists each problem",
    )


def _media_answers(
    media: MediaSet, is_media_answer: pl.Series
) -> tuple[MediaAnswers, NDArray[np.int64]]:
    """Return the pairs whose answers are media, without what stands before both.

    The second value has the numbers of all these media: those in prompts are not embedded.
    """
    shared, rejected_media = media.of[media.column], media.of[REJECTED_MEDIA[media.column]]
    answers = []
    for row, (chosen, rejected, is_media) in enumerate(
        zip(shared, rejected_media, is_media_answer, strict=True)
    ):
        if not is_media or not chosen or not rejected:
            continue
        # At least one medium is the answer itself, even where both are the same.
        most = min(len(chosen), len(rejected)) - 1
        before = next((i for i in range(most) if chosen[i] != rejected[i]), max(most, 0))
        answers.append((row, chosen[before:], rejected[before:]))
    numbers = [n for _, *sides in answers for answer in sides for n in answer]
    return answers, np.unique(numbers).astype(np.int64)


def _embed_answers(
    answers: MediaAnswers, numbers: NDArray[np.int64], vectors: NDArray[np.float32]
) -> _AnswerBlock:
    """Return vectors of the distinct answers, the mean of their media's.

    Args:
        answers: of the pairs.
        numbers: of all media in them, in order.
        vectors: of these media, 0 where one cannot be seen.
    """
    answer_numbers: dict[tuple[int, ...], int] = {}
    rows = [
        [answer_numbers.setdefault(answer, len(answer_numbers)) for answer in both]
        for _, *both in answers
    ]
    which = np.array(rows, dtype=np.int64).reshape(-1, 2)
    answer_vectors = np.zeros((len(answer_numbers) + 1, vectors.shape[1]), dtype=np.float32)
    lengths = np.array([len(answer) for answer in answer_numbers], dtype=np.int64)
    # Sums by answer without a loop: most answers are a single medium.
    flat = np.searchsorted(numbers, [n for answer in answer_numbers for n in answer])
    owner = np.repeat(np.arange(len(answer_numbers)), lengths)
    np.add.at(answer_vectors, owner, vectors[flat])
    norms = np.linalg.norm(answer_vectors, axis=1, keepdims=True)
    answer_vectors /= np.where(norms > 0, norms, 1.0)
    unseen = np.zeros(len(answer_numbers) + 1, dtype=bool)
    np.logical_or.at(unseen, owner, ~vectors[flat].any(axis=1))
    # Both sides of such a pair take the last row, the vector 0.
    which[unseen[which].any(axis=1)] = len(answer_numbers)
    return _AnswerBlock(answer_vectors, which[:, 0], which[:, 1])
