"""An audit from Python: the same findings as an object."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import polars as pl

from curate.audit.command import audit
from curate.audit.sections import Section, audit_sections
from curate.audit.verdict import Verdict, noise_estimate
from curate.data.html import facts_html, table_html
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Progress, SilentProgress
from curate.verdicts.gold import as_gold


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        found: everything, as plain data; what `curate audit -o` writes.
    """

    found: dict[str, Any]

    @property
    def verdict(self) -> Verdict:
        """What was counted, what is estimated, what is not known, and what to do next."""
        return Verdict(**self.found["verdict"])

    @property
    def noise(self) -> dict[str, Any]:
        """The rate of wrong labels as far as it can be estimated: `rate`, `low`, `high`, `text`.

        By judged pairs where there are some; `rate` is None where there is no point estimate.
        """
        return noise_estimate(self.found)

    @property
    def sections(self) -> list[Section]:
        """All tables that the command prints."""
        return audit_sections(self.found)

    def _repr_html_(self) -> str:
        tables = (table_html(s.title, s.head, s.rows) for s in self.sections)
        return facts_html(dict(self.verdict.lines)) + "".join(tables)


def audit_data(
    data: Any,
    *,
    progress: Progress | None = None,
    embedder: str | EmbedderConfig = "auto",
    gold: Any = None,
    **options: Any,
) -> Audit:
    """Audit pairs.

    Args:
        data: pairs of `read_pairs`, or whatever that takes.
        progress: where progress is shown; default nowhere.
        embedder: its name or settings.
        gold: judged pairs: a file of verdicts, several, {"column": "extra.x"}, or verdicts of
            `read_verdicts`.
        **options: of `curate.audit.command.audit`: `against`, `sample`, `seed`, `model`...

    Raises:
        CurateError: data that cannot be read.
    """
    pairs = data if isinstance(data, Pairs) else read_pairs(data)
    settings = EmbedderConfig(name=embedder) if isinstance(embedder, str) else embedder
    name = str(data) if isinstance(data, str | PathLike) else None
    shown = progress or SilentProgress()
    judged = gold if isinstance(gold, pl.DataFrame) else as_gold(gold)
    found = audit(pairs, shown, embedder=settings, gold=judged, **({"dataset": name} | options))
    return Audit(found)
