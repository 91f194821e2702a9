"""The results of `curate bench` in the terminal."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from curate.bench.advice import Advice
from curate.bench.command import Bench
from curate.bench.gains import HARMS, HELPS, NOTHING
from curate.bench.run import AS_LABELLED
from curate.cli.console import out, show_warnings

_OWN = (
    "acts: share dropped or flipped; accuracy: agreement of a fresh head, trained on what is left, "
    "with held-out labels as they are, every pair once in five seeds; gain: over keeping all on "
    "clean labels, in points, estimated from the posterior of the held-out labels, with its 95 % "
    "interval; 'helps' and 'harms': p < .05 by Holm over the steps; 'idle': it changes nothing."
)
_LEGEND = (
    "prec.: precision among as many as were flipped; accuracy: of a fresh head trained on what is "
    "left when that many are dropped, on held-out pairs whose labels count as clean."
)
_SAID = {HELPS: HELPS, HARMS: HARMS, NOTHING: "idle"}
_STYLES = {"helps": "green", "harms": "red"}


def show_bench(found: Bench) -> None:
    """What to do on the labels as they are; then tables, and what helps where labels flip."""
    show_warnings(found.notes)
    own = [a for a in found.advice if a.key["pattern"] == AS_LABELLED]
    for advice in own:
        _show_advice(found, advice)
    for key, part in found.summary.group_by(["dataset", "pattern", "rate"], maintain_order=True):
        name, pattern, rate = str(key[0]), str(key[1]), float(str(key[2]))
        seeds = int(part["seeds"].to_numpy().max())
        steps = part.filter(pl.col("flagged").is_not_null() | (pl.col("method") == "keep all"))
        if pattern == AS_LABELLED:
            out.print(_steps(f"{name}: labels as they are, {seeds} seeds", steps))
            continue
        title = f"{name}: {pattern} flips at {rate:.0%}, mean ±sd of {seeds} seeds"
        out.print(_methods(title, part.filter(pl.col("flagged").is_null())))
        out.print(_steps(f"{name}: {pattern} flips at {rate:.0%}, steps for a pipeline", steps))
    out.print(Text(_OWN, style="dim"))
    if len(own) < len(found.advice):
        out.print(Text(_LEGEND, style="dim"))
    for name, why in found.plan.left_out.items():
        out.print(Text(f"not run: {name}: {why}", style="yellow"))
    for told in found.comparisons:
        place = f"{told.dataset}, {told.pattern} {told.rate:.0%}"
        out.print(Text(f"  {place}: {told.text} (ratio {told.ratio:.1f})"))
    for advice in found.advice:
        if advice.key["pattern"] != AS_LABELLED:
            k = advice.key
            out.print(Text(f"{k['dataset']}, {k['pattern']} flips at {k['rate']:.0%}", "bold"))
            out.print(Text("  " + " ".join(advice.sentences)))


def _show_advice(found: Bench, advice: Advice) -> None:
    """The advice, what is known of the noise, and the lines to write."""
    name = advice.key["dataset"]
    out.print(Text(f"{name}: what to do", style="bold"))
    for sentence in advice.sentences:
        out.print(Text(f"  {sentence}"))
    noise = found.noise[name]
    if noise.judged_pairs:
        out.print(Text(f"  {noise.judged_pairs:,} judged pairs count as the truth."))
    out.print(Text(f"  Wrong labels: {noise.text}"))
    for line in advice.lines.splitlines():
        out.print(Text(f"    {line}", style="cyan"))
    for line in advice.next_step.splitlines():
        out.print(Text(f"  {line}"))


def _methods(title: str, part: pl.DataFrame) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in ("AUROC", "AP", "prec.", "accuracy", "gain"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in part.sort("auroc", descending=True, nulls_last=True).iter_rows(named=True):
        table.add_row(
            row["method"],
            _spread(row, "auroc"),
            _number(row["average_precision"]),
            _number(row["precision_at_rate"]),
            _number(row["downstream_accuracy"]),
            _gain(row),
        )
    return table


def _steps(title: str, part: pl.DataFrame) -> Table:
    """Steps choose for themselves how many pairs they drop, flip or weigh."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("step", no_wrap=True)
    known = part["precision"].null_count() < len(part)
    columns = ("acts", *(("prec.", "recall") if known else ()), "accuracy", "gain", "95 %", "")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in part.sort("gain", descending=True).iter_rows(named=True):
        base = row["method"] == "keep all"
        shown = [] if not known else [_number(row["precision"]), _number(row["recall"])]
        interval = f"{100 * row['gain_low']:+.1f} to {100 * row['gain_high']:+.1f}"
        table.add_row(
            row["method"],
            "" if row["flagged"] is None else f"{row['flagged']:.0%}",
            *shown,
            _number(row["downstream_accuracy"]),
            "" if base else f"{100 * row['gain']:+.1f}",
            "" if base or row["gain_error"] == 0 else interval,
            Text(
                _SAID.get(row["verdict"] or "", ""), style=_STYLES.get(row["verdict"] or "", "dim")
            ),
        )
    return table


def _gain(row: dict[str, Any]) -> Text:
    """In points, coloured where it is more than chance."""
    return Text(f"{100 * row['gain']:+.1f}", style=_STYLES.get(row["verdict"] or "", ""))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _spread(row: dict[str, Any], name: str) -> str:
    mean, std = row[name], row[f"{name}_std"]
    if mean is None:
        return ""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ±{std:.3f}"
