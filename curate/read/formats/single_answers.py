"""Answers without a rejected one: data for supervised fine-tuning, and plain texts."""

from __future__ import annotations

from typing import Any, ClassVar

import polars as pl

from curate.data.table import MESSAGES
from curate.read.column_names import (
    SYSTEM,
    VERDICT_WORDS,
    find_side_columns,
    holds_feedback,
    split_name_words,
)
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
from curate.read.messages import Turn, as_messages

_INPUT, _INSTRUCTION, _CONTEXT = "input", "instruction", "context"
_PROMPTS = ("prompt", "question", "query", "problem")
_ANSWERS = ("completion", "response", "answer", "output", "solution")
_ANSWER_WORDS = frozenset(_ANSWERS)
_CONVERSATIONS = ("messages", "conversations", "conversation")
_TEXT = "text"
_SCORE_WORDS = frozenset(
    ("score", "scores", "rating", "ratings", "reward", "rewards", "rank", "ranks", "ranking")
)
_PAIR_WORDS = frozenset(
    (
        *("chosen", "rejected", "label", "kto", "vote", "votes", "winner", "preference"),
        *("preferred", "better", "worse", "responses", "completions", "answers", "generations"),
    )
)
"""Words of columns by which a row holds a second answer or, with scores, a judgement of one."""
_MOST = 0.9
# A column of longer texts may be a second answer, which must not be lost.
_MAX_OTHER_CHARACTERS = 200
_NO_ANSWER = "the last turn is by '{}'; expected the assistant's answer"


class SingleAnswers(Format):
    """A prompt and one answer a row, without a rejected answer.

    `messages` or `conversations` whose last turn is the answer; Alpaca's `instruction`, `input`,
    `output`; `prompt`, `question`, `query` or `input` with `completion`, `response`, `answer` or
    `output`, and a `context` that follows the prompt (Dolly's); or `text` alone, which is an answer
    without a prompt. Rows are found to be of this format only
    if no other format matches and no column may hold a second answer or a judgement; otherwise
    set `input.kind: answers`. `rejected` is null in all rows.
    """

    name = "answers"
    summary = "single answers (SFT): messages, instruction/output, prompt and completion, or text"
    text_columns = tuple(
        dict.fromkeys((*_PROMPTS, *_ANSWERS, *_CONVERSATIONS, _TEXT, *SYSTEM, *ALPACA, _CONTEXT))
    )
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY,)
    keep_in_extra = (_INSTRUCTION, _INPUT, _CONTEXT, HISTORY, *_PROMPTS, *_ANSWERS, _TEXT)
    single_answers = True
    # Tried by itself after all formats of pairs.
    priority = -1

    def matches(self, rows: RowSample) -> bool:
        """Return whether rows hold a prompt with an answer, a conversation, or a text."""
        if any(has_columns(rows, name) for name in _CONVERSATIONS):
            return share_of_rows(rows, _ends_with_answer) >= _MOST
        answers = [name for name in _ANSWERS if has_columns(rows, name)]
        prompts = (*_PROMPTS, _INSTRUCTION, _INPUT)
        if answers and any(has_columns(rows, name) for name in prompts):
            return all(_holds_answers(rows, name) for name in answers)
        return has_columns(rows, _TEXT)

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

    A column is named like one, or one that the format does not read holds long texts. Columns that
    repeat what the conversation of their row says are none, and plain texts may have scores.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    repeated = _repeated_columns(rows, names)
    names = [name for name in names if name not in repeated]
    unread = [name for name in names if name not in SingleAnswers().columns()]
    has_long_texts = any(_has_long_text(row.get(name)) for row in rows for name in unread)
    return has_long_texts or _names_pairs(names) or any(_is_verdict(rows, n) for n in names)


def _repeated_columns(rows: RowSample, names: list[str]) -> set[str]:
    """Return the columns whose texts are turns of the conversations of their rows."""
    conversation = next((name for name in _CONVERSATIONS if name in names), None)
    if conversation is None:
        return set()
    spoken = [{turn["content"] for turn in _conversation(row, conversation)} for row in rows]
    return {
        name
        for name in names
        if name != conversation
        and all(
            row.get(name) in (None, "", *texts) for row, texts in zip(rows, spoken, strict=True)
        )
    }


def _names_pairs(names: list[str]) -> bool:
    """Return whether a column is named like a judgement, or several like an answer."""
    words = {name: split_name_words(name) for name in names}
    sides = (("a", "b"), ("1", "2"), ("first", "second"))
    answers = [n for n in names if n in _CONVERSATIONS or not _ANSWER_WORDS.isdisjoint(words[n])]
    # The score of a text without a prompt is its quality or its language's probability.
    judging_words = _PAIR_WORDS | _SCORE_WORDS if answers else _PAIR_WORDS
    is_judged = any(not judging_words.isdisjoint(words[name]) for name in names)
    return is_judged or len(answers) > 1 or find_side_columns(names, sides) is not None


def _is_verdict(rows: RowSample, name: str) -> bool:
    """Return whether a column says of each answer whether it is good: `is_safe`, `correct`, ..."""
    if holds_feedback(rows, name):
        return True
    values = [row[name] for row in rows if row.get(name) is not None]
    is_named = not VERDICT_WORDS.isdisjoint(split_name_words(name))
    return is_named and bool(values) and all(isinstance(value, bool) for value in values)


def _has_long_text(value: object) -> bool:
    if isinstance(value, list):
        return any(_has_long_text(item) for item in value)
    return isinstance(value, str) and len(value) > _MAX_OTHER_CHARACTERS


def _holds_answers(rows: RowSample, name: str) -> bool:
    """Return whether a column holds texts or messages, as an answer is."""
    values = [row[name] for row in rows if row.get(name) is not None]
    readable = [isinstance(v, str | int | float) or as_messages(v)[0] is not None for v in values]
    return sum(readable) >= _MOST * len(values)


def _ends_with_answer(row: Any) -> bool:
    """Return whether a conversation of the row ends with a turn of the assistant."""
    conversations = (_conversation(row, name) for name in _CONVERSATIONS)
    return any(turns and turns[-1]["role"] == "assistant" for turns in conversations)


def _conversation(row: Any, name: str) -> list[Turn]:
    """Return the turns of a conversation; none where it cannot be read."""
    value = row.get(name)
    return (as_messages(parse_embedded_json(value))[0] if value else None) or []


def _split_prompt_and_answer(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `prompt` and `chosen` as messages, from any of the forms."""
    columns = (*_CONVERSATIONS, *_ANSWERS)
    if all(rows[name].null_count() == len(rows) for name in columns):
        text = as_messages_column(rows, _TEXT, "assistant")
        return rows.with_columns(prompt=pl.lit([], dtype=MESSAGES), chosen=text)
    # Beside an instruction the input is a part of the prompt, by itself it is the prompt.
    is_alpaca = rows[_INSTRUCTION].null_count() < len(rows)
    prompts = _PROMPTS if is_alpaca else (*_PROMPTS, _INPUT)
    split = split_prompt_and_answer(_with_context(rows), prompts, _ANSWERS, _CONVERSATIONS)
    return split.rename({"_answer": "chosen"})


def _with_context(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a text that belongs to the prompt after its question.

    Alpaca's `input` is where an instruction has such a text; other prompts take it on a new line.
    """
    context = rows[_CONTEXT]
    if context.dtype != pl.String or context.null_count() == len(rows):
        return rows
    text = pl.when(pl.col(_CONTEXT) != "").then(_CONTEXT)
    columns = [name for name in _PROMPTS if rows.schema[name] == pl.String]
    questions = [
        pl.concat_str(name, pl.lit("\n"), text).fill_null(pl.col(name)).alias(name)
        for name in columns
    ]
    if rows[_INPUT].null_count() == len(rows):
        questions.append(pl.when(pl.col(_INSTRUCTION).is_not_null()).then(text).alias(_INPUT))
    return rows.with_columns(questions)
