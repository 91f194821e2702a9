"""Confident learning through cleanlab: the field's baseline for label errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import expit

from curate import HIGHER, LOWER, Column, Context
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.out_of_fold import RepeatedHeadParameters, vote_mask
from curate.models.text.contamination import confident_learning_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ConfidentLearningParams(RepeatedHeadParameters):
    """Parameters of `confident_learning`."""


class ConfidentLearning(HeadScorer[ConfidentLearningParams]):
    """cleanlab's label quality and label issues on held-out probabilities.

    The two classes are "the first answer wins" and "the second wins"; each pair is given in both
    orders, so that neither slot is favoured.
    """

    name = "confident_learning"
    purpose = "label noise"
    when = (
        "As a baseline: on two classes its label quality ranks as the plain margin does. "
        "Its noise rate is loose: it says 34 % where nothing was flipped."
    )
    summary = "cleanlab's label quality and label issues on held-out probabilities"
    reference = "Northcutt et al. 2021, arXiv 1911.00068 (cleanlab)"
    Params = ConfidentLearningParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Quality and issue."""
        return (
            Column(
                "quality", "cleanlab's normalized-margin label quality", "float", HIGHER, "0 to 1"
            ),
            Column("issue", "cleanlab calls the label an issue", "bool", LOWER),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Quality of all pairs; issues among those that hold a vote."""
        trained = self.params.train(pairs, context)
        margins = trained.margins()
        learnt = record_learnability(margins.mean(axis=1), pairs, context)
        probability = expit(margins).mean(axis=1)
        voting = vote_mask(pairs, context)
        quality, issue = label_quality(probability, voting)
        if learnt.ok:
            # No rate of wrong labels: ambiguous pairs lie off the diagonal too.
            context.facts["off_diagonal"] = round(confident_learning_rate(probability[voting]), 4)
        return pl.DataFrame({"quality": quality, "issue": issue})


def label_quality(
    probability: NDArray[np.float64], votes: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """cleanlab's quality (pairs,) and issues (pairs,) from probabilities of the observed labels."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    def both(p: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        first = np.column_stack([p, 1.0 - p])
        # Each pair once in both orders: classes would else be of one label, and have no thresholds.
        labels = np.repeat([0, 1], len(p))
        return labels, np.concatenate([first, first[:, ::-1]])

    labels, probabilities = both(probability)
    quality = get_label_quality_scores(labels, probabilities, method="normalized_margin")
    issue = np.zeros(len(probability), dtype=bool)
    if votes.any():
        labels, probabilities = both(probability[votes])
        # One process: the work is small, and workers would import everything anew.
        found = find_label_issues(labels, probabilities, n_jobs=1)
        # The first half are the pairs as they stand, the second their mirror images.
        issue[votes] = found[: int(votes.sum())]
    return quality[: len(probability)], issue
