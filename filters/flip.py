"""Flips labels that are more likely wrong than right."""

from __future__ import annotations

import polars as pl

from curate import HIGHER, Column, Context, Filter, FilterResult, as_numeric_column, keep_all
from curate.scoring.filtering import (
    FLIPPED,
    RELABELLED,
    BelowParams,
    flip_labels,
    record_remaining_noise,
)


class Flip(Filter[BelowParams]):
    """Swap chosen and rejected where the posterior of the label is below a threshold; drop nothing.

    The posterior is that of LCPO / RE-PO (arXiv 2509.24159). `flipped` marks the pair, also in
    `extra`, so that the original label can be restored; `posterior` (0 to 1) is that of the new
    label, other scores still describe the old one. Use it where the posterior is calibrated and
    pairs are scarce.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{p}", "chosen": "a", "rejected": "b", "p": p} for p in (0.9, 0.2)]
        >>> result = Pipeline({"filters": [{"type": "flip", "column": "extra.p"}]}).run(rows)
        >>> result.steps[-1].facts["flipped"]
        1
    """

    name = "flip"
    purpose = "relabel or weight"
    when = "Where the posterior is calibrated and pairs are scarce."
    summary = "flip labels whose posterior of being right is low; keep every pair"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior)"
    Params = BelowParams

    def reads(self) -> tuple[str, ...]:
        """Read the posterior and the columns that a flip changes."""
        return (self.params.column, *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """Add the flag of flipped pairs, and the posterior of the new label."""
        return (
            FLIPPED,
            Column("posterior", "probability that the new label is right", "float", HIGHER),
            Column("status", "ok, or 'unknown' where there is no posterior", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all pairs, and flip the labels that are probably wrong."""
        posterior_of_label = as_numeric_column(pairs[self.params.column], self.name)
        wrong = (posterior_of_label < self.params.below).fill_null(False).alias("flipped")
        added = pl.DataFrame({"flipped": wrong, "posterior": posterior_of_label}).with_columns(
            # The opposite label is right where this one is wrong.
            posterior=pl.when("flipped").then(1.0 - pl.col("posterior")).otherwise("posterior"),
            status=pl.when(pl.col("posterior").is_null())
            .then(pl.lit("unknown"))
            .otherwise(pl.lit("ok")),
        )
        record_remaining_noise(self.params.column, added["posterior"], context)
        context.facts["flipped"] = int(wrong.sum())
        return keep_all(pairs, added, flip_labels(pairs, wrong))
