"""Flips the labels of the lowest scores."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import (
    Column,
    Context,
    Filter,
    FilterResult,
    Parameters,
    Prefer,
    best_first,
    check_readable,
)
from curate.steps.relabel import FLIPPED, RELABELLED, flip_only


class FlipLowestParams(Parameters):
    """Parameters of `flip_lowest`."""

    column: str = Field(description="Column of numbers.")
    share: float = Field(ge=0, le=1, description="Share of the scored pairs to flip.")
    prefer: Prefer = Field(
        "max", description="Whether large (max) or small (min) values are good; the others flip."
    )


class FlipLowest(Filter[FlipLowestParams]):
    """Exchanges chosen and rejected of the worst round(share n) of the n pairs with a score.

    Drops nothing; a pair without a score keeps its label. `extra` gains `"flipped": true`.
    """

    name = "flip_lowest"
    purpose = "relabel or weight"
    when = "For recipes that relabel a fixed share."
    summary = "flip the labels of the worst share by one score; keep every pair"
    reference = "PrefCleanBench, arXiv 2509.23564 (RwGap-F, IFD-Gap-F)"
    Params = FlipLowestParams

    def reads(self) -> tuple[str, ...]:
        """The score, and what is changed."""
        return (self.params.column, *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """The mark."""
        return (FLIPPED,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all, some with the opposite label."""
        p = self.params
        worst = best_first(
            check_readable(pairs[p.column], self.name), "min" if p.prefer == "max" else "max"
        )
        scored = len(worst) - worst.null_count()
        # `best_first` of the opposite preference ranks the worst first.
        flips = (worst <= round(p.share * scored)).fill_null(False)
        context.facts["flipped"] = int(flips.sum())
        return flip_only(pairs, flips)
