"""How many groups of annotators there are: the smallest number that no larger one surely beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.stats import norm

from curate.data.table import dense_ranks
from curate.models.people.preference_groups import (
    AnnotatorVotes,
    PreferenceGroups,
    Train,
    fit_groups,
)
from curate.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_ANNOTATORS, MIN_VOTES = 3, 5
"""Annotators with that many votes that a mixture needs."""
# Several numbers of groups are compared: a strict level keeps a group of chance out.
_LEVEL = 0.99
_MIN_GAIN = 1e-3
"""Nats a vote that a further group must be worth: an empty one changes next to nothing, surely."""


def frequent_annotators(
    names: pl.Series, voting: NDArray[np.bool_]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return annotators with votes enough, and who of them gave each vote (-1: none of them)."""
    counts = names.filter(pl.Series(voting)).drop_nulls().value_counts()
    frequent = counts.filter(pl.col("count") >= MIN_VOTES)[names.name].sort()
    inside = names.is_in(frequent.implode()).fill_null(False).to_numpy() & voting
    annotator_numbers = np.full(len(names), -1, dtype=np.int64)
    if inside.any():
        annotator_numbers[inside] = dense_ranks(names.filter(pl.Series(inside)))
    return frequent.to_list(), annotator_numbers


def choose_groups(
    votes: AnnotatorVotes,
    train: Train,
    groups: int | None,
    max_groups: int,
    context: Context,
    seed: int,
) -> PreferenceGroups:
    """Return the mixture of `groups`, or of the smallest K whose successor is not surely better.

    Sizes, the likelihoods that were tried and the number of pairs on which groups differ become
    facts of the step.

    Args:
        votes: the votes.
        train: trains the groups' heads.
        groups: K where it is given.
        max_groups: largest K that is tried otherwise.
        context: of the step.
        seed: of starts and heads.
    """
    if groups is not None:
        best = fit_groups(votes, groups, train, seed)
    else:
        best = _search_group_count(
            votes, train, min(max_groups, int(votes.annotator.max()) + 1), context, seed
        )
    context.facts["groups"] = len(best.sizes)
    context.facts["sizes"] = [round(float(size), 4) for size in best.sizes]
    context.facts["annotators"] = len(best.membership)
    signs = np.sign(best.margins[votes.annotator >= 0])
    # The sum reaches the number of groups only if all agree.
    differ = np.abs(signs.sum(axis=1)) < signs.shape[1]
    context.facts["pairs_on_which_groups_differ"] = int(differ.sum())
    return best


def _search_group_count(
    votes: AnnotatorVotes, train: Train, max_groups: int, context: Context, seed: int
) -> PreferenceGroups:
    best: PreferenceGroups | None = None
    likelihood = dict[str, float]()
    with context.progress.task("groups of annotators", max_groups) as task:
        for groups in range(1, max_groups + 1):
            candidate = fit_groups(votes, groups, train, seed)
            likelihood[str(groups)] = round(float(np.nanmean(candidate.log_likelihood)), 4)
            task.advance()
            # The first number of groups that is no better ends the search: further groups are
            # smaller and even harder to confirm.
            if best is not None and not _predicts_better(candidate, best, votes):
                break
            best = candidate
    assert best is not None
    context.facts["held_out_log_likelihood"] = likelihood
    return best


def _predicts_better(new: PreferenceGroups, old: PreferenceGroups, votes: AnnotatorVotes) -> bool:
    """Return whether more groups predict surely better, and because they are different people's.

    Smaller groups are also regularised more, which may help by itself. So knowing an annotator's
    group must help too: the own group's heads are compared with the same heads pooled.
    """
    parts = (old.log_likelihood, new.pooled)
    return all(_is_surely_positive(new.log_likelihood - other, votes) for other in parts)


def _is_surely_positive(gain: NDArray[np.float64], votes: AnnotatorVotes) -> bool:
    """Return whether these annotators' mean gain is surely positive.

    The error is that of the votes around each annotator's own mean gain, summed within prompts:
    that a minority gains much and the others little is no doubt of the gain.
    """
    has_annotator = votes.annotator >= 0
    gain, owner = gain[has_annotator], votes.annotator[has_annotator]
    count = np.maximum(np.bincount(owner), 1)
    apart = gain - (np.bincount(owner, gain) / count)[owner]
    error = float(np.sqrt(np.square(np.bincount(votes.prompt[has_annotator], apart)).sum()))
    sure = norm.ppf((1.0 + _LEVEL) / 2.0) * error
    return bool(gain.sum() > max(sure, _MIN_GAIN * len(gain)))
