"""The page of an audit."""

from __future__ import annotations

from curate.auditing.audit_report import AuditReport
from curate.auditing.single_answers import NO_LABELS, AnswerAudit
from curate.report.page import render_page


def audit_html(report: AuditReport, name: str) -> str:
    """Return the findings of `curate audit` as HTML."""
    curve = [point.to_json() for point in report.noise.reliability_curve]
    return render_page(
        "audit.html.j2",
        title=f"Audit report: {name}",
        report=report,
        verdict=report.verdict,
        sections=report.sections,
        data={"noise": {"reliability_curve": curve}},
    )


def answers_html(audit: AnswerAudit, name: str) -> str:
    """Return the findings of `curate audit` on single answers as HTML."""
    return render_page(
        "answers.html.j2",
        title=f"Audit report: {name}",
        audit=audit,
        no_labels=NO_LABELS,
        data={},
    )
