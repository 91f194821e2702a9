"""Pages of what `curate audit` and `curate bench` write as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.auditing.audit_report import AuditReport
from curate.errors import CurateError
from curate.report.build import render_page, write_page


def write_json_report(path: Path, output: Path | None = None) -> Path:
    """Write the page of an audit or bench file, by default next to the file.

    Raises:
        CurateError: the file is neither.
    """
    try:
        findings = json.loads(path.read_text(encoding="utf-8"))
        is_bench = "advice" in findings
        html = (
            bench_html(findings)
            if is_bench
            else audit_html(AuditReport.from_json(findings), path.stem)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CurateError(
            "not an audit or bench file",
            where=str(path),
            found=f"{type(error).__name__}: {error}",
            expected="a file that 'curate audit' or 'curate bench' writes",
        ) from None
    return write_page(html, output or path.with_suffix(".html"))


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


def bench_html(bench: dict[str, Any]) -> str:
    """Return the results of `curate bench` as HTML."""
    tables = [
        sorted(
            (r for r in bench["summary"] if all(r[k] == v for k, v in advice["key"].items())),
            key=lambda row: -float(row["gain"] or 0.0),
        )
        for advice in bench["advice"]
    ]
    names = ("method", "gain", "gain_low", "gain_high", "verdict")
    gains = [[{name: row[name] for name in names} for row in table] for table in tables]
    return render_page(
        "bench.html.j2", title="Bench report", bench=bench, tables=tables, data={"gains": gains}
    )
