"""The findings of `curate audit` in the terminal."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.audit.audit_report import AuditReport
from curate.audit.sections import Section
from curate.cli.console import out, show_facts, show_verdict, show_warnings
from curate.models.embed.told import embedding_notes

_SHOWN = 20
"""Rows of a table; audit.json and the page hold more."""


def show_audit(report: AuditReport) -> None:
    """The verdict, the agreement of heads, the data, then a table each."""
    show_verdict(report.verdict)
    show_warnings(embedding_notes(report.embedder))
    _noise(report)
    show_facts(report.data)
    for section in report.sections:
        out.print(_table(section))
        if section.note:
            out.print(Text(section.note))


def _noise(report: AuditReport) -> None:
    noise, gold = report.noise, report.gold
    if gold is not None:
        show_warnings(gold["warnings"])
        if gold["high"] is None:
            show_warnings([f"judged pairs: {gold['text']}"])
        elif noise.estimate is not None:
            # The verdict holds what judged pairs say.
            out.print(Text.assemble(("Wrong labels by heads: ", "bold"), noise.estimate.text))
    if noise.problem is not None:
        show_warnings([noise.problem])
    elif noise.learnt is not None and noise.calibration is not None:
        out.print(
            Text(
                f"Held-out heads agree with {noise.learnt.agreement.text}; calibration error "
                f"{noise.calibration.error:.3f} (scale {noise.calibration.scale:.2f})."
            )
        )


def _table(section: Section) -> Table:
    """Names may be cut to fit; numbers stay whole."""
    table = Table(title=section.title, title_justify="left", box=box.SIMPLE_HEAD)
    table.show_header = bool(section.head)
    columns = section.head or ("", "")
    for at, name in enumerate(columns):
        table.add_column(name, overflow="fold" if at == 0 else "ellipsis", no_wrap=at > 0)
    for row in section.rows[:_SHOWN]:
        table.add_row(*(escape(cell) for cell in row))
    return table
