"""Terminal output at the end of a run: the verdict, what each filter did, warnings, files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from curate.cli.console import err, out, show_verdict, show_warnings

if TYPE_CHECKING:
    from curate.pipeline.result import Result
    from curate.steps.step_record import StepRecord
    from curate.write.manifest import SourceSummary

_EFFECT = "    # "
"""What stands between a line to paste and its effect."""
_NUMBER = re.compile(r"\d[\d.,]*")


def show_result(result: Result, data: str | None = None) -> None:
    """Print the end of a run: what was found, what was done to the pairs, and what to do next.

    Args:
        result: the run.
        data: how commands name its dataset; None if unknown.
    """
    from curate.auditing.verdict import VerdictSentences
    from curate.report.run_verdict import run_verdict

    folder = None if result.folder is None else str(result.folder)
    verdict = run_verdict(result.row_counts, result.steps, folder, data)
    show_verdict(replace(verdict, next=""))
    _show_filters(result)
    if result.weights is not None:
        out.print(Text(f"weights: {result.weights.text}"))
    _show_times(result.steps)
    _show_sources(result.sources)
    if len(result.rejected):
        from curate.read.notes import rejected_rows_note

        note = rejected_rows_note(len(result.rejected), result.rejected)[0]
        show_warnings([f"{note}: see rejected_rows.parquet"])
    show_step_warnings(result.steps)
    if result.folder is not None:
        _show_paths(result.folder)
    show_verdict(VerdictSentences("", "", "", verdict.next))


def _show_filters(result: Result) -> None:
    """Print the pairs that each filter merged, dropped and left, and the labels it flipped."""
    filters = [step for step in result.steps if step.kind == "filter"]
    acting = [step for step in filters if step.rows_in != step.rows_out or step.labels_flipped]
    if acting:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("step", overflow="fold")
        for name in ("pairs in", "merged", "dropped", "flipped", "kept"):
            table.add_column(name, justify="right", no_wrap=True)
        for step in acting:
            table.add_row(escape(step.name), *_filter_cells([step], step.rows_in, step.rows_out))
        if len(acting) > 1:
            table.add_section()
            table.add_row("all", *_filter_cells(acting, result.rows_in, result.rows_kept))
        out.print(table)
    unused = [step.name for step in filters if step not in acting]
    if unused:
        out.print(Text(f"without effect: {', '.join(unused)}"))


def _filter_cells(steps: Sequence[StepRecord], rows_in: int, rows_out: int) -> list[str]:
    merged = sum(step.pairs_merged for step in steps)
    flipped = sum(step.labels_flipped for step in steps)
    dropped = rows_in - rows_out - merged
    changes = (f"{count:,}" if count else "" for count in (merged, dropped, flipped))
    return [f"{rows_in:,}", *changes, f"{rows_out:,}"]


def _show_times(steps: Sequence[StepRecord]) -> None:
    """Print how long the steps took, the slowest first, and which results were stored."""
    seconds = sum(step.seconds for step in steps)
    slowest = sorted(steps, key=lambda step: -step.seconds)[:3]
    texts = [f"{step.name} {step.seconds:.1f}" for step in slowest if step.seconds >= 0.1]
    cached = [step.name for step in steps if step.cached]
    most = f", most of it {', '.join(texts)}" if texts else ""
    stored = f"; from an earlier run: {', '.join(cached)}" if cached else ""
    out.print(Text(f"seconds: {seconds:.1f}{most}{stored}"))


def _show_sources(sources: Sequence[SourceSummary]) -> None:
    """Print the results by source of a mixture."""
    if not sources:
        return
    table = Table(
        title="By source: chosen is longer before and after",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
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


def show_step_warnings(steps: Sequence[StepRecord]) -> None:
    """Print all warnings under the steps that give them, alerts first.

    Several steps may give the same warning with other numbers: the text of the first is shown.
    """
    from curate.steps.step_record import warnings_by_step

    texts, names_by_kind = dict[str, str](), dict[str, list[str]]()
    groups = warnings_by_step(steps)
    for kind in range(2):
        for name, *step_texts in groups:
            for text in step_texts[kind]:
                bare = text.removeprefix(f"'{name}': ")
                key = _NUMBER.sub("#", bare)
                texts.setdefault(key, bare)
                names_by_kind.setdefault(key, []).append(name)
    by_names: dict[tuple[str, ...], list[str]] = {}
    for key, step_names in names_by_kind.items():
        by_names.setdefault(tuple(dict.fromkeys(step_names)), []).append(texts[key])
    for names, warnings in by_names.items():
        count = f" ({len(warnings)})" if len(warnings) > 1 else ""
        title = (f"{', '.join(names)}{count}", "bold")
        err.print(Text.assemble(("warning: ", "bold yellow"), title))
        for text in warnings:
            _show_warning_text(text)


def _show_warning_text(text: str) -> None:
    """Print a warning; a line to paste into pipeline.yaml stays one line."""
    first, *details = text.splitlines()
    _print_indented(f"- {first}", 2)
    for line in details:
        pasted, _, effect = line.partition(_EFFECT)
        if not effect:
            _print_indented(line.strip(), 4)
            continue
        _print_indented(f"# {effect}", 6)
        err.print(Text(f"      {pasted.strip()}"), soft_wrap=True)


def _print_indented(text: str, columns: int) -> None:
    err.print(Padding(Text(text), (0, 0, 0, columns), expand=False))


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
