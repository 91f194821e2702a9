"""How much of an answer its sources support, by the meaning of sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate import HIGHER, Column, Context, Input, Parameters, Scorer
from curate.scoring import batch_slices
from curate.scoring.texts import (
    NO_SENTENCES,
    NO_SOURCES,
    SENTENCE,
    answer_support,
    best_source,
    numbers_by_appearance,
    source_table,
    split_sentences,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_PAIRS_PER_BLOCK = 512
"""Pairs per block: bounds the sentence embeddings in memory."""


class SemanticGrounding(Scorer[Parameters]):
    r"""Compute the mean over an answer's sentences of the largest cosine with any source sentence.

    `chosen` and `rejected` are these means, -1 to 1; `margin` is their difference; `weakest` is the
    chosen answer's sentence farthest from any source and `source` the number of the nearest source.
    Paraphrases count as supported, which `grounding` misses; so does a denial, which is as close as
    what it denies. Use both. Sources are those of `grounding`. The question is that of
    RAG-RewardBench (arXiv 2412.13746); the embedding maximum is ours.

    Examples:
        >>> from curate import score
        >>> prompt = "Where is the Louvre?\n[1] The Louvre museum stands in Paris."
        >>> right, wrong = "The Louvre is in Paris.", "Bread is baked at night."
        >>> row = {"prompt": prompt, "chosen": right, "rejected": wrong}
        >>> (score([row], "semantic_grounding").frame["semantic_grounding.margin"] > 0).to_list()
        [True]
    """

    name = "semantic_grounding"
    purpose = "retrieval"
    when = "Together with `grounding`, where answers paraphrase their sources."
    summary = "similarity of an answer's sentences to those of its sources, by embeddings"
    reference = "faithfulness of RAG-RewardBench, arXiv 2412.13746, by embedding maximum (ours)"
    inputs = frozenset({Input.TEXTS, Input.EMBEDDINGS})
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return means of both answers, the margin, and the chosen answer's weakest sentence."""
        return (
            Column(
                "margin",
                "mean of chosen minus that of rejected",
                "float",
                HIGHER,
                "-2 to 2",
                evidence="auto",
            ),
            Column("chosen", "mean best cosine of the chosen answer", unit="-1 to 1"),
            Column("rejected", "the same of the rejected answer", unit="-1 to 1"),
            Column("weakest", "the chosen answer's sentence farthest from any source", "text"),
            Column("source", "number of the nearest source", "int"),
            Column("status", f"ok, {NO_SOURCES}, or {NO_SENTENCES} in an answer", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return means of all pairs, a few hundred pairs at a time."""
        if context.embed is None:
            raise RuntimeError("semantic_grounding needs the run's embedder")
        blocks = []
        with context.progress.task(self.name, len(pairs)) as task:
            # One empty block at least: concat needs a frame for the columns.
            for rows in batch_slices(len(pairs), _PAIRS_PER_BLOCK) or [slice(0, 0)]:
                blocks.append(_score_block(pairs[rows], context.embed))
                task.advance(rows.stop - rows.start)
        return pl.concat(blocks)


def _score_block(
    pairs: pl.DataFrame, embed: Callable[[list[str]], NDArray[np.float32]]
) -> pl.DataFrame:
    source_texts = source_table(pairs)
    source_sentences = source_texts.select(
        "row", "source", part=pl.col("text").str.extract_all(SENTENCE)
    )
    source_sentences = source_sentences.explode("part").drop_nulls("part")

    def best(side: str) -> pl.DataFrame:
        return _nearest_source_sentences(split_sentences(pairs, side), source_sentences, embed)

    return answer_support(len(pairs), source_texts, best, "cosine", pl.col("cosine").mean())


def _nearest_source_sentences(
    answer_sentences: pl.DataFrame,
    source_sentences: pl.DataFrame,
    embed: Callable[[list[str]], NDArray[np.float32]],
) -> pl.DataFrame:
    """Return each sentence with the nearest source sentence of its pair."""
    sentence_pairs = answer_sentences.select("row", "number", "sentence").join(
        source_sentences, on="row", how="inner"
    )
    if sentence_pairs.is_empty():
        return sentence_pairs.with_columns(cosine=pl.lit(None, dtype=pl.Float64))
    texts = pl.concat([sentence_pairs["sentence"], sentence_pairs["part"].rename("sentence")])
    # Each passage is paired with every sentence of an answer, but embedded once.
    numbers, first_rows = numbers_by_appearance(texts)
    vectors = embed(texts[first_rows].to_list())
    answer_index, source_index = numbers[: len(sentence_pairs)], numbers[len(sentence_pairs) :]
    cosine = np.einsum("nd,nd->n", vectors[answer_index], vectors[source_index]).astype(np.float64)
    return best_source(sentence_pairs.with_columns(cosine=pl.Series(cosine)), "cosine")
