"""The probability that each label is right, from heads, evidence, votes and judged pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

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
from curate.models.heads.posterior.trait_rates import TraitRates, trait_rates
from curate.models.heads.posterior.traits import pair_traits
from curate.models.heads.ridge.margins import (
    HeldOutMargins,
    Trait,
    held_out_margins,
    vote_weights,
)
from curate.steps.context import Context
from curate.steps.evidence import LabelEvidence
from curate.steps.posterior import JUDGED

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_CONTRAST = 1.5
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
        verdicts: (pairs,) 1 where a person found the label right, -1 wrong, 0 not judged.
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
    verdicts: NDArray[np.int8]
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
        is_reviewed = pl.Series(self.verdicts != 0) & (status == "ok")
        marked = pl.when(is_reviewed).then(pl.lit(JUDGED)).otherwise(status)
        return pl.select(marked.alias("status")).to_series()


def label_posterior(
    pairs: pl.DataFrame, context: Context, style: bool = True, within: tuple[Trait, ...] = ()
) -> LabelPosterior:
    """The averaged posterior of every label; no gold label but those that are judged is used.

    Heads are taught by the labels. Where there is evidence, or people judged thirty pairs or more,
    they are taught by what labels, evidence and verdicts say together.

    Args:
        pairs: the pair table.
        context: of the scorer; its `evidence` holds sources and verdicts.
        style: whether heads see counts, style and length, and not embeddings alone.
        within: traits by which pairs are compared with their like alone.
    """
    evidence = context.evidence_of(pairs)
    key = ("label posterior", style, within, evidence.digest())
    return context.view(pairs).cached(
        key, lambda: _posterior(pairs, context, evidence, style, within)
    )


def _posterior(
    pairs: pl.DataFrame,
    context: Context,
    label_evidence: LabelEvidence,
    style: bool,
    within: tuple[Trait, ...],
) -> LabelPosterior:
    voting, keys = vote_mask(pairs, context), context.vote_keys(pairs)
    verdicts = _verdicts_on_votes(label_evidence, keys, voting)
    weights, counts = vote_weights(keys, voting), count_votes(pairs, keys)
    combined = combine_sources(label_evidence.sources, voting, verdicts, weights)
    traits = pair_traits(pairs, verdicts != 0) if _shows_traits(verdicts) else None
    none = constant(0.0, len(pairs))
    labels = Observations(
        none, combined.margin, counts.balance, counts.count, none, none, verdicts, weights
    )
    by_label = None if traits is None else trait_rates(traits, verdicts, voting, by_truth=False)
    target = _target(_with_rates(labels, by_label), combined, voting)
    held_out = held_out_margins(pairs, context, style, within, target)
    heads = np.zeros(len(pairs))
    heads[voting] = unit_scale(held_out.margin[voting])
    rates = None if traits is None else trait_rates(traits, verdicts, voting)
    observed = _with_rates(replace(labels, heads=heads), rates).take(voting)
    averaged = _average(observed, combined)
    right = np.full(len(pairs), np.nan)
    right[voting] = averaged.label_right(observed)
    evidence_scale = averaged.mean("evidence")
    posterior = LabelPosterior(
        right=right,
        heads=averaged.mean("heads") * heads,
        votes=averaged.mean("vote") * (counts.balance - 1.0),
        evidence=evidence_scale * combined.margin,
        components=tuple(evidence_scale * c for c in combined.components),
        verdicts=verdicts,
        held_out=held_out,
        averaged=averaged,
        observations=observed,
        rates=rates,
    )
    return _persisted(posterior, context)


def _verdicts_on_votes(
    label_evidence: LabelEvidence, keys: pl.DataFrame, voting: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Return (pairs,) verdicts, the same for equal votes; 0 for none, and without a vote."""
    if label_evidence.verdicts is None:
        return np.zeros(len(voting), dtype=np.int8)
    return np.where(voting, spread_verdicts(label_evidence.verdicts, keys), np.int8(0))


def _persisted(posterior: LabelPosterior, context: Context) -> LabelPosterior:
    """Return the posterior with its columns in mapped files, where the run has a folder."""

    def store(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return context.scratch.persist_array("label posterior", values)

    return replace(
        posterior,
        right=store(posterior.right),
        heads=store(posterior.heads),
        votes=store(posterior.votes),
        evidence=store(posterior.evidence),
        components=tuple(map(store, posterior.components)),
    )


def _shows_traits(verdicts: NDArray[np.int8]) -> bool:
    """Whether enough pairs are judged to show flip rates by trait."""
    return int((verdicts != 0).sum()) >= MIN_JUDGED


def _with_rates(labels: Observations, rates: TraitRates | None) -> Observations:
    """The labels with flip rates by trait."""
    if rates is None:
        return labels
    return replace(labels, shift_right=rates.if_right, shift_wrong=rates.if_wrong)


def _average(labels: Observations, combined: CombinedEvidence) -> AveragedPosterior:
    """The averaged posterior of labels.

    Verdicts show the rate and the worth of evidence whatever the flips depend on; what the other
    labels say of both rests on flips that depend on nothing but known traits. So less is believed
    before, and the other labels count with all of their weight, or together as much as the judged
    ones: whichever predicts the verdicts better. Where flips differ by topic, 8,000 labels with
    40 % flips say 1 % and fifty verdicts know better; where they are random, 8,000 labels do.
    """
    reviewed = labels.verdicts != 0
    priors = Priors(combined.prior, rate_shape=1.0 if reviewed.any() else 2.0)
    count, total = float(labels.weight[reviewed].sum()), float(labels.weight[~reviewed].sum())
    if int(reviewed.sum()) < MIN_JUDGED or total <= count:
        return average_posterior(labels, priors)
    shares = (1.0, count / total)
    weighted = [
        replace(labels, weight=labels.weight * np.where(reviewed, 1.0, share)) for share in shares
    ]
    averages = [average_posterior(each, priors) for each in weighted]
    alone = [average_posterior(each.take(~reviewed), priors) for each in weighted]
    predictive = [a.log_evidence - b.log_evidence for a, b in zip(averages, alone, strict=True)]
    return averages[int(np.argmax(predictive))]


def _target(
    labels: Observations, combined: CombinedEvidence, voting: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """What heads are taught of each pair, of root mean square 1; None: its label.

    2 q - 1, with the probability q that the label is right given evidence, votes and verdicts. That
    is averaged over what the evidence is worth: of a source that labels do not bear out, q is
    nearly the same for all, and heads learn the labels.
    """
    reviewed = labels.verdicts != 0
    if not (_shows_traits(labels.verdicts) or combined.margin.any()):
        return None
    observed = without_heads(labels.take(voting))
    right = _average(observed, combined).label_right(observed)
    target = np.zeros(len(labels))
    target[voting] = 2.0 * right - 1.0
    target[~reviewed] = _raised(target[~reviewed], labels.weight[~reviewed])
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
