"""Output of the command line: tables, warnings and errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.safe import SafeConsole

if TYPE_CHECKING:
    from curate.auditing.verdict import VerdictSentences
    from curate.errors import CurateError
    from curate.pipeline.plan import PipelinePlan
    from curate.read.file_kinds import FileKind
    from curate.read.inspection import DatasetSummary
    from curate.read.pairs import Pairs
    from curate.steps.contracts import Column
    from curate.verdicts.gold import GoldConfig

out = SafeConsole()
err = SafeConsole(stderr=True)
_SUMMARY_LABELS = {"extra_keys": "kept in extra"}
"""What rows of a summary are called, where the name of the field does not say it."""
_KIND_CHARACTERS = 200
"""Maximum characters of the columns of a kind of files."""
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
            label = _SUMMARY_LABELS.get(name, name.replace("_", " "))
            table.add_row(label, escape(_format_value(value)))
    out.print(table)
    lengths = Table(title="Length in characters", title_justify="left")
    lengths.add_column("")
    rows = summary.characters
    for quantile in rows["prompt"]:
        lengths.add_column(quantile, justify="right")
    for column, quantiles in rows.items():
        lengths.add_row(column, *(f"{v:,}" for v in quantiles.values()))
    out.print(lengths)


def show_kinds(data: str, kinds: Sequence[FileKind]) -> None:
    """Print the kinds of files that a folder holds, a row each, and how to go on."""
    table = Table(title=f"{data}: files of {len(kinds)} kinds", title_justify="left")
    for name in ("format", "files", "the first", "columns"):
        table.add_column(name, overflow="fold")
    for kind in kinds:
        columns = ", ".join(kind.columns) or kind.problem
        if len(columns) > _KIND_CHARACTERS:
            columns = columns[:_KIND_CHARACTERS] + " …"
        cells = (kind.format or "not recognised", f"{len(kind.files):,}", kind.files[0], columns)
        table.add_row(*map(escape, cells))
    out.print(table)
    problems = (f"{kind.files[0]}: {kind.problem}" for kind in kinds if kind.problem)
    for text in problems:
        err.print(Text(text), soft_wrap=True)
    advice = "inspect one file at a time; to use several, make them sources of a mixture (a list "
    out.print(Text(advice + "under input, see the guide on reading data)"), soft_wrap=True)


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
