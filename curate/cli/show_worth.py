"""Learning curves of `curate worth` in the terminal and as a plot."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from rich import box
from rich.table import Table
from rich.text import Text

from curate.benchmark.worth import NoisyPairWorth, Worth
from curate.cli.console import out

_COLOURS = ("#1f77b4", "#ff7f0e", "#d62728", "#9467bd", "#8c564b")
_CURVE_POINTS = 100


def show_worth(worth: Worth) -> None:
    """Print the errors by size and rate, and the conclusions."""
    title = f"{worth.dataset}: error on clean held-out pairs, mean ±sd of {len(worth.errors)} seeds"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("pairs", justify="right")
    for rate in worth.rates:
        table.add_column("clean" if rate == 0 else f"{rate:.0%} flipped", justify="right")
    means, spreads = worth.errors.mean(axis=0), worth.errors.std(axis=0, ddof=1)
    for i, size in enumerate(worth.sizes):
        cells = [f"{m:.3f} ±{s:.3f}" for m, s in zip(means[:, i], spreads[:, i], strict=True)]
        table.add_row(f"{size:,}", *cells)
    out.print(table)
    for row in worth.findings.worth or ():
        out.print(Text(worth_sentence(row)))
    out.print(Text(worth.findings.text))


def worth_sentence(row: NoisyPairWorth) -> str:
    """Return how many noisy pairs equal one clean pair, if the curves allow an estimate."""
    estimate, noisy = row.one_clean_pair, f"pairs with {row.rate:.0%} flips"
    low = "less" if estimate.low is None else f"{estimate.low:.1f}"
    high = "more" if estimate.high is None else f"{estimate.high:.1f}"
    interval = f"({low} to {high}; {row.theory:g} in theory)"
    if estimate.value is None:
        return f"These curves do not show how many {noisy} equal one clean pair {interval}."
    return f"One clean pair equals {estimate.value:.1f} {noisy} {interval}."


def plot_worth(worth: Worth) -> go.Figure:
    """Plot mean errors with standard errors over the number of pairs, and the fitted law."""
    figure = go.Figure()
    means = worth.errors.mean(axis=0)
    # The error of the mean, which the fitted curve is about; the table shows the spread itself.
    spread = worth.errors.std(axis=0, ddof=1) / np.sqrt(len(worth.errors))
    # Up to twice the data: the question is what more of it would bring.
    grid = np.geomspace(worth.sizes[0], 2 * worth.sizes[-1], _CURVE_POINTS)
    for i, rate in enumerate(worth.rates):
        name, colour = f"{rate:.0%} flips" if rate else "clean", _COLOURS[i % len(_COLOURS)]
        bars = {"type": "data", "array": spread[i].tolist()}
        figure.add_scatter(
            x=worth.sizes.tolist(), y=means[i].tolist(), error_y=bars, name=name,
            mode="markers", marker={"color": colour},
        )  # fmt: skip
        if worth.law is not None:
            figure.add_scatter(
                x=grid.tolist(), y=worth.law.error(grid, i).tolist(), name=f"{name}: fit",
                mode="lines", line={"color": colour, "dash": "dot"}, showlegend=False,
            )  # fmt: skip
    figure.update_layout(
        title=f"{worth.dataset}: value of more data",
        xaxis={"title": "training pairs", "type": "log"},
        yaxis={"title": "error on clean held-out pairs"},
        template="plotly_white",
    )
    return figure
