"""Answers that repeat the conversation of their prompt, as many sets publish them."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import polars as pl

from curate.data.table import MESSAGES, messages_series
from curate.read.formats.base import ERROR, ROW
from curate.read.formats.trl import PREFIX_ERROR, split_shared_prompt

_ANSWERS = ("chosen", "rejected")
_ASKING = ("user", "system")
_Turn = dict[str, Any]


def strip_repeated_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    """Return answers without the turns of the prompt that they begin with.

    A system message that both answers begin with, and the prompt does not hold, goes before the
    prompt; one that only the prompt holds is no hindrance. Where there is no prompt, it is what
    both answers begin with. An answer that still begins with a turn of the user is an error: a
    trainer would learn to write it.

    Args:
        rows: what a format made of its rows.
    """
    if any(rows.schema.get(side) != MESSAGES for side in _ANSWERS):
        return rows
    asking = rows.select(_begins_with_question())["asking"]
    # In nearly all datasets no answer repeats the prompt.
    if not asking.any():
        return rows
    if rows.schema.get("prompt") != MESSAGES:
        rows = rows.with_columns(pl.lit(None, dtype=MESSAGES).alias("prompt"))
    if ERROR not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(ERROR))
    asking_rows = rows.filter(asking)
    has_prompt = asking_rows["prompt"].list.len().fill_null(0) > 0
    batches = [rows.filter(~asking), _strip_prompt(asking_rows.filter(has_prompt))]
    if not has_prompt.all():
        without_prompt = asking_rows.filter(~has_prompt)
        split = split_shared_prompt(without_prompt.drop("prompt", ERROR))
        # By row: what is wrong with it already goes before what splitting finds.
        batches.append(
            split.with_columns(without_prompt[ERROR].fill_null(split[ERROR]).alias(ERROR))
        )
    return pl.concat(batches, how="diagonal").sort(ROW, maintain_order=True)


def _strip_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    """Strip the prompt from answers that begin with a user's or a system's turn."""
    first_turns = [pl.col(side).list.first().struct for side in _ANSWERS]
    same = first_turns[0].field("content") == first_turns[1].field("content")
    shared = same & pl.all_horizontal(turn.field("role") == "system" for turn in first_turns)
    prompt_has_no_system = _first_role("prompt") != "system"
    prompt_with_system = pl.concat_list(pl.col("chosen").list.head(1), "prompt")
    rows = rows.with_columns(
        prompt=pl.when(shared & prompt_has_no_system).then(prompt_with_system).otherwise("prompt")
    )
    prompt_after_system = pl.col("prompt").list.slice(
        (_first_role("prompt") == "system").cast(pl.Int64)
    )
    for turns in (pl.col("prompt"), prompt_after_system):
        rows = rows.with_columns(_strip_turns(side, turns).alias(side) for side in _ANSWERS)
    rows = _move_shared_turns(rows)
    problem = PREFIX_ERROR.format("an answer begins with a user turn that is not the prompt's")
    wrong = pl.when(_begins_with_question()).then(pl.lit(problem))
    return rows.with_columns(pl.col(ERROR).fill_null(wrong))


def _move_shared_turns(rows: pl.DataFrame) -> pl.DataFrame:
    """Move turns that both conversations share from the answers to the prompt.

    A prompt beside whole conversations may repeat any one of their turns: the first question or
    the last. What both share up to the answer of the model is the prompt then.
    """
    first_turns = [pl.col(side).list.first() for side in _ANSWERS]
    longer = pl.all_horizontal(pl.col(side).list.len() > 1 for side in _ANSWERS)
    shares = (longer & (first_turns[0] == first_turns[1])).fill_null(False)
    open_rows = rows.select(shares.alias("shares"))["shares"]
    if not open_rows.any():
        return rows
    moved = rows.filter(open_rows)
    sides = moved.select("prompt", *_ANSWERS).iter_rows()
    split = [_split_shared_turns(*turns) for turns in sides]
    columns = (
        messages_series(name, [turns[i] for turns in split])
        for i, name in enumerate(("prompt", *_ANSWERS))
    )
    return pl.concat([rows.filter(~open_rows), moved.with_columns(*columns)]).sort(
        ROW, maintain_order=True
    )


def _split_shared_turns(
    prompt: list[_Turn], chosen: list[_Turn], rejected: list[_Turn]
) -> tuple[list[_Turn], list[_Turn], list[_Turn]]:
    """Return prompt and answers with the turns that both answers share moved to the prompt.

    Nothing is moved where the answers still begin with a question and no shared turn is the
    prompt's.
    """
    both = zip(chosen[:-1], rejected[:-1], strict=False)
    shared = sum(1 for _ in takewhile(lambda turns: turns[0] == turns[1], both))
    while shared and not all(turns[shared]["role"] == "assistant" for turns in (chosen, rejected)):
        shared -= 1
    if chosen[0]["role"] in _ASKING:
        prompt_turns = [turn for turn in prompt if turn["role"] != "system"]
        if not _texts(prompt_turns) <= _texts(chosen[:shared]):
            return prompt, chosen, rejected
        if shared:
            has_system = chosen[0]["role"] == "system"
            prompt = [t for t in prompt if t["role"] == "system" and not has_system]
    return prompt + chosen[:shared], chosen[shared:], rejected[shared:]


def _texts(turns: list[_Turn]) -> set[str]:
    return {(turn["content"] or "").strip() for turn in turns}


def _strip_turns(side: str, turns: pl.Expr) -> pl.Expr:
    """Return an answer behind these turns, where it begins with them and goes on."""
    length = turns.list.len()
    begins = (pl.col(side).list.head(length) == turns) & (length > 0)
    longer = pl.col(side).list.len() > length
    return pl.when(begins & longer).then(pl.col(side).list.slice(length)).otherwise(side)


def _begins_with_question() -> pl.Expr:
    """Return whether an answer begins with a turn that no model writes."""
    asks = [_first_role(side).is_in(_ASKING).fill_null(False) for side in _ANSWERS]
    return pl.any_horizontal(asks).alias("asking")


def _first_role(column: str) -> pl.Expr:
    return pl.col(column).list.first().struct.field("role")
