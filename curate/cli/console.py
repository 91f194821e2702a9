"""Output of the command line: tables, warnings and errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.safe import SafeConsole

if TYPE_CHECKING:
    from curate.auditing.verdict import VerdictSentences
    from curate.errors import CurateError
    from curate.pipeline.plan import PipelinePlan
    from curate.pipeline.result import Result
    from curate.read.inspection import DatasetSummary
    from curate.read.pairs import Pairs
    from curate.steps.contracts import Column
    from curate.verdicts.gold import GoldConfig
    from curate.write.manifest import SourceSummary

out = SafeConsole()
err = SafeConsole(stderr=True)
_PAIR_CHARACTERS, _PAIR_LINES = 600, 8
"""Maximum characters and lines shown for each text of a pair."""


def show_error(error: CurateError) -> None:
    """Print an error without a stack trace."""
    first, *details = error.text().splitlines()
    # As Text: a bracket in a message would be read as rich's markup.
    err.print(Text.assemble(("error: ", "bold red"), (first, "bold")))
    for line in details:
        err.print(Text(line))


def show_warnings(warnings: list[str]) -> None:
    """Print warnings, one per line."""
    for warning in warnings:
        err.print(Text.assemble(("warning: ", "bold yellow"), warning))


def show_verdict(verdict: VerdictSentences) -> None:
    """Print counts, estimates, open questions and next steps."""
    for title, text in verdict.lines:
        # Commands are not wrapped, so that they can be copied.
        out.print(Text.assemble((f"{title}: ", "bold"), text), soft_wrap="\n" in text)


def show_result(result: Result) -> None:
    """Print the summary of a run, its steps, the counts and the output paths."""
    from curate.read.notes import rejected_rows_note
    from curate.report.run_verdict import run_verdict

    show_warnings(result.alerts)
    folder = None if result.folder is None else str(result.folder)
    show_verdict(run_verdict(result.row_counts, result.steps, folder))
    table = Table(title="Steps", title_justify="left")
    table.add_column("step")
    for name in ("rows in", "kept", "dropped", "seconds"):
        table.add_column(name, justify="right")
    for step in result.steps:
        is_filter = step.kind == "filter"
        dropped = f"{step.rows_in - step.rows_out:,}" if is_filter else ""
        name = f"{step.name} (cached)" if step.cached else step.name
        cells = (f"{step.rows_in:,}", f"{step.rows_out:,}", dropped, f"{step.seconds:.2f}")
        table.add_row(escape(name), *cells)
    table.add_section()
    rows_kept, rows_dropped = result.rows_kept, result.rows_dropped
    seconds = sum(step.seconds for step in result.steps)
    table.add_row(
        "all", f"{result.rows_in:,}", f"{rows_kept:,}", f"{rows_dropped:,}", f"{seconds:.2f}"
    )
    out.print(table)
    if len(result.rejected):
        note = rejected_rows_note(len(result.rejected), result.rejected)[0]
        show_warnings([f"{note}: see rejected_rows.parquet"])
    if result.weights is not None:
        out.print(Text(f"weights: {result.weights.text}"))
    _show_sources(result.sources)
    # Alerts stand at the top already.
    show_warnings([text for text in result.warnings if text not in result.alerts])
    if result.folder is not None:
        _show_paths(result.folder)


def _show_sources(sources: Sequence[SourceSummary]) -> None:
    """Print the results by source of a mixture."""
    if not sources:
        return
    table = Table(title="By source: chosen is longer before and after", title_justify="left")
    table.add_column("source", overflow="fold")
    for name in ("pairs", "kept", "before", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("wrong labels", overflow="fold")
    for source in sources:
        shares = (source.longer_before, source.longer_after)
        longer = ("" if v is None else f"{v:.0%}" for v in shares)
        counts = (f"{source.pairs:,}", f"{source.pairs_kept:,}")
        table.add_row(escape(source.source), *counts, *longer, escape(source.noise or ""))
    out.print(table)


def _show_paths(folder: Path) -> None:
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
        # A path must not be wrapped, or coloured by markup that it contains.
        out.print(Text(f"{label + ':':<16}{folder / name}"), soft_wrap=True)


def show_plan(
    plan: PipelinePlan,
    pairs: Pairs,
    gold: GoldConfig | None,
    output: str,
    file_scores: tuple[str, ...],
) -> None:
    """Print the plan of a run.

    Args:
        plan: the scorers and filters.
        pairs: the first pairs.
        gold: where reviewed pairs are.
        output: the output folder.
        file_scores: margins in the file that `evidence: auto` uses.
    """
    table = Table(title="Plan", title_justify="left")
    for name in ("step", "does", "columns"):
        table.add_column(name, overflow="fold")
    for step in plan.scorers:
        does = step.scorer.summary
        if step.takes_evidence:
            names = (*(e.column for e in step.evidence), *(file_scores if step.file_scores else ()))
            does += f"\nevidence: {', '.join(names) or 'none'}"
        table.add_row(step.name, does, _column_names(step.columns()))
    table.add_section()
    for filter_step in plan.filters:
        reads = ", ".join(filter_step.filter.reads())
        table.add_row(filter_step.name, filter_step.filter.summary, f"reads {reads}")
    out.print(table)
    summary = f"format {pairs.format}, first rows read without errors ({len(pairs)} pairs)"
    out.print(Text(f"input:  {summary}"))
    if gold is not None:
        out.print(Text(f"gold:   {gold.text()}"))
    out.print(Text(f"output: {output}, format {plan.export.name}"))
    out.print("Nothing was written.")


def _column_names(columns: Iterable[Column]) -> str:
    return "\n".join(column.name for column in columns)


def show_summary(summary: DatasetSummary) -> None:
    """Print the findings of `curate inspect`."""
    table = Table(show_header=False)
    table.add_column("fact")
    table.add_column("value", overflow="fold")
    for name, value in summary.to_json().items():
        if name != "characters":
            table.add_row(name.replace("_", " "), escape(_format_value(value)))
    out.print(table)
    lengths = Table(title="Length in characters", title_justify="left")
    lengths.add_column("")
    rows = summary.characters
    for quantile in rows["prompt"]:
        lengths.add_column(quantile, justify="right")
    for column, quantiles in rows.items():
        lengths.add_row(column, *(f"{v:,}" for v in quantiles.values()))
    out.print(lengths)


def show_pair(texts: dict[str, str]) -> None:
    """Print a pair as it was read, each text cut to a few lines."""
    if not texts:
        return
    title = "First pair, as it was read"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("part", style="bold")
    table.add_column("text", overflow="fold")
    for name, text in texts.items():
        # By characters first: one line may be megabytes long.
        lines = text[:_PAIR_CHARACTERS].splitlines() or [""]
        excerpt = "\n".join(lines[:_PAIR_LINES])
        hidden = len(text) - len(excerpt)
        table.add_row(
            name, Text(excerpt + (f" … ({hidden:,} more characters)" if hidden > 0 else ""))
        )
    out.print(table)


def _format_value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v:,}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, float):
        return f"{value:.1%}"
    # Last, since bool is an int too; floats here are all shares.
    return f"{value:,}" if isinstance(value, int) else str(value)
