"""Pages of what `curate audit` and `curate bench` write as JSON."""

from __future__ import annotations

import json
from pathlib import Path


def write_json_report(path: Path, output: Path | None = None) -> Path:
    """Write the page of an audit or bench file, by default next to the file.

    Raises:
        CurateError: the file is neither.
    """
    from curate.errors import CurateError
    from curate.report.page import write_page

    try:
        html = _page_of_file(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CurateError(
            "not an audit or bench file",
            where=str(path),
            found=f"{type(error).__name__}: {error}",
            expected="a file that 'curate audit' or 'curate bench' writes",
        ) from None
    return write_page(html, output or path.with_suffix(".html"))


def _page_of_file(path: Path) -> str:
    from curate.auditing.audit_report import AuditReport
    from curate.benchmark.page import bench_html
    from curate.benchmark.report import BenchFindings
    from curate.report.audit_page import audit_html

    findings = json.loads(path.read_text(encoding="utf-8"))
    if "advice" in findings:
        return bench_html(BenchFindings.from_json(findings))
    return audit_html(AuditReport.from_json(findings), path.stem)
