"""What a scorer by the averaged posterior puts into its facts and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate.models.heads.noise.calibration import calibrate
from curate.models.heads.noise.rate import estimate_noise_rate_of_pairs, record_noise_estimate
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.posterior.label_posterior import LabelPosterior
from curate.models.heads.posterior.source_accuracy import source_accuracy
from curate.steps.context import Context
from curate.store.array_blocks import select_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def record_posterior(
    posterior: LabelPosterior,
    pairs: pl.DataFrame,
    context: Context,
    right: NDArray[np.float64] | None = None,
) -> None:
    """Put what is known of heads, evidence and flip rate into a scorer's facts.

    Args:
        posterior: of the pairs.
        pairs: the pair table.
        context: of the scorer.
        right: (pairs,) the scorer's own posterior, where it differs.
    """
    voting, held_out, averaged = vote_mask(pairs, context), posterior.held_out, posterior.averaged
    facts = context.facts
    facts["calibration"] = calibrate(select_rows(held_out.margin, voting)).to_json()
    facts["strengths"] = held_out.strengths
    facts["pairs_with_other_votes"] = int((posterior.observations.count > 1).sum())
    facts["judged_pairs"] = int((posterior.verdicts != 0).sum())
    # What the posterior averages over, if flips are random: the share of clean labels needs it.
    facts["flip_rate"] = {
        "low": round(averaged.rate_quantile(0.025), 4),
        "high": round(averaged.rate_quantile(0.975), 4),
    }
    facts["nats"] = {
        "label": round(averaged.mean("vote"), 4),
        "heads": round(averaged.mean("heads"), 4),
        "evidence": round(averaged.mean("evidence"), 4),
    }
    if posterior.rates is not None and posterior.rates.effects:
        facts["flip_rate_by_trait"] = [effect.to_json() for effect in posterior.rates.effects]
    _record_sources(posterior, pairs, context, voting)
    _record_learnability(posterior, context)
    noise = estimate_noise_rate_of_pairs(
        held_out.margin, voting, pairs, context, averaged, posterior.verdicts, held_out.learnability
    )
    record_noise_estimate(noise, posterior.right if right is None else right, context)


def _record_sources(
    posterior: LabelPosterior, pairs: pl.DataFrame, context: Context, voting: NDArray[np.bool_]
) -> None:
    groups = context.prompt_groups(pairs)
    sources = []
    evidence = context.evidence_of(pairs).sources
    for source, component in zip(evidence, posterior.components, strict=True):
        accuracy = source_accuracy(source, voting, posterior.verdicts, groups, posterior.averaged)
        size = float((component[voting] ** 2).mean() ** 0.5)
        sources.append(accuracy.to_json() | {"trust": source.trust, "nats": round(size, 4)})
        if accuracy.is_worse_than_chance:
            context.warnings.append(accuracy.warning)
    if sources:
        context.facts["evidence"] = sources


def _record_learnability(posterior: LabelPosterior, context: Context) -> None:
    """What heads learn is information; a warning where nothing else speaks of the labels."""
    learnt = posterior.held_out.learnability
    context.facts["learnt"] = learnt.to_json()
    informed = posterior.evidence.any() or posterior.votes.any() or posterior.verdicts.any()
    if not learnt.ok and not informed:
        context.warnings.append(
            f"{learnt.text}, which may be chance: the posterior hardly tells labels apart; "
            "evidence of a judge or fifty reviewed pairs would help"
        )
