"""What a pair's label is worth to a nearest-neighbour vote on the labels of other prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Input, Parameters, Scorer, Standing
from curate.scoring import Features, batch_slices, training_status, vote_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Similarities of a block of predicted pairs to all pairs: 32 MB in float64.
_BLOCK_VALUES = 1 << 22


class KNNShapleyParams(Parameters):
    """Parameters of `knn_shapley`."""

    # Best mean AUROC of 5, 10, 20, 50 and 100 on LLMBar and Auto-J at 20 and 40 % flips.
    k: int = Field(50, ge=1, description="Number of nearest pairs that vote.")
    predicted: int = Field(
        2000,
        ge=1,
        description="Largest number of pairs, drawn at random, whose labels the others predict.",
    )


class KNNShapley(Scorer[KNNShapleyParams]):
    """Compute the Shapley value of each pair's label for a nearest-neighbour vote.

    A label is predicted by the k pairs on other prompts whose embedding difference (chosen minus
    rejected, of length 1) has the largest absolute cosine; a pair votes for the label where the
    cosine is positive, so no answer's slot matters. `value` is the exact Shapley value of the share
    of right votes (Jia et al. 2019, arXiv 1908.08619, theorem 1), averaged over the predicted
    pairs, times the number of pairs with a vote: its mean is the share of right votes, and a label
    below 0 makes the vote worse. Use it to compare data values with other noise scores; it finds
    flips as the plain margin does (mean AUROC .646 and .562 at 20 and 40 % flips), worse than
    `noise_score` (.729 and .657).

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": f"Is {i} odd?", "chosen": "yes", "rejected": "no"} for i in range(3)]
        >>> score(rows, "knn_shapley", k=2).frame["knn_shapley.value"].round(3).to_list()
        [1.0, 1.0, 1.0]
    """

    name = "knn_shapley"
    purpose = "label noise"
    standing = Standing.RESEARCH
    when = (
        "To compare data values with other noise scores. It finds flips as the margin does "
        "(mean AUROC .646 at 20 % flips, `noise_score` .729)."
    )
    summary = "Shapley value of the label for a nearest-neighbour vote on other prompts"
    reference = "Jia et al. 2019, arXiv 1908.08619, theorem 1"
    inputs = frozenset({Input.EMBEDDINGS})
    cache = Cache.WHOLE
    from_labels = True
    Params = KNNShapleyParams

    def columns(self) -> tuple[Column, ...]:
        """Return the value of the label."""
        return (
            Column(
                "value",
                "Shapley value of the label, times the number of pairs",
                "float",
                HIGHER,
                "share of right votes",
            ),
            Column("status", "ok, tie, identical answers, or 'no neighbours'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return the values of all pairs; pairs without a vote have none."""
        voted, groups = vote_mask(pairs, context), context.prompt_groups(pairs)
        status = training_status(pairs, context)
        # In an order that no file decides, so that moved rows draw the same pairs.
        order = context.row_order(pairs)
        players = order[voted[order]]
        value = np.full(len(pairs), np.nan)
        if len(np.unique(groups[players])) > 1:
            rng = np.random.default_rng(context.step_seed(self.name))
            count = min(self.params.predicted, len(players))
            predicted = np.sort(rng.permutation(len(players))[:count])
            directions = _directions(context.features, players, context)
            total = _sum_values(directions, groups[players], predicted, self.params.k)
            value[players] = total * (len(players) / count)
            context.facts["predicted"] = count
        else:
            status = status.replace("ok", "no neighbours")
        return pl.DataFrame({"value": value, "status": status})


def _directions(
    features: Features, players: NDArray[np.int64], context: Context
) -> NDArray[np.float32]:
    """Return the players' directions, (players, dim), in a mapped file where the run has one."""
    shape = (len(players), features.vectors.shape[1])
    directions: NDArray[np.float32] = context.scratch.array(
        "knn_shapley-directions", shape, np.float32
    )
    for rows in batch_slices(len(players), 8192):
        directions[rows] = features.directions(players[rows])
    return directions


def _sum_values(
    directions: NDArray[np.float32],
    groups: NDArray[np.int64],
    predicted: NDArray[np.int64],
    k: int,
) -> NDArray[np.float64]:
    """Return each player's Shapley values, summed over the predicted pairs, (players,)."""
    total = np.zeros(len(directions))
    for rows in batch_slices(len(predicted), max(1, _BLOCK_VALUES // len(directions))):
        cosines = directions[predicted[rows]] @ directions.T
        for row, cosine in zip(predicted[rows], cosines, strict=True):
            other_rows = np.flatnonzero(groups != groups[row])
            if len(other_rows):
                near = other_rows[np.argsort(-np.abs(cosine[other_rows]), kind="stable")]
                total[near] += shapley_values(cosine[near] > 0, k)
    return total


def shapley_values(right: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Return the Shapley values of players in a vote of the k nearest, nearest first.

    The worth of a set of players is the number of right votes among its k nearest, over k
    (arXiv 1908.08619, theorem 1; here also for fewer players than k).

    Args:
        right: (players,) whether each votes for the label that is predicted.
        k: number of players that vote, at least 1.

    Returns:
        (players,) values, which add up to the worth of all players.

    Examples:
        >>> shapley_values(np.array([True, True, False]), k=1).round(3).tolist()
        [0.5, 0.5, 0.0]
    """
    votes = right.astype(np.float64)
    ranks = np.arange(1, len(votes) + 1)
    # Theorem 1 goes from the farthest player to the nearest: each adds its difference to the next.
    gains = votes - np.append(votes[1:], 0.0)
    steps = gains * np.minimum(ranks, k) / (ranks * k)
    return np.cumsum(steps[::-1])[::-1]
