"""Prompts that nearly repeat the meaning of an earlier one, by their embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Cache, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import nearest_neighbours, take_rows
from curate.scoring.embeddings import EXACT_BELOW

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SemanticDuplicatesParams(Parameters):
    """Parameters of `semantic_duplicates`."""

    threshold: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Cosine at which a prompt counts as a repeat of an earlier one.",
    )
    k: int = Field(
        20, ge=1, description="Number of nearest prompts to compare; larger groups may be split."
    )
    exact_below: int = Field(
        EXACT_BELOW,
        ge=1,
        description="Number of distinct prompts above which the search is approximate.",
    )


class SemanticDuplicates(Scorer[SemanticDuplicatesParams]):
    """Flag prompts whose embedding is close to that of an earlier prompt.

    `repeats` is the flag, `of` the first pair with that earlier prompt, `similarity` the cosine to
    the nearest other prompt, -1 to 1. An earlier prompt counts only if it is not flagged itself;
    pairs with the same prompt share one verdict. SemDeDup (arXiv 2303.09540) searches within
    clusters; here the nearest neighbours of all prompts are searched. Drop what is flagged by
    {type: expression, drop: "`semantic_duplicates.repeats`"}.

    Examples:
        >>> from curate import score
        >>> prompts = ("How do cats sleep?", "How do cats sleep ?", "What is a tax?")
        >>> rows = [{"prompt": p, "chosen": "a", "rejected": "b"} for p in prompts]
        >>> scores = score(rows, "semantic_duplicates", threshold=0.9).frame
        >>> scores["semantic_duplicates.repeats"].to_list()
        [False, True, False]
    """

    name = "semantic_duplicates"
    purpose = "duplicates, diversity, coverage"
    when = "To thin out prompts with the same meaning. Needs embeddings."
    summary = "prompts that nearly repeat the meaning of an earlier one, by embeddings (SemDeDup)"
    reference = "SemDeDup, arXiv 2303.09540"
    inputs = frozenset({Input.EMBEDDINGS})
    scope = Scope.PARTITIONED
    cache = Cache.WHOLE
    single_answer_columns = ("repeats", "of", "similarity", "status")
    Params = SemanticDuplicatesParams

    def columns(self) -> tuple[Column, ...]:
        """Return the flag and its grounds."""
        return (
            Column("repeats", "the prompt nearly repeats an earlier one", "bool", LOWER),
            Column("of", "pair_id of the first pair with that earlier prompt", "text"),
            Column("similarity", "cosine to the nearest other prompt", "float", LOWER, "-1 to 1"),
            Column("status", "ok, or 'single prompt' where there is no other", "text", HIGHER),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of all pairs; the kind of search is a fact."""
        p = self.params
        prompts, first_rows, position = np.unique(
            context.features.index["prompt"], return_index=True, return_inverse=True
        )
        k = min(p.k, len(prompts) - 1)
        if k < 1:
            nulls = pl.repeat(None, len(pairs), eager=True)
            return pl.DataFrame(
                {"repeats": nulls.cast(pl.Boolean), "of": nulls, "similarity": nulls}
            ).with_columns(status=pl.lit("single prompt"))
        vectors = take_rows(context.features.vectors, prompts)
        where = (context.workers, context.scratch)
        neighbours = nearest_neighbours(
            vectors, k, p.exact_below, context.step_seed(self.name), *where
        )
        context.facts["neighbours"] = neighbours.facts
        # For unit vectors ||a - b||^2 = 2 - 2 cos(a, b).
        cosine = 1.0 - np.square(neighbours.distances) / 2.0
        earlier = first_similar_row(neighbours.row_numbers, cosine >= p.threshold)
        context.facts["prompts"] = len(prompts)
        context.facts["prompts_repeated"] = int((earlier >= 0).sum())
        names = pairs["pair_id"][first_rows[np.maximum(earlier, 0)]]
        first_pair = pl.DataFrame({"n": names, "r": earlier >= 0}).select(
            of=pl.when("r").then("n")
        )["of"]
        return pl.DataFrame(
            {
                "repeats": (earlier >= 0)[position],
                "of": first_pair[position],
                "similarity": cosine[position, 0],
            }
        ).with_columns(status=pl.lit("ok"))


def first_similar_row(neighbours: NDArray[np.int64], near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each row the first similar earlier row that is no repeat itself, or -1.

    Args:
        neighbours: (rows, k) neighbours of each row, -1 for none.
        near: (rows, k) whether they are similar; similarity is symmetric.
    """
    rows = np.repeat(np.arange(len(neighbours)), neighbours.shape[1]).reshape(neighbours.shape)
    edges = np.stack([rows[near], neighbours[near]], axis=1)
    edges = edges[edges[:, 1] >= 0]
    unique_edges = np.unique(np.sort(edges, axis=1), axis=0)
    first_row = np.full(len(neighbours), -1, dtype=np.int64)
    # Sorted by the later row, then the earlier: all earlier rows are decided before a row.
    for early, late in unique_edges[np.lexsort((unique_edges[:, 0], unique_edges[:, 1]))].tolist():
        if first_row[late] < 0 and first_row[early] < 0:
            first_row[late] = early
    return first_row
