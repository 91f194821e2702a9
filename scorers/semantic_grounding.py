"""How far an answer rests on its sources, by what sentences mean and not by their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.data.hashes import numbers_by_appearance
from curate.data.table import batches
from curate.models.text.answer_counts import SENTENCE
from curate.models.text.sentences import split_sentences
from curate.models.text.sources import NO_SOURCES, source_table
from curate.models.text.supported import NO_SENTENCES, answer_support, best_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_ROWS = 512
"""Pairs whose sentences are held together."""


class SemanticGrounding(Scorer[Parameters]):
    """Mean over an answer's sentences of the largest cosine with a sentence of any source.

    It sees paraphrases, which `grounding` takes for unsupported, by the sentence embedder:
    a denial lies as near as what it denies. Use both. Sources are those of `grounding`.
    """

    name = "semantic_grounding"
    purpose = "retrieval"
    when = "Beside `grounding`, where answers put sources into other words."
    summary = "how near an answer's sentences lie to those of its sources, by embeddings"
    reference = "faithfulness of RAG-RewardBench, arXiv 2412.13746, by embedding maximum (ours)"
    needs_embeddings = True
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Means of both answers, the margin, and the preferred answer's weakest sentence."""
        return (
            Column(
                "margin",
                "mean of chosen minus that of rejected",
                "float",
                HIGHER,
                "-2 to 2",
                evidence="auto",
            ),
            Column("chosen", "mean best cosine of the preferred answer", unit="-1 to 1"),
            Column("rejected", "the same of the other answer", unit="-1 to 1"),
            Column("weakest", "the preferred answer's sentence farthest from any source", "text"),
            Column("source", "number of the source nearest to it", "int"),
            Column("status", f"ok, {NO_SOURCES}, or {NO_SENTENCES} in an answer", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Means of all pairs, some hundred pairs at a time."""
        if context.embed is None:
            raise RuntimeError("semantic_grounding needs the run's embedder")
        parts = []
        with context.progress.task(self.name, len(pairs)) as task:
            for rows in batches(len(pairs), _ROWS) or [slice(0, 0)]:
                parts.append(_scored(pairs[rows], context.embed))
                task.advance(rows.stop - rows.start)
        return pl.concat(parts)


def _scored(pairs: pl.DataFrame, embed: Callable[[list[str]], NDArray[np.float32]]) -> pl.DataFrame:
    known = source_table(pairs)
    held = known.select("row", "source", part=pl.col("text").str.extract_all(SENTENCE))
    held = held.explode("part").drop_nulls("part")

    def best(side: str) -> pl.DataFrame:
        return _nearest(split_sentences(pairs, side), held, embed)

    return answer_support(len(pairs), known, best, "cosine", pl.col("cosine").mean())


def _nearest(
    said: pl.DataFrame, held: pl.DataFrame, embed: Callable[[list[str]], NDArray[np.float32]]
) -> pl.DataFrame:
    """Each sentence with the source sentence of its pair that lies nearest."""
    both = said.select("row", "number", "sentence").join(held, on="row", how="inner")
    if both.is_empty():
        return both.with_columns(cosine=pl.lit(None, dtype=pl.Float64))
    texts = pl.concat([both["sentence"], both["part"].rename("sentence")])
    # A passage stands beside each sentence of an answer, and is embedded once.
    numbers, first = numbers_by_appearance(texts)
    vectors = embed(texts[first].to_list())
    own, other = numbers[: len(both)], numbers[len(both) :]
    cosine = np.einsum("nd,nd->n", vectors[own], vectors[other]).astype(np.float64)
    return best_source(both.with_columns(cosine=pl.Series(cosine)), "cosine")
