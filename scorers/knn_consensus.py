"""Whether pairs on similar prompts prefer in the same direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.data.table import batches
from curate.models.embed.neighbours import EXACT_BELOW, nearest_others, take_rows
from curate.models.heads.out_of_fold import training_status, vote_mask
from curate.steps.features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 8192


class KNNConsensusParams(Parameters):
    """Parameters of `knn_consensus`."""

    k: int = Field(20, ge=1, description="Nearest other prompts whose pairs are asked.")
    exact_below: int = Field(
        EXACT_BELOW, ge=1, description="Distinct prompts from which on the search is approximate."
    )


class KNNConsensus(Scorer[KNNConsensusParams]):
    """Mean cosine of a pair's preference direction with those of pairs on the nearest prompts.

    The direction is the embedding of the preferred answer minus that of the other one, scaled to
    length 1. Pairs of the same prompt are not asked, so that neither the pair itself nor its
    repeats count; ties and identical answers have no direction. Flipping a label negates the
    pair's consensus. The paper samples answers under similar directions of preference; here the
    neighbours are those of the data.
    """

    name = "knn_consensus"
    purpose = "label noise"
    when = (
        "To tell taste from noise on repeated kinds of prompts. It finds flips worse than "
        "the margin (mean AUROC .582 at 20 %)."
    )
    summary = "agreement of the preference direction with those of pairs on similar prompts"
    reference = "after Robust Preference Selection, arXiv 2510.20498 (its idea, not its sampling)"
    needs_embeddings = True
    in_parts = True
    stored = True
    from_labels = True
    reads_texts = False
    Params = KNNConsensusParams

    def columns(self) -> tuple[Column, ...]:
        """The consensus and how much there is to agree with."""
        return (
            Column(
                "consensus",
                "mean cosine to the directions of pairs on the nearest prompts",
                "float",
                HIGHER,
                "-1 to 1",
            ),
            Column(
                "unity",
                "length of those pairs' mean direction: 1 where they agree among themselves",
                unit="0 to 1",
            ),
            Column("support", "pairs that were asked", "int", unit="pairs"),
            Column("status", "ok, tie, identical answers, or 'no neighbours'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Consensus of all pairs."""
        features, voting = context.features, vote_mask(pairs, context)
        prompts, position = features.distinct("prompt")
        # As large as the vectors of all prompts, so that they lie beside these in mapped files.
        shape = (len(prompts), features.vectors.shape[1])
        sums, mean = (
            context.workspace.array(f"{self.name}-{name}", shape, np.float32)
            for name in ("sums", "mean")
        )
        counts = _add_by_prompt(sums, features, position, voting)
        support = np.zeros(len(prompts), dtype=np.int64)
        k = min(self.params.k, len(prompts) - 1)
        if k >= 1:
            vectors = take_rows(features.vectors, prompts)
            seed = context.step_seed(self.name)
            bound, where = self.params.exact_below, (context.workers, context.workspace)
            found = nearest_others(vectors, k, bound, seed, *where)
            context.facts["neighbours"] = found.facts
            support = _of_neighbours(mean, found.others, sums, counts)
        consensus = np.full(len(pairs), np.nan)
        # Directions are made block by block: all at once they are as large as the vectors.
        for rows in batches(len(pairs), _ROWS):
            own = features.directions(rows)
            consensus[rows] = np.einsum("nd,nd->n", own, mean[position[rows]])
        asked = support[position]
        known = voting & (asked > 0)
        lonely = pl.Series(voting & (asked == 0))
        said = training_status(pairs, context).to_frame("s").with_columns(lonely.alias("l"))
        return pl.DataFrame(
            {
                "consensus": np.where(known, consensus, np.nan),
                "unity": np.where(asked > 0, _norms(mean)[position], np.nan),
                "support": asked,
                "status": said.select(
                    pl.when("l").then(pl.lit("no neighbours")).otherwise("s").alias("status")
                )["status"],
            }
        )


def _add_by_prompt(
    sums: NDArray[np.float32],
    features: Features,
    position: NDArray[np.int64],
    voting: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Add the voting pairs' directions of each prompt to its row of sums; their number."""
    wanted = np.flatnonzero(voting)
    for rows in batches(len(wanted), _ROWS):
        own = wanted[rows]
        # A prompt may stand twice in a batch: plain indexing would add its last pair alone.
        np.add.at(sums, position[own], features.directions(own).astype(np.float32))
    return np.bincount(position[wanted], minlength=len(sums))


def _of_neighbours(
    mean: NDArray[np.float32],
    others: NDArray[np.int64],
    sums: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Fill in the mean direction of the pairs on each prompt's neighbours; how many these are."""
    support = np.zeros(len(sums), dtype=np.int64)
    for rows in batches(len(others), _ROWS):
        # An approximate search may find fewer neighbours, and writes -1 for the others.
        near, there = np.maximum(others[rows], 0), others[rows] >= 0
        support[rows] = (counts[near] * there).sum(axis=1)
        total = np.einsum("nkd,nk->nd", sums[near], there.astype(np.float32))
        mean[rows] = total / np.maximum(support[rows], 1)[:, None]
    return support


def _norms(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = [np.linalg.norm(vectors[rows], axis=1) for rows in batches(len(vectors), _ROWS)]
    return np.concatenate(parts).astype(np.float32)
