"""Drops exact repeats, and optionally pairs that contradict each other."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from curate import (
    Context,
    Filter,
    FilterResult,
    Parameters,
    Prefer,
    Standing,
    as_numeric_column,
    best_first,
)
from curate.scoring.texts import content_keys, duplicate_flags, first_duplicate, vote_keys


class ExactDuplicatesParams(Parameters):
    """Parameters of `exact_duplicates`."""

    ignore_annotator: bool = Field(
        False, description="Treat equal votes of several annotators as repeats too."
    )
    contradictions: Literal["keep", "drop", "best"] = Field(
        "keep",
        description="Pairs with the same texts and opposite labels: keep, drop them all, or keep "
        "those with the label of the best one by order_by.",
    )
    order_by: str | None = Field(None, description="Score that decides, for contradictions: best.")
    prefer: Prefer = Field("max", description="Whether large (max) or small (min) scores are best.")

    @model_validator(mode="after")
    def _decides(self) -> ExactDuplicatesParams:
        if (self.contradictions == "best") != (self.order_by is not None):
            raise ValueError("contradictions: best and order_by go together")
        return self


class ExactDuplicates(Filter[ExactDuplicatesParams]):
    """Keep the first of the pairs with the same prompt, answers, label and annotator.

    `contradictions` decides about pairs with the same texts and opposite labels: keep them, drop
    all, or keep those with the label of the best pair by `order_by`. Use it always.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}] * 2
        >>> len(Pipeline({"filters": [{"type": "exact_duplicates"}]}).run(rows).kept)
        1
    """

    name = "exact_duplicates"
    purpose = "duplicates and leaks"
    standing = Standing.RECOMMENDED
    when = "Always."
    summary = "keep the first of pairs with the same prompt, answers, label (and annotator)"
    single_answers = True
    Params = ExactDuplicatesParams
    drop_codes = ("exact_duplicate", "contradiction")

    def reads(self) -> tuple[str, ...]:
        """Read texts, annotator and tie status, and the score that decides."""
        texts = ("pair_id", "prompt", "chosen", "rejected", "annotator", "is_tie")
        return texts if self.params.order_by is None else (*texts, self.params.order_by)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep first occurrences."""
        ignore = self.params.ignore_annotator
        # Hashed once: both functions group by them.
        votes = vote_keys(pairs)
        flags = duplicate_flags(pairs, ignore_annotator=ignore, votes=votes).with_columns(
            of=first_duplicate(pairs, ignore_annotator=ignore, votes=votes)
        )
        worse = pl.col("contradicted") & self._worse_label_mask(pairs, flags["contradicted"])
        decisions = flags.select(
            keep=~pl.col("exact") & ~worse,
            reason=pl.when(worse)
            .then(pl.lit("another pair has the same texts and the opposite label"))
            .otherwise(pl.format("repeats pair {}", "of")),
            code=pl.when(worse).then(pl.lit("contradiction")).otherwise(pl.lit("exact_duplicate")),
        )
        self._record_contradictions(pairs, flags["contradicted"], context)
        return FilterResult(decisions["keep"], decisions["reason"], code=decisions["code"])

    def _worse_label_mask(self, pairs: pl.DataFrame, contradicted: pl.Series) -> pl.Series:
        """Return which of the contradicted pairs are dropped."""
        p = self.params
        if p.order_by is None:
            return pl.repeat(p.contradictions == "drop", len(pairs), eager=True)
        rank = best_first(as_numeric_column(pairs[p.order_by], self.name), p.prefer)
        # A pair without a score is ranked last.
        keys = content_keys(pairs).with_columns(r=rank.fill_null(len(pairs) + 1))
        contradicted_ranks = keys.with_columns(r=pl.when(contradicted).then("r"))
        # Per set of texts the label of the best pair wins; pairs with the other label are dropped.
        best = pl.col("chosen").sort_by("r", nulls_last=True).first().over("prompt", "low", "high")
        return contradicted_ranks.select(w=pl.col("chosen") != best)["w"]

    def _record_contradictions(
        self, pairs: pl.DataFrame, contradicted: pl.Series, context: Context
    ) -> None:
        count = int((contradicted & pairs["annotator"].is_null()).sum())
        context.facts["contradicted"] = int(contradicted.sum())
        if count and self.params.contradictions == "keep":
            context.warnings.append(
                f"{count:,} pairs without annotators contradict another one with the same texts "
                "and are kept; 'contradictions: drop' drops them, 'best' (with order_by) keeps "
                "the better label"
            )
