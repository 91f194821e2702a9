"""Drops labels that are more likely wrong than right."""

from __future__ import annotations

import polars as pl

from curate.steps.context import Context
from curate.steps.contracts import Filter, FilterResult
from curate.steps.posterior import BelowParams, tell_smoothing
from curate.steps.selection import check_readable


class DropWrong(Filter[BelowParams]):
    """Drops pairs whose posterior is below a threshold; pairs without one stay.

    The number of dropped pairs follows from the data: where the estimated noise is near 0, next to
    none are dropped.
    """

    name = "drop_wrong"
    purpose = "keep or drop by label noise"
    summary = "drop labels whose posterior of being right is low"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior)"
    Params = BelowParams

    def reads(self) -> tuple[str, ...]:
        """The posterior."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep likely labels; the noise that is left goes into the manifest."""
        p = self.params
        right = check_readable(pairs[p.column], self.name)
        keep = (right >= p.below).fill_null(True)
        tell_smoothing(right.filter(keep), context)
        shown = right.round(3).to_frame("v")
        reason = shown.select(r=pl.format("label right with probability {}", "v"))["r"]
        return FilterResult(keep, reason)
