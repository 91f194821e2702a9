"""Answers that were scored one by one, several to a prompt: samples and their rewards."""

from __future__ import annotations

import polars as pl

from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    prompt_key,
    report_unused_rows,
)
from curate.read.formats.rankings import add_answer_metadata, pairs_from_rankings
from curate.read.formats.slots import list_to_extra

_PROMPTS = ("prompt", "question", "instruction", "query")
_ANSWERS = ("response", "completion", "answer", "output", "generation")
_SCORES = ("score", "reward", "rating")
_KINDS = (_PROMPTS, _ANSWERS, _SCORES)
_EXCLUDING_COLUMNS = ("chosen", "rejected", "label", "vote", "input")
"""Columns by which rows are of another kind, or prompts more than their own column."""
_SINGLE_ANSWER = "no other scored answer to this prompt"


class ScoredAnswers(Format):
    """A prompt, one answer and its `score`, `reward` or `rating` (larger is better) in each row.

    Rows of one prompt make a ranking, of which `input.ranking` makes pairs; equal scores are a tie.
    What else the rows say (the model, say) goes to `extra` as `chosen_row` and `rejected_row`. A
    row whose prompt has no other scored answer is listed.
    """

    name = "scored_answers"
    summary = "scored answers: prompt, response and score or reward, a row each; see input.ranking"
    text_columns = (*_PROMPTS, *SYSTEM, *_ANSWERS)
    value_columns = _SCORES
    needs_all_rows = True
    priority = 1

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are one prompt, one answer, one number and no excluding column."""
        columns = [[n for n in names if has_columns(rows, n)] for names in _KINDS]
        if any(len(names) != 1 for names in columns) or any(
            has_columns(rows, n) for n in _EXCLUDING_COLUMNS
        ):
            return False
        score = columns[2][0]
        scores = [row[score] for row in rows if row.get(score) is not None]
        return bool(scores) and all(map(_is_numeric, scores))

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by score."""
        prompt = pl.coalesce(as_messages_column(rows, name, "user") for name in _PROMPTS)
        number = pl.coalesce(pl.col(name).cast(pl.Float64, strict=False) for name in _SCORES)
        rows = rows.with_columns(
            prompt=prepend_system_turn(rows, prompt),
            _answer=pl.coalesce(as_messages_column(rows, name, "assistant") for name in _ANSWERS),
            _score=number,
        )
        return pairs_from_scored_rows(rows, options)


def pairs_from_scored_rows(rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
    """Return pairs of answers to the same prompt by their scores, and list all other rows.

    Args:
        rows: with `prompt`, `_answer` (messages) and `_score`.
        options: how pairs are made of rankings.
    """
    score = pl.when(pl.col("_score").is_finite()).then("_score")
    rows = rows.with_columns(_score=score, _key=prompt_key(rows))
    # An answer without a score may be the best one: nothing can be said of it.
    scored = rows.filter(pl.col("_score").is_not_null(), pl.col("_answer").list.len() > 0)
    groups = scored.group_by("_key", maintain_order=True).agg(
        pl.col(ROW, "prompt").first(),
        _rows=pl.col(ROW),
        _ranked=pl.struct(turns="_answer", score="_score", said=EXTRA),
    )
    several = groups.filter(pl.col("_rows").list.len() > 1)
    rankings = several.with_columns(pl.lit("{}").alias(EXTRA))
    rankings = rankings.with_columns(list_to_extra("rows", "_rows")).drop("_key", "_rows")
    pairs = add_answer_metadata(pairs_from_rankings(rankings, options), "row")
    used = several.select(pl.col("_rows").alias(ROW)).explode(ROW)
    return report_unused_rows(pairs, rows, used, _SINGLE_ANSWER)


def _is_numeric(value: object) -> bool:
    """Return whether a value is a number, or its text, as in files without types."""
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)
