"""An audit from Python: the same findings as an object."""

from __future__ import annotations

from os import PathLike
from typing import Any

import polars as pl

from curate.audit.audit_report import AuditReport
from curate.audit.command import audit_pairs
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Progress, SilentProgress
from curate.verdicts.gold import to_gold_config


def audit_data(
    data: Any,
    *,
    progress: Progress | None = None,
    embedder: str | EmbedderConfig = "auto",
    gold: Any = None,
    **options: Any,
) -> AuditReport:
    """Audit pairs.

    Args:
        data: pairs of `read_pairs`, or anything it accepts.
        progress: receives the progress; default none.
        embedder: its name or settings.
        gold: reviewed pairs: a file of verdicts, several, {"column": "extra.x"}, or verdicts of
            `read_verdicts`.
        **options: of `curate.audit.command.audit`: `against`, `sample`, `seed`, `model`...

    Raises:
        CurateError: data that cannot be read.
    """
    pairs = data if isinstance(data, Pairs) else read_pairs(data)
    settings = EmbedderConfig(name=embedder) if isinstance(embedder, str) else embedder
    name = str(data) if isinstance(data, str | PathLike) else None
    reporter = progress or SilentProgress()
    gold_source = gold if isinstance(gold, pl.DataFrame) else to_gold_config(gold)
    return audit_pairs(
        pairs, reporter, embedder=settings, gold=gold_source, **({"dataset": name} | options)
    )
