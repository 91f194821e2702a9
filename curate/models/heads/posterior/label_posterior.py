"""The probability that each label is right, from heads, evidence, votes and judged pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import betaincinv

from curate.models.heads.held_out_margins import (
    HeldOutMargins,
    Trait,
    held_out_margins,
    vote_weights,
)
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.posterior.averaging import AveragedPosterior, Priors, average_posterior
from curate.models.heads.posterior.combined_evidence import CombinedEvidence, combine_sources
from curate.models.heads.posterior.observations import (
    Observations,
    constant,
    unit_scale,
    without_heads,
)
from curate.models.heads.posterior.other_votes import count_votes, spread_verdicts
from curate.models.heads.posterior.rate_interval import LEAST_RATE
from curate.models.heads.posterior.trait_rates import TraitRates, trait_rates
from curate.models.heads.posterior.traits import Traits, pair_traits
from curate.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_CONTRAST = 1.5
JUDGED = "judged"
"""Status of a pair whose label a person judged."""
MIN_JUDGED = 30
"""Judged pairs that show what evidence is worth, so that heads may be taught by it."""
_UNJUDGED_TARGET = 0.8
"""Root mean square, at least, of what heads are taught of labels that nobody judged."""


@dataclass(frozen=True)
class LabelPosterior:
    """What is known of each label of a run.

    Attributes:
        right: (pairs,) probability that the label is right, NaN for ties and identical answers.
        heads: (pairs,) what held-out heads say for the label, in nats.
        votes: (pairs,) what other votes on the same answers say for it, in nats.
        evidence: (pairs,) what all sources of evidence say for it, in nats.
        components: (pairs,) what each source says for it; their sum is `evidence`.
        judged: (pairs,) 1 where a person found the label right, -1 wrong, 0 not judged.
        held_out: margins of the heads.
        averaged: posterior of flip rate and scales.
        observations: of the voting pairs.
        rates: flip rates by trait, where judged pairs show them.
    """

    right: NDArray[np.float64]
    heads: NDArray[np.float64]
    votes: NDArray[np.float64]
    evidence: NDArray[np.float64]
    components: tuple[NDArray[np.float64], ...]
    judged: NDArray[np.int8]
    held_out: HeldOutMargins
    averaged: AveragedPosterior
    observations: Observations
    rates: TraitRates | None

    @property
    def terms(self) -> tuple[NDArray[np.float64], ...]:
        """(pairs,) held-out margin, and what heads, votes and evidence say."""
        return self.held_out.margin, self.heads, self.votes, self.evidence

    def status(self, status: pl.Series) -> pl.Series:
        """The status of each pair, in which judged pairs are marked."""
        judged = pl.Series(self.judged != 0) & (status == "ok")
        marked = pl.when(judged).then(pl.lit(JUDGED)).otherwise(status)
        return pl.select(marked.alias("status")).to_series()


def label_posterior(
    pairs: pl.DataFrame, context: Context, style: bool = True, within: tuple[Trait, ...] = ()
) -> LabelPosterior:
    """The averaged posterior of every label; no gold label but those that are judged is used.

    Heads are taught by the labels. Where people judged thirty pairs or more, or the user trusts the
    evidence, they are taught by what labels, evidence and verdicts say together.

    Args:
        pairs: the pair table.
        context: of the scorer; its `evidence` holds sources and verdicts.
        style: whether heads see counts, style and length, and not embeddings alone.
        within: traits by which pairs are compared with their like alone.
    """
    key = ("label posterior", style, within, context.evidence.digest())
    return context.shared(key, lambda: _posterior(pairs, context, style, within))


def _posterior(
    pairs: pl.DataFrame, context: Context, style: bool, within: tuple[Trait, ...]
) -> LabelPosterior:
    voting, keys = vote_mask(pairs, context), context.vote_keys(pairs)
    judged = np.zeros(len(pairs), dtype=np.int8)
    if context.evidence.judged is not None:
        judged = np.where(voting, spread_verdicts(context.evidence.judged, keys), judged)
    weights = vote_weights(keys, voting)
    combined = combine_sources(context.evidence.sources, voting, judged, weights)
    counts = count_votes(pairs, keys)
    traits = pair_traits(pairs, judged != 0) if _shows_traits(judged) else None
    rates = None if traits is None else trait_rates(traits, judged, voting)
    labels = Observations(
        constant(0.0, len(pairs)),
        combined.margin,
        counts.balance,
        counts.count,
        constant(0.0, len(pairs)) if rates is None else rates.shift,
        judged,
        weights,
    )
    target = _target(labels, combined, voting)
    held_out = held_out_margins(pairs, context, style, within, target)
    heads = np.zeros(len(pairs))
    heads[voting] = unit_scale(held_out.margin[voting])
    observed = Observations(heads, *labels.columns()[1:])
    if traits is not None:
        observed = _with_shift(observed, combined, traits, voting)
    observed = observed.take(voting)
    averaged = _average(observed, combined)
    right = np.full(len(pairs), np.nan)
    right[voting] = averaged.label_right(observed)
    evidence_scale = averaged.mean("evidence")

    def store(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return context.workspace.kept("label posterior", values)

    return LabelPosterior(
        right=store(right),
        heads=store(averaged.mean("heads") * heads),
        votes=store(averaged.mean("vote") * (counts.balance - 1.0)),
        evidence=store(evidence_scale * combined.margin),
        components=tuple(store(evidence_scale * c) for c in combined.components),
        judged=judged,
        held_out=held_out,
        averaged=averaged,
        observations=observed,
        rates=rates,
    )


def _shows_traits(judged: NDArray[np.int8]) -> bool:
    """Whether enough pairs are judged to show flip rates by trait."""
    return int((judged != 0).sum()) >= MIN_JUDGED


def _with_shift(
    labels: Observations, combined: CombinedEvidence, traits: Traits, voting: NDArray[np.bool_]
) -> Observations:
    """The labels with what traits say of flips beside heads and evidence.

    Heads are taught by the share of wrong labels of each trait, whatever makes them wrong. In the
    posterior their margins stand beside it, and say already which answers are better.
    """
    same_rate = replace(labels, shift=constant(0.0, len(labels))).take(voting)
    averaged = _average(same_rate, combined)
    margin = averaged.mean("heads") * labels.heads + averaged.mean("evidence") * labels.evidence
    return replace(labels, shift=trait_rates(traits, labels.judged, voting, margin).shift)


def _average(labels: Observations, combined: CombinedEvidence) -> AveragedPosterior:
    """The averaged posterior of labels.

    Verdicts show the rate and the worth of evidence whatever the flips depend on; what the other
    labels say of both rests on flips at random. So less is believed before, and where enough pairs
    are judged, all other labels together count as much as they do. On LLMBar and Auto-J with 100
    judged pairs this keeps .56 of the information at 20 % flips, and .49 with all of their weight;
    where an annotator prefers length .59 and .53. Where thousands of labels show the rate better
    than the verdicts do, and these do not contradict it, nothing is taken from them.
    """
    judged = labels.judged != 0
    priors = Priors(combined.prior, rate_shape=1.0 if judged.any() else 2.0)
    count, total = float(labels.weight[judged].sum()), float(labels.weight[~judged].sum())
    enough = int(judged.sum()) >= MIN_JUDGED
    if enough and total > count and not _show_rate(labels, combined):
        weight = np.where(judged, labels.weight, labels.weight * (count / total))
        labels = replace(labels, weight=weight)
    return average_posterior(labels, priors)


def _show_rate(labels: Observations, combined: CombinedEvidence) -> bool:
    """Whether unjudged labels alone show the flip rate, and verdicts do not contradict it.

    They do where heads see many clear labels contradicted (see `rate_interval`), and the rate is
    known at least twice as well as by the verdicts.
    """
    judged = labels.judged != 0
    if not labels.heads.any():
        return False
    alone = average_posterior(labels.take(~judged), Priors(combined.prior))
    low, high = alone.rate_quantile(0.025), alone.rate_quantile(0.975)
    wrong, count = int((labels.judged < 0).sum()), int(judged.sum())
    verdicts_low = float(betaincinv(wrong, count - wrong + 1, 0.025)) if wrong else 0.0
    verdicts_high = float(betaincinv(wrong + 1, count - wrong, 0.975)) if wrong < count else 1.0
    is_narrow = 2.0 * (high - low) <= verdicts_high - verdicts_low
    return low >= LEAST_RATE and is_narrow and verdicts_low <= alone.rate <= verdicts_high


def _target(
    labels: Observations, combined: CombinedEvidence, voting: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """What heads are taught of each pair, of root mean square 1; None: its label.

    2 q - 1, with the probability q that the label is right given evidence, votes and verdicts.
    """
    judged = labels.judged != 0
    enough = int(judged.sum()) >= MIN_JUDGED
    if not (enough or (combined.is_strong and combined.margin.any())):
        return None
    observed = without_heads(labels.take(voting))
    right = _average(observed, combined).label_right(observed)
    target = np.zeros(len(labels))
    target[voting] = 2.0 * right - 1.0
    target[~judged] = _raised(target[~judged], labels.weight[~judged])
    return target / (_root_mean_square(target, labels.weight) or 1.0)


def _raised(target: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Targets of unjudged labels, no smaller than `_UNJUDGED_TARGET` in root mean square.

    A few verdicts would else outweigh all labels, of which each says little. Differences between
    labels grow less than their mean: near a flip rate of one half they would be all that is taught.
    """
    size = _root_mean_square(target, weights)
    if not 0.0 < size < _UNJUDGED_TARGET:
        return target
    factor = _UNJUDGED_TARGET / size
    mean = float(weights @ target / weights.sum())
    return factor * mean + min(factor, _MAX_CONTRAST) * (target - mean)


def _root_mean_square(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(np.sqrt(weights @ np.square(values) / max(float(weights.sum()), 1e-12)))
