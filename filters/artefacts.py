"""Artefacts of only one answer: pairs are dropped or balanced, or texts are stripped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import Column, Context, Filter, FilterResult, Parameters
from curate.scoring import select_in_batches
from curate.scoring.texts import Artefact, artefact_direction, strip_template_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDES = ("chosen", "rejected")


class ArtefactsParams(Parameters):
    """Parameters of `artefacts`."""

    kinds: tuple[Artefact, ...] = Field(
        ("template_token", "cut_off", "leading_space"),
        min_length=1,
        description="Kinds to look for; `curate audit` reports how often each predicts the label.",
    )
    action: Literal["drop", "balance", "strip"] = Field(
        "drop",
        description="drop: pairs in which only one answer has an artefact; balance: so many of "
        "them that each artefact is as often chosen as rejected; strip: remove template tokens "
        "and leading white space from both answers, and drop nothing.",
    )

    @model_validator(mode="before")
    @classmethod
    def _point_to_sample(cls, data: object) -> object:
        if isinstance(data, dict) and "even" in data:
            raise ValueError(
                "length is balanced by the filter {type: sample, balance: length}, which keeps as "
                "many pairs with the longer answer chosen as with it rejected; artefacts by "
                "action: balance"
            )
        return data


class Artefacts(Filter[ArtefactsParams]):
    """Drop, balance or strip artefacts that only one of the two answers has.

    Such an artefact (a template token, a cut-off end, white space at the start) lets a model learn
    marks instead of quality. `found` lists them. `drop` drops these pairs; `balance` drops pairs of
    the more frequent side, drawn by the run's seed, until each artefact is as often chosen as
    rejected; `strip` removes template tokens and leading white space from both answers. Use it
    where `curate audit` shows an artefact whose share of chosen answers is far from one half.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": "Hi?", "chosen": "Hello.</s>", "rejected": "Bye."}]
        >>> result = Pipeline({"filters": [{"type": "artefacts"}]}).run(rows)
        >>> result.dropped["drop_reason"].to_list()
        ['only one answer has: template_token']
    """

    name = "artefacts"
    purpose = "texts"
    when = "Where `curate audit` shows an artefact whose share of chosen is far from one half."
    summary = (
        "drop, balance or strip artefacts of only one answer: template token, cut-off end, ..."
    )
    Params = ArtefactsParams
    drop_codes = ("artefact", "artefact_balance")

    def reads(self) -> tuple[str, ...]:
        """Read both answers."""
        return _SIDES

    def adds(self) -> tuple[Column, ...]:
        """Add what was found."""
        return (Column("found", "artefacts that only one answer has", "text"),)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Drop pairs, balance them, or strip their answers."""
        kinds = self.params.kinds
        artefact_signs = select_in_batches(pairs, *(artefact_direction(kind) for kind in kinds))
        names = [pl.when(pl.col(kind) != 0).then(pl.lit(kind)) for kind in kinds]
        name_list = pl.concat_str(names, separator=", ", ignore_nulls=True)
        artefact_names = artefact_signs.select(found=name_list)
        context.facts["one_sided"] = {k: int((artefact_signs[k] != 0).sum()) for k in kinds}
        if self.params.action == "balance":
            keep = self._balance_kinds(artefact_signs, context.row_order(pairs), context)
        else:
            # Stripping keeps all: the artefact is gone afterwards.
            keep = pl.repeat(self.params.action == "strip", len(pairs), eager=True) | (
                artefact_names["found"] == ""
            )
        reason = pl.lit("only one answer has: ") + pl.col("found")
        added = artefact_names.with_columns(
            pl.when(pl.col("found") != "").then("found").alias("found")
        )
        strip = self.params.action == "strip"
        changed = pairs.select(*map(strip_template_tokens, _SIDES)) if strip else None
        balanced = self.params.action == "balance"
        code = "artefact_balance" if balanced else "artefact"
        codes = pl.repeat(code, len(pairs), dtype=pl.String, eager=True)
        return FilterResult(keep, artefact_names.select(r=reason)["r"], added, changed, codes)

    def _balance_kinds(
        self, artefact_signs: pl.DataFrame, row_order: NDArray[np.int64], context: Context
    ) -> pl.Series:
        """Keep as many pairs with the artefact chosen as with it rejected, of each kind."""
        keep = np.ones(len(artefact_signs), dtype=bool)
        for kind in self.params.kinds:
            # Pairs dropped for an earlier kind do not count for this one.
            sign = (artefact_signs[kind].to_numpy() * keep)[row_order]
            sides = [row_order[sign == value] for value in (1, -1)]
            frequent, rare = sorted(sides, key=len, reverse=True)
            # Drawn at random: the last rows may share a source or a time.
            shuffled = context.rng("artefacts", kind).permutation(frequent)
            keep[shuffled[len(rare) :]] = False
        return pl.Series(keep)
