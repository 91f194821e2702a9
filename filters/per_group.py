"""Limits the number of pairs of each group."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import (
    Context,
    Filter,
    FilterResult,
    Parameters,
    Prefer,
    as_numeric_column,
    best_first,
    with_reasons,
)
from curate.scoring import select_in_batches
from curate.scoring.texts import MESSAGES, hash_128, messages_key


class PerGroupParams(Parameters):
    """Parameters of `per_group`."""

    by: str = Field(
        description="Column whose equal values make a group: prompt, source, "
        "annotator, extra.<key>, a text score..."
    )
    keep: int = Field(ge=1, description="Pairs of each group to keep.")
    order_by: str | None = Field(
        None, description="Score by which the best are kept; default the order of the pairs."
    )
    prefer: Prefer = Field("max", description="Whether large (max) or small (min) scores are best.")


class PerGroup(Filter[PerGroupParams]):
    """Keep the best `keep` pairs of each group; pairs without a group form one group.

    A group is a prompt, a source, an annotator or any column of equal values; `order_by` names the
    score that ranks pairs within it, by default their order. Use it when a few prompts, sources or
    annotators dominate.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": "2 + 2?", "chosen": "4", "rejected": str(i)} for i in range(3)]
        >>> step = {"type": "per_group", "by": "prompt", "keep": 1}
        >>> len(Pipeline({"filters": [step]}).run(rows).kept)
        1
    """

    name = "per_group"
    purpose = "keep the best"
    when = "When a few prompts, sources or annotators dominate the dataset."
    summary = "limit the number of pairs of each prompt, source, annotator or other group"
    single_answers = True
    Params = PerGroupParams
    drop_codes = ("per_group_rank",)

    def reads(self) -> tuple[str, ...]:
        """Read the group, and the order where one is given."""
        p = self.params
        return (p.by,) if p.order_by is None else (p.by, p.order_by)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the best pairs of each group; a missing score is the worst."""
        p = self.params
        messages = pairs.schema[p.by] == MESSAGES
        # polars cannot group by a list of messages, but by its hash.
        value = hash_128(messages_key(p.by)) if messages else pl.col(p.by)
        group = select_in_batches(pairs, value.alias("g"))["g"]
        order = pl.Series(range(1, len(pairs) + 1), dtype=pl.Int64)
        if p.order_by is not None:
            ranks = best_first(as_numeric_column(pairs[p.order_by], self.name), p.prefer)
            # A pair without a score is ranked last.
            order = ranks.cast(pl.Int64).fill_null(len(pairs) + 1)
        frame = pl.DataFrame({"g": group, "o": order})
        rank = frame.select(r=pl.col("o").rank("ordinal").over("g"))
        reason = pl.format(
            "number {} of its group by {}, {} kept", "r", *map(pl.lit, (p.by, p.keep))
        )
        return with_reasons(rank["r"] <= p.keep, lambda rows: rank[rows].select(reason).to_series())
