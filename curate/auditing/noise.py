"""What heads, evidence and reviewed pairs say of the labels: agreement, accuracy, noise rate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.file_margins import file_scores
from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.data.table import dense_ranks
from curate.models.heads.noise.calibration import (
    Calibration,
    ReliabilityBin,
    calibrate,
    reliability_curve,
)
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.models.heads.noise.learnability import LearnabilityTest
from curate.models.heads.noise.pair_agreement import PairAgreement, pair_agreement
from curate.models.heads.noise.rate import estimate_noise_rate_of_pairs
from curate.models.heads.out_of_fold import (
    has_too_few_prompts,
    insufficient_prompts_reason,
    vote_mask,
)
from curate.models.heads.posterior.label_posterior import (
    MIN_JUDGED,
    LabelPosterior,
    label_posterior,
)
from curate.models.heads.posterior.source_accuracy import SourceAccuracy, source_accuracy
from curate.steps.context import Context
from curate.steps.evidence import EvidenceSource, LabelEvidence

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GroupAgreement(JsonResult):
    """How far held-out heads side with the labels of one annotator or source.

    Attributes:
        name: name of the annotator or source.
        agreement: agreement of the probe models with its labels.
    """

    name: str
    agreement: PairAgreement

    def to_json(self) -> JsonObject:
        """Return the numbers as plain data."""
        return {"name": self.name, "agreement": asdict(self.agreement)}


@dataclass(frozen=True)
class NoiseFindings(JsonResult):
    """What is known of the labels' noise before anything is filtered.

    Attributes:
        problem: why heads say nothing; None where they learn from the labels.
        learnt: how far held-out heads agree with the labels; None without enough prompts.
        calibration: calibration of the probe models.
        reliability_curve: its points.
        estimate: the noise rate by votes or heads, with its assumption.
        evidence: accuracy of each source of evidence.
        by_annotator: agreement of the heads, the lowest first.
        by_source: the same by source.
    """

    problem: str | None = None
    learnt: LearnabilityTest | None = None
    calibration: Calibration | None = None
    reliability_curve: tuple[ReliabilityBin, ...] = ()
    estimate: NoiseEstimate | None = None
    evidence: tuple[SourceAccuracy, ...] = ()
    by_annotator: tuple[GroupAgreement, ...] = ()
    by_source: tuple[GroupAgreement, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the findings as plain data."""
        # The calibration in full: a manifest holds it rounded.
        calibration = None if self.calibration is None else asdict(self.calibration)
        return super().to_json() | {"calibration": calibration}


def audit_noise(pairs: pl.DataFrame, context: Context) -> NoiseFindings:
    """Return the agreement and calibration of held-out heads, accuracy of evidence, and the
    noise rate.

    Args:
        pairs: the pair table.
        context: the audit's context, whose `evidence` holds margins of the file and reviewed pairs.
    """
    if problem := insufficient_prompts_reason(pairs, context):
        return NoiseFindings(problem)
    is_voted, posterior = vote_mask(pairs, context), label_posterior(pairs, context)
    held_out = posterior.held_out
    margins, groups = held_out.margin[is_voted], context.prompt_groups(pairs)
    calibration = calibrate(margins)
    estimate = estimate_noise_rate_of_pairs(
        held_out.margin,
        is_voted,
        pairs,
        context,
        posterior.averaged,
        learnability=held_out.learnability,
    )
    voted = pairs.filter(pl.Series(is_voted))
    return NoiseFindings(
        problem=None if held_out.learnability.ok else held_out.learnability.warning,
        learnt=held_out.learnability,
        calibration=calibration,
        reliability_curve=tuple(reliability_curve(calibration.scale * margins)),
        estimate=estimate,
        evidence=_source_accuracies(posterior, is_voted, groups, context, estimate),
        by_annotator=agreement_by_group(voted["annotator"], margins, groups[is_voted]),
        by_source=agreement_by_group(voted["source"], margins, groups[is_voted]),
    )


def _source_accuracies(
    posterior: LabelPosterior,
    is_voted: NDArray[np.bool_],
    groups: NDArray[np.int64],
    context: Context,
    estimate: NoiseEstimate,
) -> tuple[SourceAccuracy, ...]:
    """Return the accuracy of each source; none where labels follow a rule that sources may
    share.
    """
    judgements = posterior.verdicts
    if estimate.rule is not None and (judgements != 0).sum() < MIN_JUDGED:
        return ()
    return tuple(
        source_accuracy(source, is_voted, judgements, groups, posterior.averaged)
        for source in context.evidence.sources
    )


def audited_evidence(pairs: pl.DataFrame, judgements: NDArray[np.int8] | None) -> LabelEvidence:
    """Return the scores that a file holds, and what people found of its labels."""
    scores = file_scores(pairs)
    sources = () if scores is None else (EvidenceSource(*scores),)
    return LabelEvidence(sources, judgements)


def wrong_label_probability(pairs: pl.DataFrame, context: Context) -> NDArray[np.float64]:
    """Return the probability that each label is wrong, (pairs,); NaN for ties and with too few
    prompts.

    Verdicts are left out: predictions of reviewed pairs must not know the reviewers' verdicts.
    """
    if has_too_few_prompts(pairs, context):
        return np.full(len(pairs), np.nan)
    unjudged = replace(context, evidence=LabelEvidence(context.evidence.sources))
    return 1.0 - label_posterior(pairs, unjudged).right


def agreement_by_group(
    names: pl.Series, margins: NDArray[np.float64], groups: NDArray[np.int64]
) -> tuple[GroupAgreement, ...]:
    """Return the agreement with the heads of each annotator or source, the lowest first.

    Args:
        names: (votes,) who or where each vote is from.
        margins: (votes,) held-out margins.
        groups: (votes,) number of each vote's prompt.
    """
    names = names.fill_null("(none)")
    if names.n_unique() < 2:
        return ()
    number = dense_ranks(names)
    rows = [
        GroupAgreement(name, pair_agreement(margins[number == k], groups[number == k]))
        for k, name in enumerate(names.unique().sort())
    ]
    return tuple(sorted(rows, key=lambda row: row.agreement.share))
