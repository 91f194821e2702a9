"""`curate audit`: everything that can be said of a data set before it is filtered."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from curate.audit.agreement import audit_agreement
from curate.audit.artefacts import audit_artefacts
from curate.audit.audit_report import AuditReport
from curate.audit.biases import audit_biases
from curate.audit.candidates import audit_candidates
from curate.audit.disagreement import audit_disagreement
from curate.audit.feedback import audit_feedback
from curate.audit.gold import audit_gold
from curate.audit.noise import audit_noise, audited_evidence, suspicion
from curate.audit.ranking import audit_ranking
from curate.audit.structure import audit_leakage, audit_structure
from curate.audit.style import audit_style
from curate.data.bounds import MOST_PAIRS
from curate.models.embed.frame import embed_frame, standalone_context
from curate.models.embed.settings import EmbedderConfig
from curate.read.inspection import inspect_pairs
from curate.read.pairs import Pairs
from curate.read.prompt_sample import sample_pair_table
from curate.steps.context import Progress
from curate.steps.models import ModelSpec
from curate.verdicts.gold import GoldConfig, gold_verdicts
from curate.verdicts.match import judged_labels, match_verdicts
from curate.versions import versions


def audit(
    pairs: Pairs,
    progress: Progress,
    against: Pairs | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
    seed: int = 0,
    style_columns: tuple[str, ...] = (),
    model: ModelSpec | None = None,
    beta: float = 0.1,
    disagreement: bool = False,
    gold: pl.DataFrame | GoldConfig | None = None,
    sample: pl.DataFrame | None = None,
    resume: str = "curate review DRAWN",
    most: int = MOST_PAIRS,
    dataset: str | None = None,
) -> AuditReport:
    """All findings.

    Args:
        pairs: the data set.
        progress: where progress is shown.
        against: another data set, whose prompts are looked for in this one.
        embedder: of the texts; default the one that comes with curate.
        store: as in pipeline.yaml.
        seed: of folds, starts and resamples.
        style_columns: keys of `extra` with numbers that stand beside the traits of style.
        model: whose ranking accuracy is measured.
        beta: of DPO, for what its optimum from that model would rank right.
        disagreement: also split the labels into shared, taste, cycle and flip, which takes longer.
        gold: verdicts on some of the pairs (`read_verdicts`), or where they are, by which the noise
            rate is estimated.
        sample: how they were drawn; see `audit_gold`.
        resume: the command by which judging goes on.
        most: of more pairs all but `data`, `agreement`, `structure` and `leakage` are told by a
            random sample of the prompts, and their intervals are those of the sample; 0 takes all,
            as judged pairs do.
        dataset: the data set as commands name it, for the commands to copy.
    """
    settings = embedder or EmbedderConfig()
    frame, sampled = pairs.frame, None
    if most and gold is None:
        frame, sampled = sample_pair_table(frame, most, seed)
    features, facts = embed_frame(frame, settings, store, progress, media=pairs.folders)
    context = standalone_context(settings, store, seed, progress)
    context.features_of = lambda: features
    warnings: list[str] = []
    matched = None
    if gold is not None:
        matched = match_verdicts(frame, gold_verdicts(gold, frame, warnings))
        matched.require_all("--gold")
    judged = None if matched is None else judged_labels(frame, matched.frame)
    context.evidence = audited_evidence(frame, judged)
    report = AuditReport(
        versions=versions(),
        seed=seed,
        dataset=dataset,
        embedder=facts,
        data=inspect_pairs(pairs),
        sampled=sampled,
        noise=audit_noise(frame, context),
        agreement=audit_agreement(pairs.frame),
        biases=audit_biases(frame),
        artefacts=audit_artefacts(frame),
        style=audit_style(frame, context, style_columns),
        structure=audit_structure(pairs.frame),
        candidates=audit_candidates(frame, context),
        feedback=audit_feedback(frame),
        disagreement=audit_disagreement(frame, context) if disagreement else None,
        leakage=None if against is None else audit_leakage(pairs.frame, against.frame),
    )
    if matched is not None:
        rate = audit_gold(frame, suspicion(frame, context), matched.frame, sample, resume)
        report = replace(report, gold=rate | {"warnings": [*warnings, *matched.warnings()]})
    if model is not None:
        # Known only where votes or judged pairs give a rate, whatever a fit ends with.
        rate_of_wrong = None if report.estimate is None else report.estimate.rate
        reliability = None if rate_of_wrong is None else 1.0 - rate_of_wrong
        ranking = audit_ranking(frame, context, model, beta, reliability)
        report = replace(report, ranking=ranking)
    return report
