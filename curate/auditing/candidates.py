"""How much choice annotators had, and whether they disagree where the answers are alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from curate.data.hashes import content_keys
from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.data.table import batch_slices, dense_ranks
from curate.models.people.votes import vote_table
from curate.steps.context import Context
from curate.steps.features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_SAME_COSINE = 0.95
"""Cosine from which on two answers say nearly the same."""
# Similar, middling and different answers: small datasets can't resolve more than thirds.
_THIRDS = 3
# With fewer pairs a third holds fewer than ten.
_MIN_SHARED_PAIRS = 30
_BATCH_ROWS = 8192
# Answers put together at random, to which those of one prompt are compared.
_BASELINE_PAIRS = 10_000


@dataclass(frozen=True)
class DistanceThird(JsonResult):
    """A third of the pairs with several votes, by the distance of their answers.

    Attributes:
        distance: smallest and largest distance.
        pairs: number of pairs.
        disagreement: mean chance that two votes on a pair differ.
    """

    distance: tuple[float, float]
    pairs: int
    disagreement: float


@dataclass(frozen=True)
class CandidateDiversity(JsonResult):
    """How much choice annotators had; see `audit_candidates`.

    Attributes:
        comparisons: distinct pairs of answers; the rest says nothing without any.
        answers_per_prompt: mean number of answers to a prompt.
        mean_distance: mean distance of compared answers, 1 - cosine of their embeddings.
        distance_between_prompts: the same of answers to different prompts; None for one prompt.
        relative_diversity: the former over the latter.
        nearly_alike: share of comparisons whose answers say nearly the same.
        pairs_with_several_votes: comparisons with several votes.
        disagreement: mean chance that two votes on one differ; None, as what follows, with fewer
            than thirty of them.
        spearman: correlation of disagreement with distance; None for constants.
        p_value: p value of that correlation.
        by_distance: the same by thirds of the distance.
    """

    comparisons: int
    answers_per_prompt: float = 0.0
    mean_distance: float = 0.0
    distance_between_prompts: float | None = None
    relative_diversity: float | None = None
    nearly_alike: float = 0.0
    pairs_with_several_votes: int = 0
    disagreement: float | None = None
    spearman: float | None = None
    p_value: float | None = None
    by_distance: tuple[DistanceThird, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the findings as plain data, without what too few pairs say nothing about."""
        values = super().to_json()
        if not self.comparisons:
            return {"comparisons": 0}
        if self.disagreement is None:
            for name in ("disagreement", "spearman", "p_value", "by_distance"):
                del values[name]
        return values


def audit_candidates(pairs: pl.DataFrame, context: Context) -> CandidateDiversity:
    """Return the distances within candidate sets, and disagreement of annotators by distance.

    After Community Alignment (arXiv 2507.09650): where all candidates are of one kind, votes cannot
    say what people want. The distance of two answers is 1 - cosine of their embeddings.
    `relative_diversity` divides the mean distance of compared answers by that of answers to
    different prompts: near 0 for copies, near 1 where candidates differ like answers to different
    questions. Disagreement is the chance that two different votes on a pair differ (ties are a vote
    of their own), over pairs with several votes; `spearman` correlates it with distance.
    """
    if not len(pairs):
        return CandidateDiversity(0)
    features = context.features
    distance = _answer_distances(features, features.index["chosen"], features.index["rejected"])
    votes = vote_table(pairs).with_columns(distance=distance)
    comparisons = votes.group_by("task", maintain_order=True).agg(
        pl.col("distance").first(),
        disagreement=_chance_of_disagreement(pl.col("label")),
        votes=pl.len(),
    )
    baseline = _distance_between_prompts(features, context)
    mean = float(comparisons["distance"].to_numpy().mean())
    is_same = comparisons["distance"] < 1.0 - _MIN_SAME_COSINE
    diversity = CandidateDiversity(
        comparisons=len(comparisons),
        answers_per_prompt=round(_answers_per_prompt(pairs), 3),
        mean_distance=round(mean, 4),
        distance_between_prompts=None if baseline is None else round(baseline, 4),
        relative_diversity=None if not baseline else round(mean / baseline, 4),
        nearly_alike=round(float(is_same.to_numpy().mean()), 4),
    )
    return _with_disagreement(diversity, comparisons.filter(pl.col("votes") > 1))


def _answer_distances(
    features: Features, first_rows: NDArray[np.int64], second_rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return 1 - cosine of rows of the vectors, pair by pair."""
    out = np.empty(len(first_rows))
    for rows in batch_slices(len(first_rows), _BATCH_ROWS):
        a, b = (
            features.vectors[rows_of_answer[rows]].astype(np.float64)
            for rows_of_answer in (first_rows, second_rows)
        )
        # Vectors of half precision are only nearly of length 1.
        sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        out[rows] = 1.0 - np.einsum("nd,nd->n", a, b) / np.maximum(sizes, 1e-12)
    return out


def _distance_between_prompts(features: Features, context: Context) -> float | None:
    """Return the mean distance of answers to two different prompts; None where there is one
    prompt.
    """
    answers = np.concatenate([features.index["chosen"], features.index["rejected"]])
    prompts = np.concatenate([features.index["prompt"]] * 2)
    rng = context.rng("candidates")
    # A fixed number of draws: all pairs of answers would grow with the square.
    first_answer, second_answer = rng.integers(len(answers), size=(2, _BASELINE_PAIRS))
    differ = prompts[first_answer] != prompts[second_answer]
    if not differ.any():
        return None
    chosen = first_answer[differ], second_answer[differ]
    return float(_answer_distances(features, answers[chosen[0]], answers[chosen[1]]).mean())


def _answers_per_prompt(pairs: pl.DataFrame) -> float:
    keys = content_keys(pairs)
    answers = pl.concat([keys.select("prompt", answer=c) for c in ("chosen", "rejected")])
    nodes = answers.unique()
    return len(nodes) / nodes["prompt"].n_unique()


def _chance_of_disagreement(label: pl.Expr) -> pl.Expr:
    """Return the chance that two votes drawn without replacement differ; null for a single vote."""
    counts = label.unique_counts().cast(pl.Float64)
    total = label.len().cast(pl.Float64)
    same = (counts * (counts - 1.0)).sum()
    # Without replacement: a vote always agrees with itself, which would make few votes look
    # unanimous.
    return pl.when(total > 1).then(1.0 - same / (total * (total - 1.0)))


def _with_disagreement(diversity: CandidateDiversity, shared: pl.DataFrame) -> CandidateDiversity:
    """Add disagreement overall and by thirds of distance, if enough pairs have several votes."""
    diversity = replace(diversity, pairs_with_several_votes=len(shared))
    if len(shared) < _MIN_SHARED_PAIRS:
        return diversity
    distance, differ = (shared[c].to_numpy() for c in ("distance", "disagreement"))
    # A correlation with a constant is none.
    varied = np.ptp(distance) > 0 and np.ptp(differ) > 0
    test = spearmanr(distance, differ) if varied else None
    # By rank, so that the thirds have the same size for any distances.
    third = dense_ranks(shared["distance"].rank("ordinal")) * _THIRDS // len(shared)
    thirds = (third == number for number in range(_THIRDS))
    return replace(
        diversity,
        disagreement=round(float(differ.mean()), 4),
        spearman=None if test is None else round(float(test.statistic), 4),
        p_value=None if test is None else float(test.pvalue),
        by_distance=tuple(_distance_third(distance[rows], differ[rows]) for rows in thirds),
    )


def _distance_third(distance: NDArray[np.float64], differ: NDArray[np.float64]) -> DistanceThird:
    ends = (round(float(distance.min()), 4), round(float(distance.max()), 4))
    return DistanceThird(ends, len(distance), round(float(differ.mean()), 4))
