"""The learning curves in the terminal, as data and as a plot."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from rich import box
from rich.table import Table
from rich.text import Text

from curate.bench.worth import Worth
from curate.cli.console import out

_COLOURS = ("#1f77b4", "#ff7f0e", "#d62728", "#9467bd", "#8c564b")
_POINTS = 100


def show_worth(found: Worth) -> None:
    """Errors by size and rate, then what they say."""
    title = f"{found.dataset}: error on clean held-out pairs, mean ±sd of {len(found.errors)} seeds"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("pairs", justify="right")
    for rate in found.rates:
        table.add_column("clean" if rate == 0 else f"{rate:.0%} flipped", justify="right")
    means, spreads = found.errors.mean(axis=0), found.errors.std(axis=0, ddof=1)
    for i, size in enumerate(found.sizes):
        cells = [f"{m:.3f} ±{s:.3f}" for m, s in zip(means[:, i], spreads[:, i], strict=True)]
        table.add_row(f"{size:,}", *cells)
    out.print(table)
    for row in found.findings.get("worth", []):
        out.print(Text(told_worth(row)))
    out.print(Text(found.findings["text"]))


def told_worth(row: dict[str, Any]) -> str:
    """What a clean pair is worth in pairs of one rate of flips, as far as the curves tell."""
    found, noisy = row["one_clean_pair"], f"pairs with {row['rate']:.0%} flips"
    least = "less" if found["low"] is None else f"{found['low']:.1f}"
    most = "more" if found["high"] is None else f"{found['high']:.1f}"
    told = f"({least} to {most}; {row['theory']:g} in theory)"
    if found["value"] is None:
        return f"How many {noisy} a clean pair is worth cannot be told from these curves {told}."
    return f"One clean pair is worth {found['value']:.1f} {noisy} {told}."


def as_data(found: Worth) -> dict[str, Any]:
    """What was measured and found, as plain data."""
    return {
        "dataset": found.dataset,
        "rates": list(found.rates),
        "sizes": found.sizes.tolist(),
        "errors": found.errors.round(4).tolist(),
        "findings": found.findings,
    }


def plot(found: Worth) -> go.Figure:
    """Mean errors with standard errors against pairs on a log scale, and the fitted law."""
    figure = go.Figure()
    means = found.errors.mean(axis=0)
    spread = found.errors.std(axis=0, ddof=1) / np.sqrt(len(found.errors))
    grid = np.geomspace(found.sizes[0], 2 * found.sizes[-1], _POINTS)
    for i, rate in enumerate(found.rates):
        name, colour = f"{rate:.0%} flips" if rate else "clean", _COLOURS[i % len(_COLOURS)]
        bars = {"type": "data", "array": spread[i].tolist()}
        figure.add_scatter(
            x=found.sizes.tolist(), y=means[i].tolist(), error_y=bars, name=name,
            mode="markers", marker={"color": colour},
        )  # fmt: skip
        if found.law is not None:
            figure.add_scatter(
                x=grid.tolist(), y=found.law.error(grid, i).tolist(), name=f"{name}: fit",
                mode="lines", line={"color": colour, "dash": "dot"}, showlegend=False,
            )  # fmt: skip
    figure.update_layout(
        title=f"{found.dataset}: what a pair is worth",
        xaxis={"title": "pairs that were learned from", "type": "log"},
        yaxis={"title": "error on clean held-out pairs"},
        template="plotly_white",
    )
    return figure
