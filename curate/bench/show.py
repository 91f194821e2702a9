"""The results of `curate bench` in the terminal."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from curate.bench.command import Bench
from curate.console import out

_STYLES = {"helps": "green", "harms": "red"}


def show_bench(found: Bench) -> None:
    """A table for each data set, pattern and rate, then the advice."""
    keys = ["dataset", "pattern", "rate"]
    for key, part in found.summary.group_by(keys, maintain_order=True):
        out.print(_table(key, part))
    out.print(Text("What to do (downstream accuracy on clean held-out pairs):", style="bold"))
    for advice in found.advice:
        k = advice.key
        out.print(Text(f"  {k['dataset']}, {k['pattern']} {k['rate']:.0%}: {advice.text}"))


def _table(key: tuple[Any, ...], part: pl.DataFrame) -> Table:
    name, pattern, rate = key
    seeds = part["seeds"].max()
    title = f"{name}: {pattern} flips at {rate:.0%}, mean and sd of {seeds} seeds"
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    columns = ("AUROC", "AP", "precision@rate", "estimate", "downstream", "gain", "s")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("")
    for row in part.sort("auroc", descending=True, nulls_last=True).iter_rows(named=True):
        verdict = row["verdict"] or ""
        table.add_row(
            row["method"],
            _spread(row, "auroc"),
            _number(row["average_precision"]),
            _number(row["precision_at_rate"]),
            _spread(row, "noise_estimate"),
            _spread(row, "downstream_accuracy"),
            "" if row["gain"] is None else f"{row['gain']:+.3f}",
            _number(row["seconds"], 2),
            Text(verdict, style=_STYLES.get(verdict, "dim")),
        )
    return table


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _spread(row: dict[str, Any], name: str) -> str:
    mean, std = row[name], row[f"{name}_std"]
    if mean is None:
        return ""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"
