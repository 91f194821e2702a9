"""`curate audit`: everything that can be said of a dataset before it is filtered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from curate.auditing.agreement import audit_agreement
from curate.auditing.artefacts import audit_artefacts
from curate.auditing.audit_report import AuditReport
from curate.auditing.biases import audit_biases
from curate.auditing.candidates import audit_candidates
from curate.auditing.disagreement import audit_disagreement
from curate.auditing.feedback import audit_feedback
from curate.auditing.gold import GoldRate, audit_gold
from curate.auditing.noise import audit_noise, audited_evidence, wrong_label_probability
from curate.auditing.ranking import audit_ranking
from curate.auditing.structure import audit_leakage, audit_structure
from curate.auditing.style import audit_style
from curate.data.limits import DEFAULT_MAX_PAIRS
from curate.models.embed.frame import embed_frame, standalone_context
from curate.models.embed.report import EmbeddingReport
from curate.models.embed.settings import EmbedderConfig
from curate.option_names import option_name
from curate.read.inspection import inspect_pairs
from curate.read.pairs import Pairs
from curate.read.prompt_sample import sample_pair_table
from curate.steps.context import Context, Progress
from curate.steps.models import ModelSpec
from curate.verdicts.gold import GoldConfig, gold_verdicts
from curate.verdicts.match import MatchedVerdicts, label_verdicts, match_verdicts
from curate.versions import versions


@dataclass(frozen=True)
class AuditOptions:
    """How a dataset is audited.

    Attributes:
        embedder: embedder of the texts.
        store: see `store` in pipeline.yaml.
        seed: seed of folds, starts and resamples.
        style_columns: keys of `extra` with numbers, which join the style traits.
        model: the language model whose ranking accuracy is measured.
        beta: DPO's beta, for the ranking accuracy of its optimum.
        disagreement: also split the labels into shared, taste, cycle and flip, which takes longer.
        most: larger datasets are audited on a random sample of prompts, except for `data`,
            `agreement`, `structure` and `leakage`; 0, or reviews, audits all pairs.
    """

    embedder: EmbedderConfig
    store: str | None = "auto"
    seed: int = 0
    style_columns: tuple[str, ...] = ()
    model: ModelSpec | None = None
    beta: float = 0.1
    disagreement: bool = False
    most: int = DEFAULT_MAX_PAIRS


@dataclass(frozen=True)
class Reviews:
    """People's verdicts on some of the pairs.

    Attributes:
        verdicts: the verdicts (`read_verdicts`), or where they are stored.
        sample: how the reviewed pairs were drawn; see `audit_gold`.
        resume: the command that continues the review.
    """

    verdicts: pl.DataFrame | GoldConfig
    sample: pl.DataFrame | None = None
    resume: str = "curate review DRAWN"


def audit_pairs(
    pairs: Pairs,
    progress: Progress,
    options: AuditOptions,
    against: Pairs | None = None,
    reviews: Reviews | None = None,
    dataset: str | None = None,
) -> AuditReport:
    """Audit a dataset.

    Args:
        pairs: the dataset.
        progress: receives the progress.
        options: how it is audited.
        against: another dataset, whose prompts are searched in this one.
        reviews: verdicts on some of the pairs.
        dataset: the dataset as commands name it, for the commands to copy.
    """
    frame, sampled = pairs.frame, None
    # Reviewed pairs may be anywhere in the file, and a sample would miss most of them.
    if options.most and reviews is None:
        frame, sampled = sample_pair_table(frame, options.most, options.seed)
    context, embedding = _embedded_context(frame, pairs.folders, options, progress)
    matched = None if reviews is None else _match_verdicts(frame, reviews.verdicts)
    judgements = None if matched is None else label_verdicts(frame, matched.verdicts.frame)
    context = replace(context, evidence=audited_evidence(frame, judgements))
    report = _report_without_reviews(pairs, against, frame, context, options)
    report = replace(report, dataset=dataset, embedder=embedding, sampled=sampled)
    if reviews is not None and matched is not None:
        report = replace(report, gold=_audit_verdicts(frame, context, reviews, matched))
    if options.model is not None:
        share = _right_label_share(report)
        ranking = audit_ranking(frame, context, options.model, options.beta, share)
        report = replace(report, ranking=ranking)
    return report


def _report_without_reviews(
    pairs: Pairs,
    against: Pairs | None,
    sample: pl.DataFrame,
    context: Context,
    options: AuditOptions,
) -> AuditReport:
    """Return what counts of all pairs and models of the sampled prompts say."""
    # Counts are cheap and exact on all pairs; models see only the sample.
    return AuditReport(
        versions=versions(),
        seed=options.seed,
        data=inspect_pairs(pairs),
        noise=audit_noise(sample, context),
        agreement=audit_agreement(pairs.frame),
        biases=audit_biases(sample),
        artefacts=audit_artefacts(sample),
        style=audit_style(sample, context, options.style_columns),
        structure=audit_structure(pairs.frame),
        candidates=audit_candidates(sample, context),
        feedback=audit_feedback(sample),
        disagreement=audit_disagreement(sample, context) if options.disagreement else None,
        leakage=None if against is None else audit_leakage(pairs.frame, against.frame),
    )


def _embedded_context(
    frame: pl.DataFrame, folders: tuple[Path, ...], options: AuditOptions, progress: Progress
) -> tuple[Context, EmbeddingReport]:
    """Return a context with the embedded pairs, and how they were embedded."""
    features, report = embed_frame(frame, options.embedder, options.store, progress, media=folders)
    context = standalone_context(options.embedder, options.store, options.seed, progress)
    return context.for_pairs(frame, features), report


@dataclass(frozen=True)
class _MatchedReviews:
    """The verdicts on pairs, and warnings on how they were read."""

    verdicts: MatchedVerdicts
    warnings: list[str]


def _match_verdicts(pairs: pl.DataFrame, verdicts: pl.DataFrame | GoldConfig) -> _MatchedReviews:
    """Return the verdicts on these pairs; raises CurateError if one is on another pair."""
    warnings: list[str] = []
    matched = match_verdicts(pairs, gold_verdicts(verdicts, pairs, warnings))
    matched.require_all(option_name("gold"))
    return _MatchedReviews(matched, warnings)


def _audit_verdicts(
    pairs: pl.DataFrame, context: Context, reviews: Reviews, matched: _MatchedReviews
) -> GoldRate:
    """Return the rate of wrong labels by the verdicts, with warnings on verdicts."""
    # Predictions narrow the interval of the reviewed pairs (`estimate_gold_rate`).
    predicted = wrong_label_probability(pairs, context)
    verdicts = matched.verdicts
    rate = audit_gold(pairs, predicted, verdicts.frame, reviews.sample, reviews.resume)
    return replace(rate, warnings=(*matched.warnings, *verdicts.warnings()))


def _right_label_share(report: AuditReport) -> float | None:
    """Return the share of right labels; None unless votes or reviewed pairs estimate it."""
    rate = None if report.estimate is None else report.estimate.rate
    return None if rate is None else 1.0 - rate
