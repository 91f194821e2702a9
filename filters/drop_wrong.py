"""Drops labels that are more likely wrong than right."""

from __future__ import annotations

import polars as pl

from curate import Context, Filter, FilterResult, check_readable
from curate.steps.posterior import BelowParams, tell_left


class DropWrong(Filter[BelowParams]):
    """Drops pairs whose posterior is below a threshold; pairs without one stay.

    The number of dropped pairs follows from the data: where the estimated noise is near 0, next to
    none are dropped.
    """

    name = "drop_wrong"
    purpose = "keep or drop by label noise"
    when = (
        "After `curate bench` has shown that it helps on your data. It can amplify length "
        "bias: look at the report."
    )
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
        # Of the kept labels: what the trainer should smooth by.
        tell_left(p.column, right.filter(keep), context)
        shown = right.round(3).to_frame("v")
        reason = shown.select(r=pl.format("label right with probability {}", "v"))["r"]
        return FilterResult(keep, reason)
