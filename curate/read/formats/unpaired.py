"""Answers that were judged one by one, good or bad: KTO's data, TRL's or LLaMA-Factory's."""

from __future__ import annotations

import polars as pl

from curate.data.row_parts import row_part_keys
from curate.data.table import messages_key
from curate.read.formats.base import (
    EXTRA,
    ROW,
    Format,
    RowSample,
    has_columns,
    list_the_rest,
    turns,
)
from curate.read.formats.rankings import pairs_of_rankings
from curate.read.formats.slots import list_to_extra

_ALONE = "no answer to this prompt has the other label"


class Unpaired(Format):
    """`prompt` and `completion`, or a conversation (`messages`, `conversations`), and a `label`.

    Good and bad answers to the same prompt are paired by `input.ranking` (best_worst: one pair a
    prompt; all: each good one with each bad one). Rows without a partner are listed, and are no
    error. Prompts with other tools or images are other prompts.
    """

    name = "unpaired"
    summary = "KTO unpaired: prompt, completion (or messages) and label, true for a good answer"
    text_columns = ("prompt", "completion", "messages", "conversations")
    value_columns = ("label",)
    whole = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether a bool label stands beside an answer, and there is no second answer."""
        if not has_columns(rows, "label") or has_columns(rows, "rejected"):
            return False
        judged = all(isinstance(row.get("label"), bool) for row in rows)
        talks = any(has_columns(rows, name) for name in ("messages", "conversations"))
        return judged and (has_columns(rows, "prompt", "completion") or talks)

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Pairs of a good and a bad answer to one prompt."""
        parts = row_part_keys(rows)
        rows = _split(rows).with_columns(
            _key=messages_key("prompt") + (pl.lit("") if parts is None else pl.lit(parts)),
            _good=pl.col("label").cast(pl.Float64, strict=False),
        )
        whole = rows.filter(pl.col("_answer").list.len() > 0, pl.col("_good").is_not_null())
        groups = whole.group_by("_key", maintain_order=True).agg(
            pl.col(ROW).first(),
            pl.col(EXTRA, "prompt").first(),
            _rows=pl.col(ROW),
            _labels=pl.col("_good").n_unique(),
            _ranked=pl.struct(turns=pl.col("_answer"), score=pl.col("_good")),
        )
        both = groups.filter(pl.col("_labels") > 1)
        made = both.with_columns(list_to_extra("rows", "_rows")).drop("_key", "_labels", "_rows")
        # Labels differ by 1: two good answers make no pair.
        rule = self.ranking.model_copy(update={"min_gap": 0.5})
        pairs = pairs_of_rankings(made, self, rule).drop("strength")
        used = both.select(pl.col("_rows").alias(ROW)).explode(ROW)
        return list_the_rest(pairs, rows, used, _ALONE)


def _split(rows: pl.DataFrame) -> pl.DataFrame:
    """`prompt` and `_answer` as messages, from either form."""
    talk = next(
        (c for c in ("messages", "conversations") if rows[c].null_count() < len(rows)), None
    )
    if talk is None:
        return rows.with_columns(
            prompt=turns(rows, "prompt", "user"), _answer=turns(rows, "completion", "assistant")
        )
    said = turns(rows, talk, "user")
    return rows.with_columns(prompt=said.list.head(said.list.len() - 1), _answer=said.list.tail(1))
