"""Drops exact repeats, and, if wished, pairs that contradict each other."""

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
    best_first,
    check_readable,
)
from curate.data.duplicates import duplicate_flags, first_duplicate
from curate.data.hashes import content_keys, vote_keys


class ExactDuplicatesParams(Parameters):
    """Parameters of `exact_duplicates`."""

    ignore_annotator: bool = Field(
        False, description="Take equal votes of several annotators as repeats too."
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
    """Keeps the first of pairs with the same prompt, answers, label and annotator."""

    name = "exact_duplicates"
    purpose = "duplicates and leaks"
    when = "Always."
    summary = "keep the first of pairs with the same prompt, answers, label (and annotator)"
    Params = ExactDuplicatesParams

    def reads(self) -> tuple[str, ...]:
        """Texts, annotator and tie mark, and the score that decides."""
        texts = ("pair_id", "prompt", "chosen", "rejected", "annotator", "is_tie")
        return texts if self.params.order_by is None else (*texts, self.params.order_by)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep first occurrences."""
        ignore = self.params.ignore_annotator
        votes = vote_keys(pairs)
        flags = duplicate_flags(pairs, ignore_annotator=ignore, votes=votes).with_columns(
            of=first_duplicate(pairs, ignore_annotator=ignore, votes=votes)
        )
        worse = pl.col("contradicted") & self._worse(pairs, flags["contradicted"])
        judged = flags.select(
            keep=~pl.col("exact") & ~worse,
            reason=pl.when(worse)
            .then(pl.lit("another pair has the same texts and the opposite label"))
            .otherwise(pl.format("repeats pair {}", "of")),
        )
        self._tell(pairs, flags["contradicted"], context)
        return FilterResult(judged["keep"], judged["reason"])

    def _worse(self, pairs: pl.DataFrame, contradicted: pl.Series) -> pl.Series:
        """Which of the contradicted pairs go."""
        p = self.params
        if p.order_by is None:
            return pl.repeat(p.contradictions == "drop", len(pairs), eager=True)
        rank = best_first(check_readable(pairs[p.order_by], self.name), p.prefer)
        # A pair without a score is ranked behind all others.
        keys = content_keys(pairs).with_columns(r=rank.fill_null(len(pairs) + 1))
        some = keys.with_columns(r=pl.when(contradicted).then("r"))
        # Per set of texts: the label of its best pair stays, all pairs of the other one go.
        best = pl.col("chosen").sort_by("r", nulls_last=True).first().over("prompt", "low", "high")
        return some.select(w=pl.col("chosen") != best)["w"]

    def _tell(self, pairs: pl.DataFrame, contradicted: pl.Series, context: Context) -> None:
        count = int((contradicted & pairs["annotator"].is_null()).sum())
        context.facts["contradicted"] = int(contradicted.sum())
        if count and self.params.contradictions == "keep":
            context.warnings.append(
                f"{count:,} pairs without annotators contradict another one with the same texts "
                "and are kept; contradictions: drop leaves them out, best (with order_by) keeps "
                "the better label"
            )
