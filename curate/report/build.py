"""Builds report.html: one file that needs nothing else."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from curate.data.json_types import JsonObject
from curate.data.table import gather_pairs, messages_text
from curate.errors import CurateError
from curate.report import charts
from curate.report.blocks import row_blocks, split_blocks
from curate.report.noise_section import noise_section
from curate.report.prompt_map import PROMPT_MAP_FILE
from curate.report.run_verdict import run_verdict, share_shifts
from curate.report.run_view import RunView, load_view
from curate.report.token_highlights import highlight_tokens
from curate.report.word_diff import MAX_CHARACTERS, word_diff
from curate.store.scratch import ScratchSpace
from curate.write.shards import write_text

REPORT = "report.html"
# As many as a reader goes through by hand; the rest are in scores.parquet.
MAX_SUSPICIOUS_PAIRS = 20


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
    data = {
        "funnel": charts.funnel_rows(view),
        "histograms": charts.score_histograms(view),
        "points": charts.scatter_points(view),
        "lengths": charts.length_bias_histograms(view),
        "map": _prompt_map_data(view),
        "columns": {str(column["name"]): column for column in manifest.columns},
        "cartography": ["crm.loss_mean", "crm.loss_variance"],
    }
    noise = noise_section(view)
    data["noise"] = None if noise is None else noise.to_json()
    return render_page(
        "report.html.j2",
        title=f"Curation report: {view.folder.name}",
        manifest=manifest,
        warnings=[text for text in manifest.warnings if text not in manifest.alerts],
        verdict=run_verdict(manifest.rows, manifest.steps, view.folder.name, manifest.data),
        shifts=share_shifts(manifest.steps),
        noise=data["noise"],
        lengths=data["lengths"],
        kinds=charts.category_shares(view),
        tables={name: charts.group_rows(view, name) for name in ("source", "annotator")},
        suspicion=view.suspicion,
        suspicious=pairs_with_diff(view.most_suspicious(MAX_SUSPICIOUS_PAIRS), view),
        config=yaml.safe_dump(dict(manifest.config), sort_keys=False),
        command=_run_command(view),
        data=data,
        sampled=len(view.frame) > charts.MAX_POINTS,
        points=charts.MAX_POINTS,
    )


def write_page(html: str, path: Path) -> Path:
    """Write a page and return its path; raises CurateError where it cannot be written."""
    try:
        write_text(html, path)
    except OSError as error:
        raise CurateError(
            "the page cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            fix="free space or set --output; the run is complete: curate report writes its page",
        ) from None
    return path


def render_page(template: str, **values: Any) -> str:
    """Return a template with the styles, scripts and plotting library put into it."""
    return (
        _jinja_environment()
        .get_template(template)
        .render(
            css=read_asset("style.css"),
            js=read_asset("report.js"),
            plotly=_plotly_source(),
            **values,
        )
    )


@dataclass(frozen=True)
class PairDetails:
    """A pair as the pages show it.

    Attributes:
        id: its id.
        prompt: prompt, as HTML with blocks to fold.
        chosen: chosen answer, with the words marked that the other one lacks.
        rejected: the same of the rejected answer.
        more: what belongs to the pair besides texts, as HTML.
        token_highlights: name of each step that gives tokens, and both answers shaded by them.
        is_kept: whether the run kept it.
        why: why it is shown here, or was dropped.
        scores: its numeric scores.
        annotator: who judged it.
        source: where it came from.
    """

    id: str
    prompt: Markup
    chosen: Markup
    rejected: Markup
    more: Markup
    token_highlights: list[tuple[str, list[Markup]]]
    is_kept: bool
    why: str
    scores: dict[str, float]
    annotator: str | None
    source: str | None

    def to_json(self) -> JsonObject:
        """Return the details as the review page reads them."""
        details: JsonObject = {f.name: getattr(self, f.name) for f in fields(self)}
        details["shaded"] = details.pop("token_highlights")
        details["kept"] = details.pop("is_kept")
        return details


def pairs_with_diff(rows: pl.DataFrame, view: RunView) -> list[PairDetails]:
    """Return pairs as the pages show them, with a word diff of the answers."""
    texts = rows.select(
        messages_text(side).alias(side) for side in ("prompt", "chosen", "rejected")
    )
    pairs = []
    for row, text in zip(rows.to_dicts(), texts.to_dicts(), strict=True):
        blocks, answer_texts = zip(*(split_blocks(text[side]) for side in text), strict=True)
        chosen, rejected = word_diff(answer_texts[1], answer_texts[2])
        pairs.append(
            PairDetails(
                row["pair_id"],
                blocks[0] + escape(answer_texts[0][:MAX_CHARACTERS]),
                blocks[1] + chosen,
                blocks[2] + rejected,
                row_blocks(row, view.data_folders),
                highlight_tokens(row),
                row["kept"],
                f"{row['drop_step']}: {row['drop_reason']}" if not row["kept"] else "",
                {n: row[n] for n in view.numeric if row.get(n) is not None},
                row["annotator"],
                row["source"],
            )
        )
    return pairs


def read_asset(name: str) -> str:
    """Return a file of the package's templates."""
    return resources.files("curate.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _plotly_source() -> str:
    file = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    # The end of a script inside the library's texts would end the page's script.
    return file.read_text(encoding="utf-8").replace("</script", "<\\/script")


@cache
def _jinja_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("curate.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["percent"] = lambda value: "?" if value is None else f"{value:.1%}"
    environment.filters["score"] = _format_score
    environment.filters["embedded"] = _embed_json
    return environment


def _format_score(value: Any) -> str:
    if value is None:
        return "?"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _embed_json(value: Any) -> str:
    """Return JSON that cannot close the script element around it."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, default=str, separators=(",", ":")
    )
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


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
