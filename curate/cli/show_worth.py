"""Learning curves of `curate worth` in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from curate.benchmark.worth import Worth
from curate.benchmark.worth_page import worth_sentence
from curate.cli.console import out


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
