"""Builds report.html: one file that needs nothing else."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

import polars as pl
import yaml

from curate.data.json_types import JsonObject
from curate.data.table import gather_pairs, messages_text
from curate.report import charts
from curate.report.noise_section import noise_section
from curate.report.page import render_page, write_page
from curate.report.pair_details import pairs_with_diff
from curate.report.prompt_map import PROMPT_MAP_FILE
from curate.report.run_verdict import run_verdict, share_shifts
from curate.report.run_view import RunView, as_read, load_view
from curate.steps.step_record import warnings_by_step
from curate.store.scratch import ScratchSpace

REPORT = "report.html"
# As many as a reader goes through by hand; the rest are in scores.parquet.
MAX_SUSPICIOUS_PAIRS = 20
# Half a point: smaller changes fill the table without telling anything.
MIN_SHOWN_SHIFT = 0.005


def write_report(folder: str | Path, output: Path | None = None) -> Path:
    """Write the report of a finished run, by default to report.html in its folder.

    Raises:
        CurateError: the folder holds no finished run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return write_view(load_view(folder, ScratchSpace(Path(scratch))), output)


def write_view(view: RunView, output: Path | None = None) -> Path:
    """Write the report of a loaded run, by default to report.html in its folder."""
    return write_page(report_html(view), output or view.folder / REPORT)


def report_html(view: RunView) -> str:
    """Return the report as HTML."""
    manifest = view.manifest
    noise = noise_section(view)
    data = {
        "histograms": charts.score_histograms(view),
        "points": charts.scatter_points(view),
        "lengths": charts.length_bias_histograms(view),
        "map": _prompt_map_data(view),
        "columns": {str(column["name"]): column for column in manifest.columns},
        "cartography": ["crm.loss_mean", "crm.loss_variance"],
        "noise": None if noise is None else noise.to_json(),
    }
    filters = [step for step in manifest.steps if step.kind == "filter"]
    suspicious = as_read(view.most_suspicious(MAX_SUSPICIOUS_PAIRS))
    return render_page(
        "report.html.j2",
        title=f"Curation report: {view.folder.name}",
        manifest=manifest,
        verdict=run_verdict(manifest.rows, manifest.steps, view.folder.name, manifest.data),
        filters=filters,
        suspected=view.suspected_labels(),
        warnings=warnings_by_step(manifest.steps),
        shifts=[s for s in share_shifts(manifest.steps) if s.size >= MIN_SHOWN_SHIFT],
        noise=data["noise"],
        kinds=charts.category_shares(view),
        tables={name: charts.group_rows(view, name) for name in ("source", "annotator")},
        suspicion=view.suspicion,
        suspicious=pairs_with_diff(suspicious, view),
        config=yaml.safe_dump(dict(manifest.config), sort_keys=False),
        command=_run_command(view),
        data=data,
        pairs=len(view.frame),
        points=min(charts.MAX_POINTS, len(view.frame)),
    )


def _prompt_map_data(view: RunView) -> JsonObject | None:
    """Return places of prompts, whether their first pair was kept, and how they begin."""
    path = view.folder / PROMPT_MAP_FILE
    if not path.exists():
        return None
    row_numbers = view.frame[["pair_id"]].with_row_index("row")
    rows = pl.read_parquet(path).join(row_numbers, on="pair_id", maintain_order="left")
    text = messages_text("prompt").str.slice(0, 160)
    prompts = gather_pairs(view.frame, rows["row"].to_numpy()).select("kept", text=text)
    return {
        "x": rows["x"].round(2).to_list(),
        "y": rows["y"].round(2).to_list(),
        "kept": prompts["kept"].to_list(),
        "text": prompts["text"].to_list(),
    }


def _run_command(view: RunView) -> str:
    output = shlex.quote(view.folder.name)
    return f"curate run pipeline.yaml --output {output}"
