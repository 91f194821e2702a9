"""Flips labels that are more likely wrong than right."""

from __future__ import annotations

import polars as pl

from curate import HIGHER, Column, Context, Filter, FilterResult, check_readable, keep_all
from curate.steps.posterior import BelowParams, tell_left
from curate.steps.relabel import FLIPPED, RELABELLED, flip_labels


class Flip(Filter[BelowParams]):
    """Exchanges chosen and rejected where the posterior is below a threshold; drops nothing.

    `extra` gains `"flipped": true`, so that the label as read can be had back. Later filters find
    the posterior of the new labels in `flip.posterior`; other scores still speak of the old ones.
    """

    name = "flip"
    purpose = "relabel or weight"
    when = "Where the posterior is calibrated and pairs are scarce."
    summary = "flip labels whose posterior of being right is low; keep every pair"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior)"
    Params = BelowParams

    def reads(self) -> tuple[str, ...]:
        """The posterior and what is changed."""
        return (self.params.column, *RELABELLED)

    def adds(self) -> tuple[Column, ...]:
        """The mark, and the posterior of the label as it now stands."""
        return (
            FLIPPED,
            Column("posterior", "probability that the label is right now", "float", HIGHER),
            Column("status", "ok, or 'unknown' where there is no posterior", "text"),
        )

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep all, some with the opposite label."""
        right = check_readable(pairs[self.params.column], self.name)
        wrong = (right < self.params.below).fill_null(False).alias("flipped")
        added = pl.DataFrame({"flipped": wrong, "posterior": right}).with_columns(
            # The opposite label is right where this one is wrong.
            posterior=pl.when("flipped").then(1.0 - pl.col("posterior")).otherwise("posterior"),
            status=pl.when(pl.col("posterior").is_null())
            .then(pl.lit("unknown"))
            .otherwise(pl.lit("ok")),
        )
        tell_left(self.params.column, added["posterior"], context)
        context.facts["flipped"] = int(wrong.sum())
        return keep_all(pairs, added, flip_labels(pairs, wrong))
