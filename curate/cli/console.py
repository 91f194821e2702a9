"""What the command line shows: tables and errors."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.safe import SafeConsole

if TYPE_CHECKING:
    from curate.audit.verdict import Verdict
    from curate.errors import CurateError
    from curate.pipeline.plan import Plan
    from curate.pipeline.result import Result

out = SafeConsole()
err = SafeConsole(stderr=True)
_PAIR_CHARACTERS, _PAIR_LINES = 600, 8
"""Of each part of a pair that is shown."""


def show_error(error: CurateError) -> None:
    """A user's mistake, without a stack trace."""
    first, *rest = error.text().splitlines()
    err.print(Text.assemble(("error: ", "bold red"), (first, "bold")))
    for line in rest:
        err.print(Text(line))


def show_warnings(warnings: list[str]) -> None:
    """Warnings, one a line."""
    for warning in warnings:
        err.print(Text.assemble(("warning: ", "bold yellow"), warning))


def show_verdict(verdict: Verdict) -> None:
    """What was counted, what is estimated, what is not known, and what to do next."""
    for title, text in verdict.lines:
        # A command must stay on its line to be copied.
        out.print(Text.assemble((f"{title}: ", "bold"), text), soft_wrap="\n" in text)


def show_result(result: Result) -> None:
    """The verdict, what each step did, what was kept, and where it is."""
    from curate.read.notes import rejected_rows_note
    from curate.report.run_verdict import run_verdict

    rows = {"in": result.rows_in, "kept": result.rows_kept, "dropped": result.rows_dropped}
    show_warnings(result.alerts)
    folder = None if result.folder is None else str(result.folder)
    show_verdict(run_verdict(rows, [asdict(step) for step in result.steps], folder))
    table = Table(title="Steps", title_justify="left")
    table.add_column("step")
    for name in ("rows in", "kept", "dropped", "seconds"):
        table.add_column(name, justify="right")
    for step in result.steps:
        is_filter = step.kind == "filter"
        dropped = f"{step.rows_in - step.rows_out:,}" if is_filter else ""
        name = f"{step.name} (from the store)" if step.facts.get("cached") else step.name
        cells = (f"{step.rows_in:,}", f"{step.rows_out:,}", dropped, f"{step.seconds:.2f}")
        table.add_row(escape(name), *cells)
    table.add_section()
    kept, dropped_all = result.rows_kept, result.rows_dropped
    seconds = sum(step.seconds for step in result.steps)
    table.add_row("all", f"{result.rows_in:,}", f"{kept:,}", f"{dropped_all:,}", f"{seconds:.2f}")
    out.print(table)
    if len(result.rejected):
        told = rejected_rows_note(len(result.rejected), result.rejected)[0]
        show_warnings([f"{told}: see rejected_rows.parquet"])
    for step in result.steps:
        if "weighing" in step.facts:
            out.print(Text(f"weights: {step.facts['weighing']}"))
    _show_sources(result.sources)
    show_warnings([text for text in result.warnings if text not in result.alerts])
    if result.folder is not None:
        _show_places(result.folder)


def _show_sources(rows: list[dict[str, Any]]) -> None:
    """What was done to each source of several."""
    if not rows:
        return
    table = Table(title="By source: chosen is longer before and after", title_justify="left")
    table.add_column("source", overflow="fold")
    for name in ("pairs", "kept", "before", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("wrong labels", overflow="fold")
    for row in rows:
        shares = (row["longer_before"], row["longer_after"])
        longer = ("" if v is None else f"{v:.0%}" for v in shares)
        counts = (f"{row['pairs']:,}", f"{row['kept']:,}")
        table.add_row(escape(row["source"]), *counts, *longer, escape(row.get("noise", "")))
    out.print(table)


def _show_places(folder: Path) -> None:
    for label, name in (
        ("curated shards", "kept"),
        ("dropped pairs", "dropped"),
        ("scores", "scores.parquet"),
        ("report", "report.html"),
        ("dataset card", "README.md"),
        ("summary", "manifest.json"),
    ):
        if not (folder / name).exists():
            continue
        # Plain print: a path must not be wrapped or coloured by what it holds.
        out.print(Text(f"{label + ':':<16}{folder / name}"), soft_wrap=True)


def show_plan(plan: Plan, facts: dict[str, Any], output: str, file_scores: tuple[str, ...]) -> None:
    """What a run would do; `file_scores`: the margins of the file that `evidence: auto` takes."""
    table = Table(title="Plan", title_justify="left")
    for name in ("step", "does", "columns"):
        table.add_column(name, overflow="fold")
    for step in plan.scorers:
        does = step.scorer.summary
        if step.takes_evidence:
            names = (*(e.column for e in step.evidence), *(file_scores if step.file_scores else ()))
            does += f"\nevidence: {', '.join(names) or 'none'}"
        table.add_row(step.name, does, _names(step.columns()))
    table.add_section()
    for filter_step in plan.filters:
        reads = ", ".join(filter_step.filter.reads())
        table.add_row(filter_step.name, filter_step.filter.summary, f"reads {reads}")
    out.print(table)
    found = f"format {facts['format']}, first rows read without a mistake ({facts['pairs']} pairs)"
    out.print(Text(f"input:  {found}"))
    if facts["gold"]:
        out.print(Text(f"gold:   {facts['gold']}"))
    out.print(Text(f"output: {output}, format {plan.export.name}"))
    out.print("Nothing was written.")


def _names(columns: Any) -> str:
    return "\n".join(column.name for column in columns)


def show_facts(facts: dict[str, Any]) -> None:
    """The findings of `curate inspect`."""
    table = Table(show_header=False)
    table.add_column("fact")
    table.add_column("value", overflow="fold")
    for name, value in facts.items():
        if name != "characters":
            table.add_row(name.replace("_", " "), escape(_shown(value)))
    out.print(table)
    lengths = Table(title="Length in characters", title_justify="left")
    lengths.add_column("")
    rows = facts["characters"]
    for quantile in rows["prompt"]:
        lengths.add_column(quantile, justify="right")
    for part, quantiles in rows.items():
        lengths.add_row(part, *(f"{v:,}" for v in quantiles.values()))
    out.print(lengths)


def show_pair(parts: dict[str, str]) -> None:
    """A pair as it was understood, each part cut to a few lines."""
    if not parts:
        return
    title = "The first pair as it was understood"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("part", style="bold")
    table.add_column("text", overflow="fold")
    for name, text in parts.items():
        lines = text[:_PAIR_CHARACTERS].splitlines() or [""]
        shown = "\n".join(lines[:_PAIR_LINES])
        more = len(text) - len(shown)
        table.add_row(name, Text(shown + (f" … ({more:,} more characters)" if more > 0 else "")))
    out.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v:,}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def show_list(found: dict[str, Any]) -> None:
    """Scorers and filters by what they are for, a line each; then formats and exports."""
    for section in ("scorers", "filters"):
        purposes = dict.fromkeys(entry["purpose"] for entry in found[section].values())
        for purpose in purposes:
            out.print(Text(f"{section}: {purpose}", style="bold"))
            _lines({n: e for n, e in found[section].items() if e["purpose"] == purpose})
    for section in ("formats", "exports"):
        names = ", ".join(found[section])
        out.print(Text.assemble((f"{section}: ", "bold"), names), soft_wrap=not out.is_terminal)
    for name, reason in found["unusable"].items():
        err.print(Text.assemble(("cannot be used: ", "bold yellow"), f"{name}: {reason}"))
    out.print("details: curate list NAME; of a format or export too; as data: --json")


def _lines(entries: dict[str, Any]) -> None:
    """Name and summary; a name is never broken, a summary is cut at the edge of a terminal."""
    width = max((len(name) for name in entries), default=0)
    for name, entry in entries.items():
        line = Text(f"  {name:<{width}}  {entry['summary']}")
        if out.is_terminal and out.width > width + 20:
            line.truncate(out.width, overflow="ellipsis")
        out.print(line, soft_wrap=True)


def show_recipes(found: dict[str, str]) -> None:
    """Names and summaries of recipes."""
    table = Table("recipe", "does", title="Recipes", title_justify="left")
    for name, summary in found.items():
        table.add_row(name, escape(summary))
    out.print(table)
    out.print("Write one as a pipeline: curate init --recipe NAME")


def show_step(name: str, entry: dict[str, Any]) -> None:
    """One scorer or filter: parameters, columns and paper."""
    out.print(Text.assemble((name, "bold"), f": {entry['summary']}"))
    if entry["when"]:
        out.print(Text(f"when: {entry['when']}"))
    out.print(Text(f"cost: {entry['cost']}"))
    if entry["reference"]:
        out.print(Text(f"paper: {entry['reference']}"))
    table = Table("parameter", "default", "meaning", title="Parameters", title_justify="left")
    for parameter, facts in entry["parameters"].items():
        table.add_row(parameter, escape(str(facts["default"])), escape(facts["meaning"]))
    if entry["parameters"]:
        out.print(table)
    table = Table("column", "meaning", "unit", "direction", title="Columns", title_justify="left")
    for column in entry["columns"]:
        cells = (column["name"], column["meaning"], column["unit"], column["direction"])
        table.add_row(*(escape(cell) for cell in cells))
    if entry["columns"]:
        out.print(table)
