"""Confident learning through cleanlab: the field's baseline for label errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import expit

from curate import HIGHER, LOWER, Column, Context
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    RepeatedHeadParameters,
    need,
    record_learnability,
    vote_mask,
)
from curate.scoring.heads import confident_learning_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ConfidentLearningParams(RepeatedHeadParameters):
    """Parameters of `confident_learning`."""


class ConfidentLearning(HeldOutScorer[ConfidentLearningParams]):
    """Compute cleanlab's label quality and label issues from held-out probabilities.

    `quality` is cleanlab's normalized margin of the label, 0 to 1; `issue` says whether confident
    learning (Northcutt et al. 2021, arXiv 1911.00068) calls the label wrong. The two classes are
    "the first answer wins" and "the second wins"; each pair enters in both orders, so that neither
    slot is favoured. Use it as the baseline of the field: on two classes its quality ranks as the
    margin does.

    Examples:
        >>> quality, issue = label_quality(np.array([0.9, 0.8, 0.1]), np.ones(3, dtype=bool))
        >>> quality.round(2).tolist(), issue.tolist()
        ([0.9, 0.8, 0.1], [False, False, True])
    """

    name = "confident_learning"
    purpose = "label noise"
    when = (
        "As a baseline: on two classes its label quality ranks as the margin does. "
        "Its noise rate is too high: 34 % where nothing was flipped."
    )
    summary = "cleanlab's label quality and label issues on held-out probabilities"
    reference = "Northcutt et al. 2021, arXiv 1911.00068 (cleanlab)"
    Params = ConfidentLearningParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Return quality and issue."""
        return (
            Column(
                "quality", "cleanlab's normalized-margin label quality", "float", HIGHER, "0 to 1"
            ),
            Column("issue", "cleanlab calls the label an issue", "bool", LOWER),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return quality of all pairs; only pairs with a vote can be issues."""
        trained = self.params.train(pairs, context)
        margins = trained.margins()
        learnt = record_learnability(margins.mean(axis=1), pairs, context)
        probability = expit(margins).mean(axis=1)
        voting = vote_mask(pairs, context)
        quality, issue = label_quality(probability, voting)
        if learnt.ok:
            # This is not the noise rate: ambiguous pairs are off the diagonal too.
            context.facts["off_diagonal"] = round(confident_learning_rate(probability[voting]), 4)
        return pl.DataFrame({"quality": quality, "issue": issue})


def label_quality(
    probability: NDArray[np.float64], votes: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return cleanlab's quality and issues, (pairs,) each, by probabilities of the given labels."""
    need("cleanlab", "methods", "scorer 'confident_learning'")
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    def both(p: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        first = np.column_stack([p, 1.0 - p])
        # Each pair in both orders: with one class only, cleanlab has no thresholds.
        labels = np.repeat([0, 1], len(p))
        return labels, np.concatenate([first, first[:, ::-1]])

    labels, probabilities = both(probability)
    quality = get_label_quality_scores(labels, probabilities, method="normalized_margin")
    issue = np.zeros(len(probability), dtype=bool)
    if votes.any():
        labels, probabilities = both(probability[votes])
        # One process: the work is small, and each worker would import all packages again.
        mirrored_issues = find_label_issues(labels, probabilities, n_jobs=1)
        # The first half are the pairs in their order, the second half their mirror images.
        issue[votes] = mirrored_issues[: int(votes.sum())]
    return quality[: len(probability)], issue
