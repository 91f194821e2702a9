"""Lists of good and of bad answers to a prompt."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.table import MESSAGES
from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    share_of_rows,
)
from curate.read.formats.rankings import pairs_from_valid_rankings
from curate.read.messages import as_messages

_PROMPTS = ("prompt", "question", "instruction", "query")
_NAMES = (
    ("chosen", "rejected"),
    ("chosen_responses", "rejected_responses"),
    ("positives", "negatives"),
)
_SIDES = (("chosen", 1.0), ("rejected", 0.0))
_RANKED = pl.List(pl.Struct({"turns": MESSAGES, "score": pl.Float64}))
_EXPECTED = "expected texts, or conversations, or lists of them"


class AnswerLists(Format):
    """`prompt`, `chosen` and `rejected`, where an answer column holds a list of answers.

    Also of other usual names: `question`, `chosen_responses` and `rejected_responses`, ...
    `input.ranking` says which pairs are made: best_worst draws one of each by its seed, all makes
    each good answer with each bad one.
    """

    name = "answer_lists"
    summary = "lists of chosen and rejected answers: prompt, chosen, rejected; see input.ranking"
    text_columns = (*_PROMPTS, *SYSTEM)
    json_columns: ClassVar[tuple[str, ...]] = tuple(name for two in _NAMES for name in two)
    draws_by_row = True
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether one of the answer columns holds lists of texts or of conversations."""
        prompts = [name for name in _PROMPTS if has_columns(rows, name)]
        names = [two for two in _NAMES if has_columns(rows, *two)]
        if len(prompts) != 1 or len(names) != 1 or has_columns(rows, "input"):
            return False
        return any(
            share_of_rows(rows, lambda r, s=side: _is_answer_list(r.get(s))) > 0.5
            for side in names[0]
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs of a good and a bad answer."""
        ranked, errors = [], []
        sides = rows.select(pl.coalesce(names) for names in zip(*_NAMES, strict=True))
        for texts in sides.iter_rows():
            answers, problem = _rank_answers(texts)
            ranked.append(answers)
            errors.append(problem)
        question = pl.coalesce(as_messages_column(rows, name, "user") for name in _PROMPTS)
        prompt = prepend_system_turn(rows, question)
        frame = rows.drop(self.json_columns).with_columns(
            pl.Series("_ranked", ranked, dtype=_RANKED),
            pl.Series(ERROR, errors, dtype=pl.String),
            prompt=prompt,
        )
        # Scores differ by 1: two good answers make no pair.
        pairs = pairs_from_valid_rankings(frame, options.with_min_gap(0.5))
        return pairs.drop("strength", strict=False)


def _is_answer_list(value: object) -> bool:
    """Return whether a value is a list of texts, or of conversations."""
    if not isinstance(value, list) or not value:
        return False
    # A list of messages as JSON texts is one conversation, not several answers.
    return all(isinstance(v, str) and not v.lstrip().startswith("{") for v in value) or all(
        isinstance(v, list) for v in value
    )


def _rank_answers(texts: tuple[str | None, ...]) -> tuple[list[dict[str, object]], str | None]:
    """Return the answers of both columns with their scores, or what is wrong."""
    ranked = []
    for (side, score), text in zip(_SIDES, texts, strict=True):
        value: Any = None if text is None else orjson.loads(text)
        listed: list[object] = value if _is_answer_list(value) or value == [] else [value]
        for answer in listed:
            message = (
                {"role": "assistant", "content": answer} if isinstance(answer, str) else answer
            )
            turns, problem = as_messages(message) if message is not None else (None, None)
            if problem:
                return [], f"'{side}' {problem}; {_EXPECTED}"
            if turns:
                ranked.append({"turns": turns, "score": score})
    return ranked, None
