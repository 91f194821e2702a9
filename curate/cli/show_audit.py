"""Terminal output of `curate audit`."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.auditing.audit_report import AuditReport
from curate.auditing.sections import AuditTable, leakage_table
from curate.auditing.single_answers import NO_LABELS, AnswerAudit
from curate.cli.console import out, show_summary, show_verdict, show_warnings

_MAX_ROWS = 20
"""Maximum rows of a table; audit.json and the page have all of them."""


def show_any_audit(report: AuditReport | AnswerAudit) -> None:
    """Print the audit of pairs or of single answers."""
    if isinstance(report, AnswerAudit):
        _show_answer_audit(report)
    else:
        show_audit(report)


def show_audit(report: AuditReport) -> None:
    """Print the summary, noise estimates, data facts and all tables."""
    show_verdict(report.verdict)
    show_warnings(report.embedder.notes)
    _show_noise(report)
    show_summary(report.data)
    for section in report.sections:
        out.print(_section_table(section))
        if section.note:
            out.print(Text(section.note))


def _show_answer_audit(report: AnswerAudit) -> None:
    """Print the facts and the problems of single answers."""
    out.print(Text(NO_LABELS))
    show_summary(report.data)
    # No rows are a valid audit, and every share of it is 0.
    total = max(report.data.pairs, 1)
    rows = [(name, f"{n:,}", f"{n / total:.1%}") for name, n in report.problems.items()]
    out.print(
        _section_table(AuditTable("Problems of the texts", rows, ("problem", "rows", "share")))
    )
    leakage = leakage_table(report.leakage)
    if leakage is not None:
        out.print(_section_table(leakage))
    show_warnings([f"{name} was not measured: {fix}" for name, fix in report.not_measured.items()])


def _show_noise(report: AuditReport) -> None:
    noise, gold = report.noise, report.gold
    if gold is not None:
        show_warnings(list(gold.warnings))
        if gold.high is None:
            show_warnings([f"reviewed pairs: {gold.text}"])
        elif noise.estimate is not None:
            # The summary already has the rate from reviewed pairs.
            out.print(
                Text.assemble(("Wrong labels, estimated by probes: ", "bold"), noise.estimate.text)
            )
    if noise.problem is not None:
        show_warnings([noise.problem])
    elif noise.learnt is not None and noise.calibration is not None:
        out.print(
            Text(
                f"Held-out probes agree with {noise.learnt.agreement.text}; calibration error "
                f"{noise.calibration.error:.3f} (temperature {noise.calibration.scale:.2f})."
            )
        )


def _section_table(section: AuditTable) -> Table:
    """Build the table of a section; names may be cut to fit, numbers are not."""
    table = Table(title=section.title, title_justify="left", box=box.SIMPLE_HEAD)
    table.show_header = bool(section.head)
    columns = section.head or ("", "")
    for position, name in enumerate(columns):
        # Only the first column holds names of the data, of any length.
        table.add_column(
            name, overflow="fold" if position == 0 else "ellipsis", no_wrap=position > 0
        )
    for row in section.rows[:_MAX_ROWS]:
        table.add_row(*(escape(cell) for cell in row))
    return table
