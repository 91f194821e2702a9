"""Answers without a rejected one: data for supervised fine-tuning, and plain texts."""

from __future__ import annotations

from typing import Any, ClassVar

import polars as pl

from curate.data.table import MESSAGES
from curate.read.column_names import SYSTEM, find_side_columns, split_name_words
from curate.read.embedded_json import parse_embedded_json
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    share_of_rows,
)
from curate.read.formats.llamafactory import ALPACA, HISTORY
from curate.read.formats.unpaired import split_prompt_and_answer
from curate.read.messages import as_messages

_PROMPTS = ("prompt", "question", "query", "problem")
_ANSWERS = ("completion", "response", "answer", "output", "solution")
_ANSWER_WORDS = frozenset(_ANSWERS)
_CONVERSATIONS = ("messages", "conversations", "conversation")
_TEXT = "text"
# Words of columns by which a row holds a second answer, or a judgement of one.
_PAIR_WORDS = frozenset(
    {
        *("chosen", "rejected", "label", "kto", "vote", "votes", "winner", "preference"),
        *("preferred", "score", "scores", "rating", "ratings", "reward", "rewards", "rank"),
        *("ranks", "ranking", "better", "worse", "responses", "completions", "answers"),
        "generations",
    }
)
_MOST = 0.9
# A column of longer texts may be a second answer, which must not be lost.
_MAX_OTHER_CHARACTERS = 200
_NO_ANSWER = "the last turn is by '{}'; expected the assistant's answer"


class SingleAnswers(Format):
    """A prompt and one answer a row, without a rejected answer.

    `messages` or `conversations` whose last turn is the answer; Alpaca's `instruction`, `input`,
    `output`; `prompt`, `question` or `query` with `completion`, `response`, `answer` or `output`;
    or `text` alone, which is an answer without a prompt. Rows are found to be of this format only
    if no other format matches and no column may hold a second answer or a judgement; otherwise
    set `input.kind: answers`. `rejected` is null in all rows.
    """

    name = "answers"
    summary = "single answers (SFT): messages, instruction/output, prompt and completion, or text"
    text_columns = tuple(
        dict.fromkeys((*_PROMPTS, *_ANSWERS, *_CONVERSATIONS, _TEXT, *SYSTEM, *ALPACA))
    )
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY,)
    keep_in_extra = ("instruction", "input", HISTORY, *_PROMPTS, *_ANSWERS, _TEXT)
    single_answers = True
    may_name_origins = True
    # Tried by itself after all formats of pairs.
    priority = -1

    def matches(self, rows: RowSample) -> bool:
        """Return whether rows hold a prompt with an answer, a conversation, or a text."""
        if any(has_columns(rows, name) for name in _CONVERSATIONS):
            return share_of_rows(rows, _ends_with_answer) >= _MOST
        has_answer = any(has_columns(rows, name) for name in _ANSWERS)
        has_prompt = any(has_columns(rows, name) for name in (*_PROMPTS, "instruction"))
        return (has_prompt and has_answer) or has_columns(rows, _TEXT)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return prompt and answer; `rejected` is null."""
        rows = _split_prompt_and_answer(rows)
        speaker = pl.col("chosen").list.last().struct.field("role")
        previous_errors = [ERROR] if ERROR in rows.columns else []
        wrong_end = pl.when(speaker != "assistant").then(pl.format(_NO_ANSWER, speaker))
        return rows.with_columns(
            pl.coalesce(*previous_errors, wrong_end).alias(ERROR),
            pl.lit(None, dtype=MESSAGES).alias("rejected"),
        )


def may_hold_pairs(rows: RowSample) -> bool:
    """Return whether a sample of this format may hold a second answer or a judgement of one.

    A column is named like one, or one that the format does not read holds long texts.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    unread = [name for name in names if name not in SingleAnswers().columns()]
    has_long_texts = any(_has_long_text(row.get(name)) for row in rows for name in unread)
    return has_long_texts or _names_pairs(names)


def _names_pairs(names: list[str]) -> bool:
    """Return whether a column is named like a judgement, or several like an answer."""
    words = {name: split_name_words(name) for name in names}
    sides = (("a", "b"), ("1", "2"), ("first", "second"))
    answers = [n for n in names if n in _CONVERSATIONS or not _ANSWER_WORDS.isdisjoint(words[n])]
    is_judged = any(not _PAIR_WORDS.isdisjoint(words[name]) for name in names)
    return is_judged or len(answers) > 1 or find_side_columns(names, sides) is not None


def _has_long_text(value: object) -> bool:
    return isinstance(value, str) and len(value) > _MAX_OTHER_CHARACTERS


def _ends_with_answer(row: Any) -> bool:
    """Return whether a conversation of the row ends with a turn of the assistant."""
    conversations = (
        as_messages(parse_embedded_json(row[name]))[0] for name in _CONVERSATIONS if row.get(name)
    )
    return any(turns and turns[-1]["role"] == "assistant" for turns in conversations)


def _split_prompt_and_answer(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `prompt` and `chosen` as messages, from any of the forms."""
    columns = (*_CONVERSATIONS, *_ANSWERS)
    if all(rows[name].null_count() == len(rows) for name in columns):
        text = as_messages_column(rows, _TEXT, "assistant")
        return rows.with_columns(prompt=pl.lit([], dtype=MESSAGES), chosen=text)
    split = split_prompt_and_answer(rows, _PROMPTS, _ANSWERS, _CONVERSATIONS)
    return split.rename({"_answer": "chosen"})
