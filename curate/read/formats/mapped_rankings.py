"""Lists of answers that a mapping names, with lists of their scores or ranks."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.json_text import to_json
from curate.data.table import MESSAGES
from curate.read.formats.base import ERROR, ReadOptions
from curate.read.formats.nested_fields import EVERY, NestedColumns, split_path, value_as_messages
from curate.read.formats.rankings import add_answer_metadata, pairs_from_valid_rankings

_RANKED = pl.List(pl.Struct({"turns": MESSAGES, "score": pl.Float64, "said": pl.String}))
_ORDER_NOTE = "rankings have neither scores nor ranks: their first answer counts as the best"


def pairs_from_answer_lists(
    rows: pl.DataFrame,
    nested: NestedColumns,
    options: ReadOptions,
    responses: str,
    scores: str | None,
    ranks: str | None,
) -> pl.DataFrame:
    """Return pairs of lists of answers, by their scores, their ranks, or their order.

    Args:
        rows: with `prompt`.
        nested: the columns of the lists.
        options: how pairs are made of rankings.
        responses: column or path of the answers: texts, messages or whole conversations.
        scores: column or path of numbers, of which larger ones are better.
        ranks: column or path of numbers, of which 1 is the best.
    """
    numbers = nested.values(scores or ranks or responses)
    metadata = _answer_metadata(nested, responses, len(rows))
    ranked, errors = [], []
    is_order = scores is None and ranks is None
    for answers, listed_numbers, answer_fields in zip(
        nested.values(responses), numbers, metadata, strict=True
    ):
        by_position = is_order and isinstance(answers, list)
        row_numbers = list(range(len(answers))) if by_position else listed_numbers
        listed, problem = _rank_answers(answers, row_numbers, answer_fields, is_rank=scores is None)
        ranked.append(listed)
        errors.append(problem)
    if is_order:
        options.count_note(_ORDER_NOTE, sum(problem is None for problem in errors))
    frame = rows.with_columns(
        pl.Series("_ranked", ranked, dtype=_RANKED), pl.Series(ERROR, errors, dtype=pl.String)
    )
    return add_answer_metadata(pairs_from_valid_rankings(frame, options), "answer")


def _answer_metadata(nested: NestedColumns, responses: str, count: int) -> list[list[str] | None]:
    """Return what else is said of each answer, where answers are fields of objects."""
    root, steps = split_path(responses)
    if EVERY not in steps:
        return [None] * count
    field = steps[steps.index(EVERY) + 1 :]
    objects = nested.values(responses.rpartition("[]")[0] or root)
    return [
        [
            to_json({k: v for k, v in item.items() if k not in field[:1]})
            if isinstance(item, dict)
            else "null"
            for item in listed or ()
        ]
        for listed in objects
    ]


def _rank_answers(
    answers: Any, numbers: object, metadata: list[str] | None, *, is_rank: bool
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the answers of a row with their scores, or what is wrong."""
    if not isinstance(answers, list) or not isinstance(numbers, list):
        return [], "the answers or their numbers are no list"
    if len(answers) != len(numbers):
        return [], f"{len(answers)} answers and {len(numbers)} numbers: they cannot be matched"
    ranked = []
    for position, (answer, number) in enumerate(zip(answers, numbers, strict=True)):
        turns, problem = value_as_messages(answer, "assistant")
        if problem:
            return [], f"answer {position + 1} {problem}"
        value = _as_number(number)
        if value is None and number is not None:
            return [], f"answer {position + 1} has the number {number!r}; expected a number"
        score = -value if is_rank and value is not None else value
        ranked.append({"turns": turns, "score": score, "said": metadata and metadata[position]})
    return ranked, None


def _as_number(value: object) -> float | None:
    """Return a number, or the number that a text such as "5" holds; None for other values.

    A verdict is one too: an answer that is right has 1.
    """
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
