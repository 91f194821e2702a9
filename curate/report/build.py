"""Builds report.html: one file that needs nothing else."""

from __future__ import annotations

import json
import shlex
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from curate.data.table import messages_text, rows_at
from curate.errors import CurateError
from curate.report import charts
from curate.report.blocks import row_blocks, split_blocks
from curate.report.noise import noise
from curate.report.prompt_map import FILE
from curate.report.run_verdict import run_verdict, watched
from curate.report.run_view import RunView, load_view
from curate.report.shaded import shaded_answers
from curate.report.worddiff import LONGEST, word_diff
from curate.store.workspace import Workspace
from curate.write.shards import write_text

REPORT = "report.html"
# As many as a reader goes through by hand; the rest are in scores.parquet.
SUSPICIOUS = 20


def write_report(folder: str | Path, output: Path | None = None) -> Path:
    """Write the report of a finished run, by default to report.html in its folder.

    Raises:
        CurateError: the folder holds no finished run.
    """
    with tempfile.TemporaryDirectory() as room:
        return write_view(load_view(folder, Workspace(Path(room))), output)


def write_view(view: RunView, output: Path | None = None) -> Path:
    """Write the report of a run that is at hand, by default to report.html in its folder."""
    return written(report_html(view), output or view.folder / REPORT)


def report_html(view: RunView) -> str:
    """The report as HTML."""
    manifest = view.manifest
    data = {
        "funnel": charts.funnel(view),
        "histograms": charts.histograms(view),
        "points": charts.points(view),
        "lengths": charts.length_bias(view),
        "map": _map(view),
        "columns": {c["name"]: c for c in manifest["columns"]},
        "cartography": ["crm.loss_mean", "crm.loss_variance"],
    }
    data["noise"] = noise(view)
    alerts = [text for step in manifest["steps"] for text in step.get("alerts", ())]
    return page(
        "report.html.j2",
        title=f"{view.folder.name}: curated preference pairs",
        rows=manifest["rows"],
        steps=manifest["steps"],
        drop_codes=manifest.get("drop_codes", {}),
        input=manifest["input"],
        alerts=alerts,
        warnings=[text for text in manifest["warnings"] if text not in alerts],
        verdict=run_verdict(manifest["rows"], manifest["steps"], view.folder.name),
        watched=watched(manifest["steps"]),
        by_source=manifest.get("by_source", []),
        noise=data["noise"],
        lengths=data["lengths"],
        kinds=charts.kinds(view),
        tables={name: charts.groups(view, name) for name in ("source", "annotator")},
        suspicion=view.suspicion,
        suspicious=pairs_with_diff(view.most_suspicious(SUSPICIOUS), view),
        config=yaml.safe_dump(manifest["config"], sort_keys=False),
        versions=manifest["versions"],
        created=manifest["created"],
        command=_command(view),
        data=data,
        sampled=len(view.frame) > charts.POINTS,
        points=charts.POINTS,
    )


def written(html: str, path: Path) -> Path:
    """Write a page and return its path; raises CurateError where it cannot be written."""
    try:
        write_text(html, path)
    except OSError as error:
        raise CurateError(
            "the page cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            fix="free space or give --output; a run itself is whole: curate report makes its page",
        ) from None
    return path


def page(template: str, **values: Any) -> str:
    """A template with the styles, scripts and plotting library put into it."""
    return (
        _environment()
        .get_template(template)
        .render(css=asset("style.css"), js=asset("report.js"), plotly=_plotly(), **values)
    )


def pairs_with_diff(rows: pl.DataFrame, view: RunView) -> list[dict[str, Any]]:
    """Pairs as the templates show them: texts with a word diff, blocks to fold, fate, scores."""
    texts = rows.select(
        messages_text(part).alias(part) for part in ("prompt", "chosen", "rejected")
    )
    shown = []
    for row, text in zip(rows.to_dicts(), texts.to_dicts(), strict=True):
        blocks, said = zip(*(split_blocks(text[part]) for part in text), strict=True)
        chosen, rejected = word_diff(said[1], said[2])
        scores = {n: row[n] for n in view.numeric if row.get(n) is not None}
        shown.append(
            {
                "id": row["pair_id"],
                "prompt": blocks[0] + escape(said[0][:LONGEST]),
                "chosen": blocks[1] + chosen,
                "rejected": blocks[2] + rejected,
                "more": row_blocks(row, view.data_folders),
                "shaded": shaded_answers(row),
                "kept": row["kept"],
                "why": f"{row['drop_step']}: {row['drop_reason']}" if not row["kept"] else "",
                "scores": scores,
                "annotator": row["annotator"],
                "source": row["source"],
            }
        )
    return shown


def asset(name: str) -> str:
    """A file of the package's templates."""
    return resources.files("curate.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    file = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    # The end of a script inside the library's texts would end the page's script.
    return file.read_text(encoding="utf-8").replace("</script", "<\\/script")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("curate.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["percent"] = lambda value: "?" if value is None else f"{value:.1%}"
    environment.filters["score"] = _score
    environment.filters["embedded"] = _embedded
    return environment


def _score(value: Any) -> str:
    if value is None:
        return "?"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element in which it stands."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, default=str, separators=(",", ":")
    )
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _map(view: RunView) -> dict[str, Any] | None:
    """Places of prompts, whether their first pair was kept, and how they begin."""
    path = view.folder / FILE
    if not path.exists():
        return None
    places = view.frame[["pair_id"]].with_row_index("row")
    rows = pl.read_parquet(path).join(places, on="pair_id", maintain_order="left")
    text = messages_text("prompt").str.slice(0, 160)
    shown = rows_at(view.frame, rows["row"].to_numpy()).select("kept", text=text)
    return {
        "x": rows["x"].round(2).to_list(),
        "y": rows["y"].round(2).to_list(),
        "kept": shown["kept"].to_list(),
        "text": shown["text"].to_list(),
    }


def _command(view: RunView) -> str:
    output = shlex.quote(view.folder.name)
    return f"curate run pipeline.yaml --output {output}"
