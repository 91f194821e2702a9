"""The page of a bench."""

from __future__ import annotations

from curate.benchmark.report import BenchFindings
from curate.report.page import render_page

_PLOTTED = ("method", "gain", "gain_low", "gain_high", "verdict")


def bench_html(bench: BenchFindings) -> str:
    """Return the results of `curate bench` as HTML."""
    tables = [bench.results(advice.key) for advice in bench.advice]
    gains = [[{name: getattr(row, name) for name in _PLOTTED} for row in rows] for rows in tables]
    return render_page(
        "bench.html.j2", title="Bench report", bench=bench, tables=tables, data={"gains": gains}
    )
