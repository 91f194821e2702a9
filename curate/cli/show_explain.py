"""The findings of `curate explain` in the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.console import out

_ROWS = 16


def show_explanation(found: dict[str, Any]) -> None:
    """Features with their words, how often they fire, and how the vote goes with them."""
    coder = found["autoencoder"]
    out.print(
        Text(
            f"{coder['features']} features, {coder['active']} a pair, reconstruct "
            f"{coder['explained']:.1%} of the differences between answers of held-out pairs."
        )
    )
    table = Table(title="What the labels go with, the most significant first", box=box.SIMPLE_HEAD)
    for name in (
        "feature",
        "words with it / without it",
        "fires",
        "it wins",
        "effect",
        "significant",
    ):
        table.add_column(name)
    for row in found["features"][:_ROWS]:
        table.add_row(
            row["feature"],
            escape(_called(row)),
            f"{row['share']:.1%}",
            f"{row['win_rate']:.1%}",
            f"{row['effect']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})",
            "yes" if row["significant"] else "",
        )
    out.print(table)
    out.print(
        Text(
            "effect: nats that a standard deviation of the feature adds to the log odds of being "
            "preferred, length held fixed; significant: p < 0.05 after Bonferroni. Words are a "
            "hint: read the examples before you act on a feature."
        )
    )


def _called(row: dict[str, Any]) -> str:
    """The name of a feature, where one was given, before its words."""
    words = f"{', '.join(row['words'])} / {', '.join(row['words_without'])}"
    return f"{row['name']}: {words}" if row.get("name") else words
