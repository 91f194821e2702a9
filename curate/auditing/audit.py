"""An audit from Python: the same findings as an object."""

from __future__ import annotations

from os import PathLike

import polars as pl

from curate.auditing.audit_report import AuditReport
from curate.auditing.command import AuditOptions, Reviews, audit_pairs
from curate.data.limits import DEFAULT_MAX_PAIRS
from curate.models.embed.settings import EmbedderConfig, EmbedderSource
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Progress, SilentProgress
from curate.steps.models import ModelSpec
from curate.steps.registry import validate_model
from curate.verdicts.gold import GoldSource, to_gold_config


def audit(
    data: object,
    *,
    against: Pairs | None = None,
    embedder: EmbedderSource = "auto",
    store: str | None = "auto",
    seed: int = 0,
    style_columns: tuple[str, ...] = (),
    model: ModelSpec | None = None,
    beta: float = 0.1,
    disagreement: bool = False,
    gold: GoldSource | pl.DataFrame = None,
    sample: pl.DataFrame | None = None,
    most: int = DEFAULT_MAX_PAIRS,
    dataset: str | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit pairs; the numbers are those of `curate audit`.

    Args:
        data: pairs of `read_pairs`, or anything it accepts.
        against: another dataset, whose prompts are searched in this one.
        embedder: its name or settings.
        store: folder that keeps vectors and scores, "auto", or None.
        seed: seed of folds, starts and resamples.
        style_columns: keys of `extra` with numbers, which join the style traits.
        model: the language model whose ranking accuracy is measured.
        beta: DPO's beta, for the ranking accuracy of its optimum.
        disagreement: also split the labels into shared, taste, cycle and flip; takes longer.
        gold: reviews: files of verdicts, {"column": "extra.x"}, or what `read_verdicts` returns.
        sample: how the reviewed pairs were drawn, as `read_sample` returns it.
        most: larger datasets are sampled (see `AuditOptions`); 0 audits all pairs.
        dataset: the dataset as commands name it; default the path, where `data` is one.
        progress: receives the progress; default none.

    Raises:
        CurateError: data that cannot be read, or single answers, which have no labels.

    Examples:
        >>> rows = [{"prompt": f"{n}?", "chosen": f"{n}", "rejected": "?"} for n in range(60)]
        >>> "can't be estimated" in audit(rows).verdict.estimated  # the labels follow a rule
        True
    """
    pairs = data if isinstance(data, Pairs) else read_pairs(data)
    pairs.require_two_answers("audit")
    settings = validate_model(EmbedderConfig, embedder, "embedder")
    options = AuditOptions(settings, store, seed, style_columns, model, beta, disagreement, most)
    verdicts = gold if isinstance(gold, pl.DataFrame) else to_gold_config(gold)
    reviews = None if verdicts is None else Reviews(verdicts, sample)
    name = str(data) if dataset is None and isinstance(data, str | PathLike) else dataset
    return audit_pairs(pairs, progress or SilentProgress(), options, against, reviews, name)
