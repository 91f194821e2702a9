"""What labels say of the share of them that is wrong, and under which assumption.

A rate that an optimiser ends with is no estimate where the labels do not determine it. So a number
stands beside its interval and its assumption, or there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import betaincinv

from curate.data.duplicates import repeated_rows
from curate.data.hashes import vote_keys
from curate.models.heads.noise.estimate import NOISE_FACT, NoiseEstimate
from curate.models.heads.noise.label_rules import LabelRule, find_label_rule, rule_of_heads
from curate.models.heads.noise.learnability import LearnabilityTest, assess_learnability
from curate.models.heads.posterior.rate_interval import rate_interval
from curate.store.array_blocks import select_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.models.heads.posterior.averaging import AveragedPosterior
    from curate.steps.context import Context

# Of the bound.
_LEVEL = 0.05
BOUND_ASSUMPTION = (
    "if no kind of pair (such as: the better answer is the shorter one) is wrong more often than "
    "right"
)
_SHORT_ASSUMPTION = "if no kind of pair is mostly wrong"
# Fewer pairs with several votes, or judged ones, give an interval that says nothing.
_MIN_VOTED_PAIRS = _MIN_REVIEWED_PAIRS = 30
_MIN_ANNOTATORS = 2
# Of whole prompts, for the interval.
_RESAMPLES = 400


def estimate_noise_rate(
    margins: NDArray[np.float64],
    pairs: pl.DataFrame | None = None,
    groups: NDArray[np.int64] | None = None,
    keys: pl.DataFrame | None = None,
    voting: NDArray[np.bool_] | None = None,
    averaged: AveragedPosterior | None = None,
    reviewed: NDArray[np.int8] | None = None,
    learnability: LearnabilityTest | None = None,
) -> NoiseEstimate:
    """Estimate the rate from reviews, or from votes on the same pairs, else from margins.

    If labels follow an author or length, only reviewed pairs give a rate: annotators who share a
    rule agree with each other, right or wrong.

    Args:
        margins: (votes,) held-out margins of the observed labels; ties left out.
        pairs: the pair table, where several people may have voted on the same two answers.
        groups: (votes,) number of each vote's prompt; default each its own.
        keys: `vote_keys` of the pairs, where they are at hand.
        voting: (pairs,) which pairs the votes are; default all.
        averaged: posterior of these labels, for an estimate beside the bound.
        reviewed: 1 for each label that a person found right, -1 for a wrong one, 0 elsewhere.
        learnability: whether heads learn anything, where a test of its own says so.
    """
    # From the strongest to the weakest source: people, repeated votes, then held-out margins.
    from_reviews = None if reviewed is None else noise_rate_from_reviews(reviewed)
    if from_reviews is not None:
        return from_reviews
    if pairs is not None:
        voted = pairs if voting is None else pairs.filter(pl.Series(voting))
        rule = find_label_rule(voted, np.arange(len(voted)) if groups is None else groups)
        by_votes = not_estimable(rule) if rule is not None else noise_rate_from_votes(pairs, keys)
        if by_votes is not None:
            return by_votes
    return noise_bound_from_margins(margins, groups, averaged, learnability)


def estimate_noise_rate_of_pairs(
    margins: NDArray[np.float64],
    voting: NDArray[np.bool_],
    pairs: pl.DataFrame,
    context: Context,
    averaged: AveragedPosterior | None = None,
    reviewed: NDArray[np.int8] | None = None,
    learnability: LearnabilityTest | None = None,
) -> NoiseEstimate:
    """Return `estimate_noise_rate` of the voting pairs of a run, by (pairs,) held-out margins."""
    groups, keys = select_rows(context.prompt_groups(pairs), voting), context.vote_keys(pairs)
    margins = select_rows(margins, voting)
    return estimate_noise_rate(
        margins, pairs, groups, keys, voting, averaged, reviewed, learnability
    )


def record_noise_estimate(
    estimate: NoiseEstimate, right: NDArray[np.float64], context: Context
) -> None:
    """Record what is known of the share of wrong labels in a scorer's facts.

    The share that a fit ends with is none where the labels do not determine it.

    Args:
        estimate: from `estimate_noise_rate`.
        right: (pairs,) posterior that each label is right, NaN for unknown.
        context: of the scorer.
    """
    context.facts["noise_rate"] = estimate.rate
    context.facts[NOISE_FACT] = estimate.to_json()
    finite = right[np.isfinite(right)]
    mean = round(float(1.0 - finite.mean()), 4) if len(finite) else None
    context.facts["wrong_by_posterior"] = mean


def noise_rate_from_reviews(reviewed: NDArray[np.int8]) -> NoiseEstimate | None:
    """Return the share of wrong labels among reviewed pairs; None for fewer than 30.

    Clopper-Pearson, whatever heads are worth. `curate audit --gold` knows how the pairs were drawn,
    and counts ties.

    Args:
        reviewed: 1 for each label that a person found right, -1 for a wrong one, 0 elsewhere.
    """
    wrong, count = int((reviewed < 0).sum()), int((reviewed != 0).sum())
    if count < _MIN_REVIEWED_PAIRS:
        return None
    ends = [0.5 * _LEVEL, 1.0 - 0.5 * _LEVEL]
    low = float(betaincinv(wrong, count - wrong + 1, ends[0])) if wrong else 0.0
    high = float(betaincinv(wrong + 1, count - wrong, ends[1])) if wrong < count else 1.0
    short = f"{wrong / count:.0%}, 95 %: {low:.0%} to {high:.0%}"
    text = f"{short}, if the {count:,} reviewed pairs were drawn at random"
    return NoiseEstimate(wrong / count, low, high, text, short)


def disagreement_bound(margins: NDArray[np.float64]) -> float:
    """Return a bound of the flip rate at 95 %, by the disagreement of all pairs.

    Where the heads err with probability q(x) and labels are flipped with e(x), independently given
    the pair x, they disagree with probability e + E[q(x) (1 - 2 e(x))]: at least e as long as no
    kind of pair is flipped more often than not, however flips depend on the pair.
    """
    # A margin of 0 counts against the label: the bound must not become too small.
    against, count = int((margins <= 0).sum()), len(margins)
    return min(float(betaincinv(against + 1, count - against, 1.0 - _LEVEL)), 0.5) if count else 0.5


def noise_bound_from_margins(
    margins: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
    averaged: AveragedPosterior | None = None,
    learnt: LearnabilityTest | None = None,
) -> NoiseEstimate:
    """Return an upper bound if heads learn anything, and not too much; else nothing.

    The bound holds however flips depend on the pair, as long as no kind of pair is wrong more often
    than right. Labels that follow a rule break that and are learned like a preference, so there is
    none where heads predict more labels than people agree on. An estimate stands before the bound
    where simulation shows that it holds (`rate_interval`).

    Args:
        margins: (votes,) held-out margins of the observed labels; ties left out.
        groups: (votes,) number of each vote's prompt; default each its own.
        averaged: posterior of these labels.
        learnt: whether heads learn anything; default by these margins.
    """
    learnability = learnt or assess_learnability(margins, groups)
    if not learnability.ok:
        reason = f"no estimate: {learnability.text}, which may be chance"
        return NoiseEstimate(None, None, None, reason, "no estimate: heads learn nothing")
    if rule := rule_of_heads(learnability.agreement):
        return not_estimable(rule)
    high = disagreement_bound(select_rows(margins, np.isfinite(margins)))
    bound = f"at most {high:.0%}, {BOUND_ASSUMPTION} (95 %, disagreement with held-out heads)"
    interval = None if averaged is None else rate_interval(averaged, high)
    if interval is None:
        return NoiseEstimate(None, 0.0, high, bound, f"at most {high:.0%}, {_SHORT_ASSUMPTION}")
    short = f"about {interval.mean:.0%}, if flips are random"
    ends = f"95 %: {interval.low:.0%} to {interval.high:.0%}"
    return NoiseEstimate(interval.mean, interval.low, high, f"{short} ({ends}); {bound}", short)


def not_estimable(rule: LabelRule) -> NoiseEstimate:
    """Return an estimate without a rate, for labels that follow a rule."""
    texts = f"no estimate: {rule.text}", f"no estimate: {rule.short}"
    return NoiseEstimate(None, None, None, *texts, rule)


def noise_rate_from_votes(
    pairs: pl.DataFrame, keys: pl.DataFrame | None = None
) -> NoiseEstimate | None:
    """Return the rate that repeated votes give; None if fewer than 30 pairs have several.

    e = (1 - sqrt(1 - 2 d)) / 2 from the share d of vote pairs that differ, if votes err alike and
    apart from each other; the interval by resampling the pairs voted on.
    """
    keys = vote_keys(pairs) if keys is None else keys
    groups = voted_answers(pairs, keys, shared_votes(pairs, keys))
    return None if groups is None else _noise_rate_from_vote_groups(groups)


def _noise_rate_from_vote_groups(groups: pl.DataFrame) -> NoiseEstimate:
    first = groups["first"].to_numpy().astype(np.float64)
    votes = groups["votes"].to_numpy().astype(np.float64)
    # Of n votes with k for the first answer, k (n - k) of the n (n - 1) / 2 pairs of votes differ.
    # Summed over all answers before dividing: a mean of shares would weigh two votes like twenty.
    differ, all_ = first * (votes - first), votes * (votes - 1) / 2.0
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(_RESAMPLES):
        rows = rng.integers(len(differ), size=len(differ))
        shares.append(differ[rows].sum() / all_[rows].sum())
    resampled_rates = _noise_rate_from_disagreement(np.array(shares))
    low, high = (float(q) for q in np.quantile(resampled_rates, (0.025, 0.975)))
    rate = float(_noise_rate_from_disagreement(differ.sum() / all_.sum()))
    why = (
        "if annotators err independently and at the same rate "
        f"({len(groups):,} pairs with several votes)"
    )
    if high - low < 1e-9:
        # No two votes differ: the rule of three bounds their share.
        high = float(_noise_rate_from_disagreement(np.asarray(3.0 / all_.sum())))
        short = f"at most {high:.1%}"
        return NoiseEstimate(None, 0.0, high, f"{short}, {why}", short)
    short = f"{rate:.1%}, 95 %: {low:.1%} to {high:.1%}"
    return NoiseEstimate(rate, low, high, f"{short}, {why}", short)


def shared_votes(pairs: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Return votes on answers that have several: `row`, `pair` and whether the `first` one is
    preferred.

    Only these are grouped, since grouping takes a hundred bytes a vote.
    """
    counts = np.flatnonzero(_vote_mask(pairs, keys).to_numpy())
    rows = counts[repeated_rows(keys["pair"][counts])]
    return keys[["pair", "first"]][rows].with_columns(row=rows)


def _vote_mask(pairs: pl.DataFrame, keys: pl.DataFrame) -> pl.Series:
    """Return whether each pair is a vote for one of two different answers."""
    return ~pairs["is_tie"] & keys["differ"]


def voted_answers(
    pairs: pl.DataFrame, keys: pl.DataFrame, vote_table: pl.DataFrame
) -> pl.DataFrame | None:
    """Return answers on which several people voted, with the votes for the first one and all votes.

    None where fewer than 30 such pairs, or not two people, are known.
    """
    people = pairs["annotator"].filter(_vote_mask(pairs, keys)).drop_nulls().n_unique()
    groups = vote_table.group_by("pair").agg(
        first=pl.col("first").sum().cast(pl.Int64), votes=pl.len()
    )
    if len(groups) < _MIN_VOTED_PAIRS or people < _MIN_ANNOTATORS:
        return None
    # In an order of their own, so that resampling gives the same interval every time.
    return groups.sort("pair")


def _noise_rate_from_disagreement(differing: NDArray[np.float64]) -> NDArray[np.float64]:
    # Two independent votes differ with d = 2 e (1 - e), solved for the root below one half. A share
    # above one half is possible by chance only.
    return (1.0 - np.sqrt(1.0 - 2.0 * np.minimum(differing, 0.5))) / 2.0
