"""Pages of what `curate audit` and `curate bench` write as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.audit.audit_report import AuditReport
from curate.errors import CurateError
from curate.report.build import page, written


def write_json_report(path: Path, output: Path | None = None) -> Path:
    """Write an audit or a bench as a page, by default beside its file.

    Raises:
        CurateError: the file is neither.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        is_bench = "advice" in found
        html = (
            bench_html(found) if is_bench else audit_html(AuditReport.from_json(found), path.stem)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CurateError(
            "the file is no audit and no bench",
            where=str(path),
            found=f"{type(error).__name__}: {error}",
            expected="a file that 'curate audit' or 'curate bench' writes",
        ) from None
    return written(html, output or path.with_suffix(".html"))


def audit_html(report: AuditReport, name: str) -> str:
    """The findings of `curate audit` as HTML."""
    return page(
        "audit.html.j2",
        title=f"{name}: audit",
        report=report,
        verdict=report.verdict,
        sections=report.sections,
        data={"noise": {"reliability_curve": report.noise.reliability_curve}},
    )


def bench_html(found: dict[str, Any]) -> str:
    """The results of `curate bench` as HTML."""
    tables = [
        sorted(
            (r for r in found["summary"] if all(r[k] == v for k, v in advice["key"].items())),
            key=lambda row: -float(row["gain"] or 0.0),
        )
        for advice in found["advice"]
    ]
    names = ("method", "gain", "gain_low", "gain_high", "verdict")
    gains = [[{name: row[name] for name in names} for row in table] for table in tables]
    return page("bench.html.j2", title="Bench", found=found, tables=tables, data={"gains": gains})
