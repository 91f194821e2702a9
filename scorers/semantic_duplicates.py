"""Prompts that say nearly the same as an earlier one, by their embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Parameters, Scorer
from curate.models.embed.neighbours import EXACT_BELOW, nearest_others, take_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SemanticDuplicatesParams(Parameters):
    """Parameters of `semantic_duplicates`."""

    threshold: float = Field(
        0.95, gt=0, le=1, description="Cosine from which on a prompt repeats an earlier one."
    )
    k: int = Field(
        20, ge=1, description="Nearest prompts that are looked at; larger groups may be cut."
    )
    exact_below: int = Field(
        EXACT_BELOW, ge=1, description="Distinct prompts from which on the search is approximate."
    )


class SemanticDuplicates(Scorer[SemanticDuplicatesParams]):
    """Flags prompts whose embedding lies near that of an earlier prompt which is not flagged.

    Pairs with the same prompt share its fate. SemDeDup clusters first and searches within clusters;
    here the nearest neighbours of all prompts are searched. Drop what is flagged with the filter
    {type: expression, drop: "`semantic_duplicates.repeats`"}.
    """

    name = "semantic_duplicates"
    purpose = "duplicates, diversity, coverage"
    when = "To thin out prompts that say the same. Needs embeddings."
    summary = "prompts that say nearly the same as an earlier one, by embeddings (SemDeDup)"
    reference = "SemDeDup, arXiv 2303.09540"
    needs_embeddings = True
    in_parts = True
    stored = True
    reads_texts = False
    Params = SemanticDuplicatesParams

    def columns(self) -> tuple[Column, ...]:
        """The flag and what it rests on."""
        return (
            Column("repeats", "the prompt nearly repeats an earlier one", "bool", LOWER),
            Column("of", "pair_id of the first pair with that earlier prompt", "text"),
            Column("similarity", "cosine to the nearest other prompt", "float", LOWER, "-1 to 1"),
            Column("status", "ok, or 'single prompt' where there is no other", "text", HIGHER),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Flags of all pairs; the kind of search is a fact."""
        p = self.params
        prompts, first, position = np.unique(
            context.features.index["prompt"], return_index=True, return_inverse=True
        )
        k = min(p.k, len(prompts) - 1)
        if k < 1:
            nothing = pl.repeat(None, len(pairs), eager=True)
            return pl.DataFrame(
                {"repeats": nothing.cast(pl.Boolean), "of": nothing, "similarity": nothing}
            ).with_columns(status=pl.lit("single prompt"))
        vectors = take_rows(context.features.vectors, prompts)
        where = (context.workers, context.workspace)
        found = nearest_others(vectors, k, p.exact_below, context.step_seed(self.name), *where)
        context.facts["neighbours"] = found.facts
        # Of vectors of length 1: |a - b|^2 = 2 - 2 cos.
        cosine = 1.0 - np.square(found.distances) / 2.0
        earlier = first_near(found.others, cosine >= p.threshold)
        context.facts["prompts"] = len(prompts)
        context.facts["prompts_repeated"] = int((earlier >= 0).sum())
        names = pairs["pair_id"][first[np.maximum(earlier, 0)]]
        of = pl.DataFrame({"n": names, "r": earlier >= 0}).select(of=pl.when("r").then("n"))["of"]
        return pl.DataFrame(
            {
                "repeats": (earlier >= 0)[position],
                "of": of[position],
                "similarity": cosine[position, 0],
            }
        ).with_columns(status=pl.lit("ok"))


def first_near(others: NDArray[np.int64], near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row the first earlier row that is near and is near no earlier one itself, or -1.

    Args:
        others: (rows, k) neighbours of each row.
        near: (rows, k) whether they are near; nearness holds both ways.
    """
    own = np.repeat(np.arange(len(others)), others.shape[1]).reshape(others.shape)
    edges = np.stack([own[near], others[near]], axis=1)
    edges = edges[edges[:, 1] >= 0]
    both = np.unique(np.sort(edges, axis=1), axis=0)
    found = np.full(len(others), -1, dtype=np.int64)
    # By the later row, then by the earlier: each is judged after all that come before it.
    for early, late in both[np.lexsort((both[:, 0], both[:, 1]))].tolist():
        if found[late] < 0 and found[early] < 0:
            found[late] = early
    return found
