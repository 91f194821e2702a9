"""Artefacts that one answer alone has: dropped, balanced, or taken out of the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Filter, FilterResult, Parameters
from curate.data.hashes import select_in_batches
from curate.models.text.artefacts import Artefact, artefact_direction, strip_template_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDES = ("chosen", "rejected")


class ArtefactsParams(Parameters):
    """Parameters of `artefacts`."""

    kinds: tuple[Artefact, ...] = Field(
        ("template_token", "cut_off", "leading_space"),
        min_length=1,
        description="What is looked for; see `curate audit` for how often each gives the label "
        "away.",
    )
    action: Literal["drop", "balance", "strip"] = Field(
        "drop",
        description="drop: pairs in which one answer alone has an artefact; balance: so many of "
        "them that each artefact is as often chosen as rejected; strip: take template tokens and "
        "white space at the start out of both answers, and drop nothing.",
    )


class Artefacts(Filter[ArtefactsParams]):
    """Keeps a model from learning marks in place of quality.

    Adds `found`, the artefacts that one answer alone has. `balance` draws by the run's seed which
    pairs of the more frequent side are dropped, one kind after the other.
    """

    name = "artefacts"
    purpose = "texts"
    when = "Where `curate audit` shows an artefact whose share of chosen is far from one half."
    summary = "drop or even out pairs in which one answer alone has a template token, cut end, ..."
    Params = ArtefactsParams

    def reads(self) -> tuple[str, ...]:
        """Both answers."""
        return _SIDES

    def adds(self) -> tuple[Column, ...]:
        """What was found."""
        return (Column("found", "artefacts that one answer alone has", "text"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Drop, balance or strip."""
        kinds = self.params.kinds
        signs = select_in_batches(pairs, *(artefact_direction(kind) for kind in kinds))
        names = [pl.when(pl.col(kind) != 0).then(pl.lit(kind)) for kind in kinds]
        joined = pl.concat_str(names, separator=", ", ignore_nulls=True)
        found = signs.select(found=joined)
        context.facts["one_sided"] = {k: int((signs[k] != 0).sum()) for k in kinds}
        if self.params.action == "balance":
            keep = self._balanced(signs, context.row_order(pairs), context)
        else:
            keep = pl.repeat(self.params.action == "strip", len(pairs), eager=True) | (
                found["found"] == ""
            )
        reason = pl.lit("one answer alone has: ") + pl.col("found")
        added = found.with_columns(pl.when(pl.col("found") != "").then("found").alias("found"))
        strip = self.params.action == "strip"
        changed = pairs.select(*map(strip_template_tokens, _SIDES)) if strip else None
        return FilterResult(keep, found.select(r=reason)["r"], added, changed)

    def _balanced(
        self, signs: pl.DataFrame, row_order: NDArray[np.int64], context: Context
    ) -> pl.Series:
        """Keep as many pairs with the artefact chosen as with it rejected, of each kind."""
        keep = np.ones(len(signs), dtype=bool)
        for kind in self.params.kinds:
            # Pairs that an earlier kind dropped do not count for this one.
            sign = (signs[kind].to_numpy() * keep)[row_order]
            sides = [row_order[sign == value] for value in (1, -1)]
            more, less = sorted(sides, key=len, reverse=True)
            # Drawn, not the last ones: rows may be sorted by source or time.
            drawn = context.rng("artefacts", kind).permutation(more)
            keep[drawn[len(less) :]] = False
        return pl.Series(keep)
