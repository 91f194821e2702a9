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
    as_numeric_column,
    best_first,
)
from curate.scoring.filtering import FLIPPED, RELABELLED, flip_only


class FlipLowestParams(Parameters):
    """Parameters of `flip_lowest`."""

    column: str = Field(description="Column of numbers.")
    share: float = Field(ge=0, le=1, description="Share of the scored pairs to flip.")
    prefer: Prefer = Field(
        "max", description="Whether large (max) or small (min) values are good; the others flip."
    )


class FlipLowest(Filter[FlipLowestParams]):
    """Swap chosen and rejected of the worst share of the pairs by one score; drop nothing.

    Of n pairs with a score the worst round(share n) are flipped; a pair without a score keeps its
    label. `flipped` marks the pair, also in `extra`. Use it for recipes that relabel a fixed share
    (RwGap-F and IFD-Gap-F of PrefCleanBench, arXiv 2509.23564).

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a", "rejected": "b", "m": i} for i in range(4)]
        >>> step = {"type": "flip_lowest", "column": "extra.m", "share": 0.25}
        >>> Pipeline({"filters": [step]}).run(rows).steps[-1].facts["flipped"]
        1
    """

    name = "flip_lowest"
    purpose = "relabel or weight"
    when = "For recipes that relabel a fixed share."
    summary = "flip the labels of the worst share by one score; keep every pair"
    reference = "PrefCleanBench, arXiv 2509.23564 (RwGap-F, IFD-Gap-F)"
    Params = FlipLowestParams

    def reads(self) -> tuple[str, ...]:
        """Read the score and the columns that a flip changes."""
        return (self.params.column, *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """Add the flag of flipped pairs."""
        return (FLIPPED,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all pairs, and flip the labels of the lowest scores."""
        p = self.params
        worst_rank = best_first(
            as_numeric_column(pairs[p.column], self.name), "min" if p.prefer == "max" else "max"
        )
        scored = len(worst_rank) - worst_rank.null_count()
        # `best_first` by the opposite preference ranks the worst first.
        flips = (worst_rank <= round(p.share * scored)).fill_null(False)
        context.facts["flipped"] = int(flips.sum())
        return flip_only(pairs, flips)
