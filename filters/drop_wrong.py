"""Drops labels that are more likely wrong than right."""

from __future__ import annotations

import polars as pl

from curate import Context, Filter, FilterResult, as_numeric_column
from curate.scoring.filtering import BelowParams, record_remaining_noise


class DropWrong(Filter[BelowParams]):
    """Drop pairs whose posterior of a right label is below a threshold; keep pairs without one.

    The posterior is that of LCPO / RE-PO (arXiv 2509.24159). The number of dropped pairs follows
    from the data: where the estimated noise is near 0, almost none are dropped. Use it after
    `curate bench` has shown that it helps on your data; it can amplify length bias.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{p}", "chosen": "a", "rejected": "b", "p": p} for p in (0.9, 0.2)]
        >>> result = Pipeline({"filters": [{"type": "drop_wrong", "column": "extra.p"}]}).run(rows)
        >>> result.dropped["drop_reason"].to_list()
        ['label right with probability 0.2']
    """

    name = "drop_wrong"
    purpose = "keep or drop by label noise"
    when = (
        "After `curate bench` has shown that it helps on your data. It can amplify length "
        "bias: check the report."
    )
    summary = "drop labels whose posterior of being right is low"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior)"
    Params = BelowParams
    drop_codes = ("wrong_label",)

    def reads(self) -> tuple[str, ...]:
        """Read the posterior."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep likely labels; the remaining noise goes into the manifest."""
        p = self.params
        posterior = as_numeric_column(pairs[p.column], self.name)
        # Without a posterior nothing speaks against the label.
        keep = (posterior >= p.below).fill_null(True)
        # The noise of the kept labels: trainers use it for label smoothing.
        record_remaining_noise(p.column, posterior.filter(keep), context)
        rounded = posterior.round(3).to_frame("v")
        reason = rounded.select(r=pl.format("label right with probability {}", "v"))["r"]
        return FilterResult(keep, reason)
