"""How many groups of annotators there are: the smallest number that no larger one surely beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.stats import norm

from curate.data.table import dense_numbers
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
    """Annotators with votes enough, and who of them gave each vote (-1: none of them)."""
    counts = names.filter(pl.Series(voting)).drop_nulls().value_counts()
    known = counts.filter(pl.col("count") >= MIN_VOTES)[names.name].sort()
    inside = names.is_in(known.implode()).fill_null(False).to_numpy() & voting
    found = np.full(len(names), -1, dtype=np.int64)
    if inside.any():
        found[inside] = dense_numbers(names.filter(pl.Series(inside)))
    return known.to_list(), found


def choose_groups(
    given: AnnotatorVotes, train: Train, groups: int | None, most: int, context: Context, seed: int
) -> PreferenceGroups:
    """The mixture of `groups`, or of the smallest K whose successor is not surely better.

    Sizes, the likelihoods that were tried and the number of pairs on which groups differ become
    facts of the step.

    Args:
        given: the votes.
        train: trains the groups' heads.
        groups: K where it is given.
        most: largest K that is tried otherwise.
        context: of the step.
        seed: of starts and heads.
    """
    if groups is not None:
        found = fit_groups(given, groups, train, seed)
    else:
        found = _search_group_count(
            given, train, min(most, int(given.annotator.max()) + 1), context, seed
        )
    context.facts["groups"] = len(found.sizes)
    context.facts["sizes"] = [round(float(size), 4) for size in found.sizes]
    context.facts["annotators"] = len(found.membership)
    signs = np.sign(found.margins[given.annotator >= 0])
    differ = np.abs(signs.sum(axis=1)) < signs.shape[1]
    context.facts["pairs_on_which_groups_differ"] = int(differ.sum())
    return found


def _search_group_count(
    given: AnnotatorVotes, train: Train, most: int, context: Context, seed: int
) -> PreferenceGroups:
    best: PreferenceGroups | None = None
    tried = {}
    with context.progress.task("groups of annotators", most) as task:
        for groups in range(1, most + 1):
            found = fit_groups(given, groups, train, seed)
            tried[groups] = round(float(np.nanmean(found.log_likelihood)), 4)
            task.advance()
            # The first number of groups that is no better ends the search; likelihoods of more tell
            # less.
            if best is not None and not _predicts_better(found, best, given):
                break
            best = found
    assert best is not None
    context.facts["held_out_log_likelihood"] = tried
    return best


def _predicts_better(new: PreferenceGroups, old: PreferenceGroups, given: AnnotatorVotes) -> bool:
    """Whether more groups predict surely better, and because they are different people's.

    Smaller groups are also fitted more cautiously, which alone may help; so it must help, too, to
    know to which group an annotator belongs: own group's heads against the same heads pooled.
    """
    parts = (old.log_likelihood, new.pooled)
    return all(_is_surely_positive(new.log_likelihood - other, given) for other in parts)


def _is_surely_positive(gain: NDArray[np.float64], given: AnnotatorVotes) -> bool:
    """Whether these annotators' mean gain is surely positive.

    The error is that of the votes around each annotator's own mean gain, summed within prompts:
    that a minority gains much and the others little is no doubt of the gain.
    """
    known = given.annotator >= 0
    gain, owner = gain[known], given.annotator[known]
    count = np.maximum(np.bincount(owner), 1)
    apart = gain - (np.bincount(owner, gain) / count)[owner]
    error = float(np.sqrt(np.square(np.bincount(given.prompt[known], apart)).sum()))
    sure = norm.ppf((1.0 + _LEVEL) / 2.0) * error
    return bool(gain.sum() > max(sure, _MIN_GAIN * len(gain)))
