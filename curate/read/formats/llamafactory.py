"""LLaMA-Factory ranking data, in its ShareGPT and its Alpaca form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.data.table import MESSAGES, message
from curate.read.formats.base import Format, RowSample, has_columns, turns, with_system


class ShareGPTRanking(Format):
    """`conversations` as the prompt, then `chosen` and `rejected` as one message each."""

    name = "sharegpt"
    answers = ("chosen", "rejected")
    summary = "LLaMA-Factory / ShareGPT ranking: conversations, chosen, rejected"
    text_columns = ("conversations", "chosen", "rejected", "system")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether conversations stand beside chosen and rejected."""
        return has_columns(rows, "conversations", "chosen", "rejected")

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The conversation as prompt, a system text before it where there is one."""
        rows = rows.with_columns(
            prompt=turns(rows, "conversations", "user"),
            chosen=turns(rows, "chosen", "assistant"),
            rejected=turns(rows, "rejected", "assistant"),
        )
        if rows.schema["system"] == pl.String:
            rows = rows.with_columns(prompt=with_system(pl.col("system"), pl.col("prompt")))
        return rows


class Axolotl(Format):
    """`messages` as the prompt, then `chosen` and `rejected`: axolotl's chat_template.default."""

    name = "axolotl"
    answers = ("chosen", "rejected")
    summary = "axolotl DPO (chat_template.default): messages, chosen, rejected"
    text_columns = ("messages", "chosen", "rejected")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether messages stand beside chosen and rejected, without a prompt column."""
        found = has_columns(rows, "messages", "chosen", "rejected")
        return found and not has_columns(rows, "prompt")

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The messages as prompt."""
        return rows.with_columns(
            prompt=turns(rows, "messages", "user"),
            chosen=turns(rows, "chosen", "assistant"),
            rejected=turns(rows, "rejected", "assistant"),
        )


class AlpacaRanking(Format):
    """`instruction`, `input` (may be empty), `chosen` and `rejected` as texts."""

    name = "alpaca"
    answers = ("chosen", "rejected")
    summary = "LLaMA-Factory / Alpaca ranking: instruction, input, chosen, rejected"
    text_columns = ("instruction", "input", "chosen", "rejected", "system")
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {"history": pl.List(pl.List(pl.String))}
    keep_in_extra = ("instruction", "input")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Whether an instruction stands beside chosen and rejected, without a prompt column."""
        return has_columns(rows, "instruction", "chosen", "rejected") and not has_columns(
            rows, "prompt"
        )

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Instruction and input joined by a line break as the prompt, as LLaMA-Factory does."""
        given = pl.col("input").fill_null("")
        joined = pl.col("instruction") + pl.when(given == "").then(pl.lit("")).otherwise(
            pl.lit("\n") + given
        )
        rows = rows.with_columns(instruction=joined)
        prompt = turns(rows, "instruction", "user")
        if rows.schema["instruction"] == pl.String:
            prompt = pl.concat_list(_earlier_turns(), prompt)
        if rows.schema["system"] == pl.String:
            prompt = with_system(pl.col("system"), prompt)
        return rows.with_columns(
            prompt=prompt,
            chosen=turns(rows, "chosen", "assistant"),
            rejected=turns(rows, "rejected", "assistant"),
        )


def _earlier_turns() -> pl.Expr:
    """`history`, a list of [question, answer], as messages; empty where there is none."""
    said = pl.element().list
    both = pl.concat_list(
        message("user", said.get(0, null_on_oob=True)),
        message("assistant", said.get(1, null_on_oob=True)),
    )
    listed = pl.col("history").list.eval(both.explode()).cast(MESSAGES)
    return listed.fill_null(pl.lit([], dtype=MESSAGES))
