"""The results of `curate bench` in the terminal."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from curate.bench.command import Bench
from curate.cli.console import out

_LEGEND = (
    "prec.: precision among as many as were flipped; est.: estimated noise rate; accuracy: of a "
    "fresh head trained on what is left when that many are dropped, on clean held-out pairs; gain: "
    "over keeping all, 'helps' and 'harms' by a 95 % t-interval over seeds."
)
_STYLES = {"helps": "green", "harms": "red"}


def show_bench(found: Bench) -> None:
    """A table for each data set, pattern and rate, then the advice."""
    keys = ["dataset", "pattern", "rate"]
    for key, part in found.summary.group_by(keys, maintain_order=True):
        name, pattern, rate = str(key[0]), str(key[1]), float(str(key[2]))
        seeds = int(part["seeds"].to_numpy().max())
        title = f"{name}: {pattern} flips at {rate:.0%}, mean ±sd of {seeds} seeds"
        out.print(_table(title, part.filter(pl.col("flagged").is_null())))
        if part["flagged"].null_count() < len(part):
            out.print(_recipes(part.filter(pl.col("flagged").is_not_null())))
    out.print(Text(_LEGEND, style="dim"))
    for name, why in found.plan.left_out.items():
        out.print(Text(f"not run: {name}: {why}", style="yellow"))
    if found.comparisons:
        out.print(Text("Whether methods differ (signal over noise):", style="bold"))
    for told in found.comparisons:
        place = f"{told.dataset}, {told.pattern} {told.rate:.0%}"
        out.print(Text(f"  {place}: {told.text} (ratio {told.ratio:.1f})"))
    out.print(Text("What to do (downstream accuracy on clean held-out pairs):", style="bold"))
    for advice in found.advice:
        k = advice.key
        out.print(Text(f"  {k['dataset']}, {k['pattern']} {k['rate']:.0%}: {advice.text}"))


def _table(title: str, part: pl.DataFrame) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in ("AUROC", "AP", "prec.", "est.", "accuracy", "gain", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in part.sort("auroc", descending=True, nulls_last=True).iter_rows(named=True):
        table.add_row(
            row["method"],
            _spread(row, "auroc"),
            _number(row["average_precision"]),
            _number(row["precision_at_rate"]),
            _number(row["noise_estimate"]),
            *_downstream(row),
        )
    return table


def _recipes(part: pl.DataFrame) -> Table:
    """Recipes choose for themselves how many pairs they drop or turn round."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("recipe", no_wrap=True)
    for column in ("flagged", "precision", "recall", "accuracy", "gain", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in part.sort("gain", descending=True).iter_rows(named=True):
        shares = [_number(row[name]) for name in ("flagged", "precision", "recall")]
        table.add_row(row["method"], *shares, *_downstream(row))
    return table


def _downstream(row: dict[str, Any]) -> tuple[str | Text, ...]:
    """Accuracy, gain and verdict."""
    verdict = row["verdict"] or ""
    return (
        _spread(row, "downstream_accuracy"),
        "" if row["gain"] is None else f"{row['gain']:+.3f}",
        Text(verdict if verdict in _STYLES else "", style=_STYLES.get(verdict, "")),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _spread(row: dict[str, Any], name: str) -> str:
    mean, std = row[name], row[f"{name}_std"]
    if mean is None:
        return ""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ±{std:.3f}"
