"""LLaMA-Factory ranking data, in its ShareGPT and its Alpaca form."""

from __future__ import annotations

from typing import Any, ClassVar

import polars as pl

from curate.data.json_text import parse_nested_json
from curate.data.table import MESSAGES, messages_series
from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
    prepend_system_turn,
    share_of_rows,
)
from curate.read.messages import as_messages, is_message

ALPACA = ("instruction", "input", *SYSTEM)
HISTORY = "history"
_HISTORY = "expected a list of [question, answer], or of messages"
_CONVERSATIONS = ("conversations", "trajectory")
_TWO, _NEARLY_ALL = 2, 0.9


class ShareGPTRanking(Format):
    """`conversations` as the prompt, then `chosen` and `rejected` as one message each.

    openbmb/UltraInteract_pair calls the conversation `trajectory`.
    """

    name = "sharegpt"
    side_suffixes = ("chosen", "rejected")
    summary = "LLaMA-Factory / ShareGPT ranking: conversations, chosen, rejected"
    text_columns = (*_CONVERSATIONS, "chosen", "rejected", *SYSTEM)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are conversations, chosen and rejected."""
        conversations = [name for name in _CONVERSATIONS if has_columns(rows, name)]
        return len(conversations) == 1 and has_columns(rows, "chosen", "rejected")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the conversation as prompt, a system text before it where there is one."""
        rows = rows.with_columns(
            prompt=pl.coalesce(as_messages_column(rows, name, "user") for name in _CONVERSATIONS),
            chosen=as_messages_column(rows, "chosen", "assistant"),
            rejected=as_messages_column(rows, "rejected", "assistant"),
        )
        return rows.with_columns(prompt=prepend_system_turn(rows, pl.col("prompt")))


class AxolotlFormat(Format):
    """`messages` as the prompt, then `chosen` and `rejected`: axolotl's chat_template.default."""

    name = "axolotl"
    side_suffixes = ("chosen", "rejected")
    summary = "axolotl DPO (chat_template.default): messages, chosen, rejected"
    text_columns = ("messages", "chosen", "rejected", *SYSTEM)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are messages, chosen and rejected, but no prompt column."""
        has_pair = has_columns(rows, "messages", "chosen", "rejected")
        return has_pair and not has_columns(rows, "prompt")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the messages as prompt."""
        return rows.with_columns(
            prompt=prepend_system_turn(rows, as_messages_column(rows, "messages", "user")),
            chosen=as_messages_column(rows, "chosen", "assistant"),
            rejected=as_messages_column(rows, "rejected", "assistant"),
        )


class AlpacaRanking(Format):
    """`instruction`, `input` (may be empty), `chosen` and `rejected` as texts, and a `history`."""

    name = "alpaca"
    side_suffixes = ("chosen", "rejected")
    summary = "LLaMA-Factory / Alpaca ranking: instruction, input, chosen, rejected"
    text_columns = (*ALPACA, "chosen", "rejected")
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY,)
    keep_in_extra = ("instruction", "input")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are an instruction, chosen and rejected, and no prompt column."""
        return has_columns(rows, "instruction", "chosen", "rejected") and not has_columns(
            rows, "prompt"
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Join instruction and input by a line break to the prompt, as LLaMA-Factory does."""
        return add_alpaca_prompt(rows).with_columns(
            chosen=as_messages_column(rows, "chosen", "assistant"),
            rejected=as_messages_column(rows, "rejected", "assistant"),
        )


class AlpacaOutputs(Format):
    """The same with both answers in a list under `output`, the preferred one first."""

    name = "alpaca_outputs"
    summary = "LLaMA-Factory's older ranking: instruction, input, output: [chosen, rejected]"
    text_columns = ALPACA
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY, "output")
    keep_in_extra = ("instruction", "input")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether nearly all outputs are two texts."""
        if not has_columns(rows, "instruction", "output") or has_columns(rows, "chosen"):
            return False
        return (
            share_of_rows(rows, lambda row: _two_texts(row.get("output")) is not None) > _NEARLY_ALL
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the first output as chosen."""
        outputs = [_two_texts(text) for text in rows["output"]]
        first_answers, second_answers = (
            pl.Series(
                [None if texts is None else texts[slot] for texts in outputs], dtype=pl.String
            )
            for slot in (0, 1)
        )
        rows = add_alpaca_prompt(rows.with_columns(chosen=first_answers, rejected=second_answers))
        is_malformed = pl.Series([texts is None for texts in outputs])
        wrong = pl.when(is_malformed).then(
            pl.lit("'output' is no list of two texts, the best one first")
        )
        return rows.with_columns(
            pl.coalesce(pl.col(ERROR), wrong).alias(ERROR),
            chosen=as_messages_column(rows, "chosen", "assistant"),
            rejected=as_messages_column(rows, "rejected", "assistant"),
        )


def _two_texts(output: object) -> list[str] | None:
    """Return a list of two texts, also from its JSON text; None for anything else."""
    parsed = parse_nested_json(output)
    if not isinstance(parsed, list) or len(parsed) != _TWO:
        return None
    return parsed if all(isinstance(text, str) for text in parsed) else None


def add_alpaca_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `prompt` from Alpaca's columns (system, history, instruction, input), and `ERROR`.

    Instruction and input are joined by a line break.
    """
    earlier = [parse_history(text) for text in rows[HISTORY]]
    rows = rows.with_columns(
        pl.Series(ERROR, [problem for _, problem in earlier], dtype=pl.String),
        messages_series(HISTORY, [turns for turns, _ in earlier]),
    )
    return rows.with_columns(
        prompt=prepend_system_turn(
            rows, concatenate_messages(pl.col(HISTORY), _instruction_turns(rows))
        )
    )


def concatenate_messages(*columns: pl.Expr) -> pl.Expr:
    """Join messages of several columns; a null counts as none (in polars' own join all is null)."""
    return pl.concat_list(column.fill_null(pl.lit([], dtype=MESSAGES)) for column in columns)


def _instruction_turns(rows: pl.DataFrame) -> pl.Expr:
    """Return instruction and input as one turn; as several if either holds messages."""
    names = ("instruction", "input")
    message_columns = [name for name in names if rows.schema[name] == MESSAGES]
    # An empty input would leave a line break at the end of every prompt.
    texts = {n: pl.when(pl.col(n) != "").then(pl.col(n)) for n in names if n not in message_columns}
    if message_columns:
        turns = {n: as_turn(text, "user") for n, text in texts.items()}
        return concatenate_messages(*(turns.get(name, pl.col(name)) for name in names))
    # Two empty texts are an empty question, as published; two missing ones are none.
    is_present = pl.any_horizontal(pl.col(name).is_not_null() for name in names)
    question = pl.concat_str(texts.values(), separator="\n", ignore_nulls=True)
    return as_turn(pl.when(is_present).then(question), "user")


def parse_history(history: str | None) -> tuple[list[Any], str | None]:
    """Return the turns before an instruction, and what is wrong.

    Args:
        history: JSON of a list of [question, answer], or of messages; or JSON of a text that holds
            such a list, as files without nested columns do.
    """
    listed = parse_nested_json(history)
    if listed in (None, "", []):
        return [], None
    if not isinstance(listed, list):
        return [], f"'{HISTORY}' holds {type(listed).__name__}; {_HISTORY}"
    if all(is_message(item) for item in listed):
        turns, problem = as_messages(listed)
        return (turns or []), None if problem is None else f"'{HISTORY}' {problem}"
    messages: list[Any] = []
    for number, pair in enumerate(listed, 1):
        if not isinstance(pair, list) or not 1 <= len(pair) <= _TWO:
            return [], f"'{HISTORY}' holds {type(pair).__name__} as turn {number}; {_HISTORY}"
        if not all(isinstance(text, str | None) for text in pair):
            return [], f"'{HISTORY}' holds no texts in turn {number}; {_HISTORY}"
        speakers = ("user", "assistant")
        spoken = zip(speakers, pair, strict=False)
        messages += [{"role": role, "content": text} for role, text in spoken if text is not None]
    return messages, None
