"""Terminal output of `curate bench`."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from curate.benchmark.advice import Advice
from curate.benchmark.command import Bench
from curate.benchmark.paired_gains import HARMS, HELPS, NOTHING
from curate.benchmark.run import AS_LABELLED
from curate.cli.console import out, show_warnings

_STEPS_LEGEND = (
    "acts: share dropped or flipped; accuracy: agreement of a new probe, trained on the remaining "
    "pairs, with the held-out labels as given (each pair once in five seeds); gain: over keeping "
    "all, on clean labels, in points, estimated from the posterior of the held-out labels, with "
    "its 95 % interval; 'helps' and 'harms': p < .05 (Holm over the steps); 'no effect': the step "
    "changes nothing."
)
_METHODS_LEGEND = (
    "prec.: precision among as many pairs as were flipped; accuracy: of a new probe, trained "
    "without that many pairs, on held-out pairs with clean labels."
)
_VERDICTS = {HELPS: HELPS, HARMS: HARMS, NOTHING: "no effect"}
_STYLES = {"helps": "green", "harms": "red"}


def show_bench(result: Bench) -> None:
    """Print the recommendations, all tables, and the results with injected flips."""
    show_warnings(result.notes)
    as_labelled = [a for a in result.advice if a.key["pattern"] == AS_LABELLED]
    for advice in as_labelled:
        _show_advice(result, advice)
    keys = ["dataset", "pattern", "rate"]
    for values, rows in result.summary.group_by(keys, maintain_order=True):
        name, pattern, rate = str(values[0]), str(values[1]), float(str(values[2]))
        seeds = int(rows["seeds"].to_numpy().max())
        steps = rows.filter(pl.col("flagged").is_not_null() | (pl.col("method") == "keep all"))
        if pattern == AS_LABELLED:
            out.print(_step_table(f"{name}: labels as given, {seeds} seeds", steps))
            continue
        title = f"{name}: {pattern} flips at {rate:.0%}, mean ±sd of {seeds} seeds"
        out.print(_method_table(title, rows.filter(pl.col("flagged").is_null())))
        out.print(
            _step_table(f"{name}: {pattern} flips at {rate:.0%}, steps for a pipeline", steps)
        )
    out.print(Text(_STEPS_LEGEND, style="dim"))
    if len(as_labelled) < len(result.advice):
        out.print(Text(_METHODS_LEGEND, style="dim"))
    for name, reason in result.plan.left_out.items():
        out.print(Text(f"not run: {name}: {reason}", style="yellow"))
    for comparison in result.comparisons:
        place = f"{comparison.dataset}, {comparison.pattern} {comparison.rate:.0%}"
        out.print(Text(f"  {place}: {comparison.text} (ratio {comparison.ratio:.1f})"))
    for advice in result.advice:
        if advice.key["pattern"] != AS_LABELLED:
            key = advice.key
            title = f"{key['dataset']}, {key['pattern']} flips at {key['rate']:.0%}"
            out.print(Text(title, "bold"))
            out.print(Text("  " + " ".join(advice.sentences)))


def _show_advice(result: Bench, advice: Advice) -> None:
    """Print a recommendation, the noise estimate, and the lines for pipeline.yaml."""
    name = advice.key["dataset"]
    out.print(Text(f"{name}: recommendation", style="bold"))
    for sentence in advice.sentences:
        out.print(Text(f"  {sentence}"))
    noise = result.noise[name]
    if noise.judged_pairs:
        out.print(Text(f"  {noise.judged_pairs:,} reviewed pairs count as ground truth."))
    out.print(Text(f"  Wrong labels: {noise.text}"))
    for line in advice.lines.splitlines():
        out.print(Text(f"    {line}", style="cyan"))
    for line in advice.next_step.splitlines():
        out.print(Text(f"  {line}"))


def _method_table(title: str, rows: pl.DataFrame) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in ("AUROC", "AP", "prec.", "accuracy", "gain"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows.sort("auroc", descending=True, nulls_last=True).iter_rows(named=True):
        table.add_row(
            row["method"],
            _format_spread(row, "auroc"),
            _format_number(row["average_precision"]),
            _format_number(row["precision_at_rate"]),
            _format_number(row["downstream_accuracy"]),
            _format_gain(row),
        )
    return table


def _step_table(title: str, rows: pl.DataFrame) -> Table:
    """Build the table of steps, each of which chooses how many pairs it changes."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("step", no_wrap=True)
    has_precision = rows["precision"].null_count() < len(rows)
    columns = (
        "acts",
        *(("prec.", "recall") if has_precision else ()),
        "accuracy",
        "gain",
        "95 %",
        "",
    )
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows.sort("gain", descending=True).iter_rows(named=True):
        base = row["method"] == "keep all"
        precision_cells = (
            []
            if not has_precision
            else [_format_number(row["precision"]), _format_number(row["recall"])]
        )
        interval = f"{100 * row['gain_low']:+.1f} to {100 * row['gain_high']:+.1f}"
        table.add_row(
            row["method"],
            "" if row["flagged"] is None else f"{row['flagged']:.0%}",
            *precision_cells,
            _format_number(row["downstream_accuracy"]),
            "" if base else f"{100 * row['gain']:+.1f}",
            "" if base or row["gain_error"] == 0 else interval,
            Text(
                _VERDICTS.get(row["verdict"] or "", ""),
                style=_STYLES.get(row["verdict"] or "", "dim"),
            ),
        )
    return table


def _format_gain(row: dict[str, Any]) -> Text:
    """Format a gain in points, coloured if it is significant."""
    return Text(f"{100 * row['gain']:+.1f}", style=_STYLES.get(row["verdict"] or "", ""))


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _format_spread(row: dict[str, Any], name: str) -> str:
    mean, std = row[name], row[f"{name}_std"]
    if mean is None:
        return ""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ±{std:.3f}"
