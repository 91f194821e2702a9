"""Rankings whose answers are objects: each with its text, and its score or rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.json_text import to_json
from curate.data.table import MESSAGES
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
)
from curate.read.formats.llamafactory import ALPACA, HISTORY, add_alpaca_prompt
from curate.read.formats.rankings import add_answer_metadata, pairs_from_valid_rankings
from curate.read.messages import as_messages

_PROMPTS = ("prompt", "instruction", "question", "query", "messages", "conversations")
_LISTS = ("responses", "completions", "answers", "outputs", "candidates", "generations", "output")
_TEXTS = ("text", "content", "response", "completion", "answer", "output", "generated_text")
_SCORES = ("score", "reward", "rating", "overall_score")
_RANKS = ("rank", "ranking")
_EXCLUDING_COLUMNS = ("chosen", "rejected", "context", HISTORY)
"""Columns by which rows are of another kind, or prompts more than their own column."""
_RANKED = pl.List(pl.Struct({"turns": MESSAGES, "score": pl.Float64, "said": pl.String}))


class AnswerObjects(Format):
    """A prompt and a list of answers such as `{text, score}` or `{response, rank}`.

    The text is `text`, `content`, `response` and the like; the number is `score`, `reward`,
    `rating` or `overall_score` (larger is better), or `rank` (1 is best). What else an answer says
    goes to `extra` as `chosen_answer` and `rejected_answer`. Pairs are made by `input.ranking`; an
    answer without a text or a number makes none.
    """

    name = "answer_objects"
    summary = "rankings: prompt, responses (a list of objects of text and score or rank)"
    text_columns = tuple(dict.fromkeys((*_PROMPTS, *ALPACA)))
    json_columns: ClassVar[tuple[str, ...]] = _LISTS
    draws_by_row = True
    priority = 1

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are one prompt and one list of such answers."""
        prompts = [name for name in _PROMPTS if has_columns(rows, name)]
        lists = [name for name in _LISTS if has_columns(rows, name)]
        if len(prompts) != 1 or len(lists) != 1 or _are_of_another_kind(rows, prompts[0]):
            return False
        answer_lists = [row[lists[0]] for row in rows if row.get(lists[0])]
        keys_of_answers = [
            _text_and_score_keys(answer) for listed in answer_lists for answer in listed
        ]
        return all(keys_of_answers) and any(all(keys) for keys in keys_of_answers if keys)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by score or rank."""
        ranked_rows = [
            _rank_answer_objects(text) for text in rows.select(pl.coalesce(_LISTS)).to_series()
        ]
        if rows["input"].null_count() < len(rows):
            rows = add_alpaca_prompt(rows.with_columns(pl.lit(None, pl.String).alias(HISTORY)))
        else:
            prompt = pl.coalesce(as_messages_column(rows, name, "user") for name in _PROMPTS)
            rows = rows.with_columns(prompt=prepend_system_turn(rows, prompt))
        rows = rows.with_columns(
            pl.Series("_ranked", [f[0] for f in ranked_rows], dtype=_RANKED),
            pl.Series(ERROR, [f[1] for f in ranked_rows], dtype=pl.String),
        ).drop(_LISTS)
        return add_answer_metadata(pairs_from_valid_rankings(rows, options), "answer")


def _are_of_another_kind(rows: RowSample, prompt: str) -> bool:
    """Return whether columns say that these are no answers to that prompt alone."""
    excluded = any(has_columns(rows, name) for name in _EXCLUDING_COLUMNS)
    return excluded or (has_columns(rows, "input") and prompt != "instruction")


def _text_and_score_keys(answer: object) -> tuple[str | None, str | None] | None:
    """Return the keys of an answer's text and number; None if it has several of either."""
    if not isinstance(answer, Mapping):
        return None
    texts = [name for name in _TEXTS if answer.get(name) is not None]
    numbers = [name for name in (*_SCORES, *_RANKS) if answer.get(name) is not None]
    if len(texts) > 1 or len(numbers) > 1:
        return None
    return next(iter(texts), None), next(iter(numbers), None)


def _rank_answer_objects(text: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """Return the answers of a row with their scores, or what is wrong."""
    listed: Any = orjson.loads(text) if text else []
    if not isinstance(listed, list):
        return [], f"the answers are {type(listed).__name__}; expected a list of objects"
    ranked = []
    for number, answer in enumerate(listed, 1):
        keys = _text_and_score_keys(answer)
        if keys is None:
            return [], f"answer {number} is no object of one text and one number"
        answer_text, value = (answer.get(key) for key in keys)
        answer_messages = (
            {"role": "assistant", "content": answer_text}
            if isinstance(answer_text, str)
            else answer_text
        )
        messages, problem = (
            (None, None) if answer_messages is None else as_messages(answer_messages)
        )
        if problem:
            return [], f"answer {number} {problem}"
        # A bool is an int to Python.
        if not isinstance(value, int | float | None) or isinstance(value, bool):
            return [], f"answer {number} has the {keys[1]} {value!r}; expected a number"
        # Rank 1 is the best, a score of 1 the worst.
        score = -value if keys[1] in _RANKS and value is not None else value
        metadata = {name: field for name, field in answer.items() if name != keys[0]}
        ranked.append({"turns": messages, "score": score, "said": to_json(metadata)})
    return ranked, None
