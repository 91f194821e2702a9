"""Answers that repeat the conversation of their prompt, as many sets publish them."""

from __future__ import annotations

import polars as pl

from curate.data.table import MESSAGES
from curate.read.formats.base import ERROR, ROW
from curate.read.formats.trl import PREFIX_ERROR, split_shared_prompt

_ANSWERS = ("chosen", "rejected")
_ASKING = ("user", "system")


def strip_repeated_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    """Answers without the turns of the prompt that they begin with.

    A system message that both answers begin with, and the prompt does not hold, goes before the
    prompt; one that only the prompt holds is no hindrance. Where there is no prompt, it is what
    both answers begin with. An answer that still begins with a turn of the user is an error: a
    trainer would learn to write it.

    Args:
        rows: what a format made of its rows.
    """
    if any(rows.schema.get(side) != MESSAGES for side in _ANSWERS):
        return rows
    asking = rows.select(_asking())["asking"]
    # Nearly all sets hold answers alone, and are done with here.
    if not asking.any():
        return rows
    if rows.schema.get("prompt") != MESSAGES:
        rows = rows.with_columns(pl.lit(None, dtype=MESSAGES).alias("prompt"))
    if ERROR not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(ERROR))
    some = rows.filter(asking)
    given = some["prompt"].list.len().fill_null(0) > 0
    parts = [rows.filter(~asking), _without_prompt(some.filter(given))]
    if not given.all():
        before = some.filter(~given)
        split = split_shared_prompt(before.drop("prompt", ERROR))
        # By row: what is wrong with it already goes before what splitting finds.
        parts.append(split.with_columns(before[ERROR].fill_null(split[ERROR]).alias(ERROR)))
    return pl.concat(parts, how="diagonal").sort(ROW, maintain_order=True)


def _without_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with a prompt, of which an answer begins with a user's or a system's turn."""
    first = [pl.col(side).list.first().struct for side in _ANSWERS]
    same = first[0].field("content") == first[1].field("content")
    shared = same & pl.all_horizontal(turn.field("role") == "system" for turn in first)
    bare = _role("prompt") != "system"
    both = pl.concat_list(pl.col("chosen").list.head(1), "prompt")
    rows = rows.with_columns(prompt=pl.when(shared & bare).then(both).otherwise("prompt"))
    after = pl.col("prompt").list.slice((_role("prompt") == "system").cast(pl.Int64))
    for turns in (pl.col("prompt"), after):
        rows = rows.with_columns(_cut(side, turns).alias(side) for side in _ANSWERS)
    told = PREFIX_ERROR.format("an answer begins with a user turn that is not the prompt's")
    wrong = pl.when(_asking()).then(pl.lit(told))
    return rows.with_columns(pl.col(ERROR).fill_null(wrong))


def _cut(side: str, turns: pl.Expr) -> pl.Expr:
    """An answer behind these turns, where it begins with them and goes on."""
    length = turns.list.len()
    begins = (pl.col(side).list.head(length) == turns) & (length > 0)
    longer = pl.col(side).list.len() > length
    return pl.when(begins & longer).then(pl.col(side).list.slice(length)).otherwise(side)


def _asking() -> pl.Expr:
    """Whether an answer begins with a turn that no model writes."""
    asks = [_role(side).is_in(_ASKING).fill_null(False) for side in _ANSWERS]
    return pl.any_horizontal(asks).alias("asking")


def _role(column: str) -> pl.Expr:
    return pl.col(column).list.first().struct.field("role")
