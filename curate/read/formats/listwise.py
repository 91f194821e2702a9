"""Rankings in general: a prompt, several answers, and their scores or ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    share_of_rows,
)
from curate.read.formats.rankings import RANKED, pairs_from_rankings

PROMPTS = ("prompt", "instruction", "question")
ANSWERS = ("responses", "completions", "answers", "generations", "all_generated_responses")
_SCORES = ("scores", "ratings", "rewards", "all_rm_scores")
_RANKS = ("ranks", "ranking", "rankings", "rank")

_ORDER = ("ranking", "rankings")
_MAY_BE_ORDER = (
    "rows hold a ranking that is taken as the rank of each answer; if it lists answers from the "
    "best to the worst, give ranks"
)
_SEVERAL = "rows hold several of the columns {}: the first of these is taken"


class Listwise(Format):
    """A prompt, a list of texts, and as many numbers.

    The prompt is `prompt`, `instruction` or `question`, the texts are `responses`, `completions`,
    `answers` or distilabel's `generations`. An answer whose number is null makes no pair, nor does
    a row whose lists are of different lengths.

    The numbers are `scores`, `ratings` or `rewards` (larger is better), or `ranks`, `ranking`,
    `rankings` or `rank` (1 is best; the score is minus the rank). Pairs are made by
    `input.ranking`.
    """

    name = "listwise"
    summary = "rankings: prompt, responses (a list), scores or ranks (a list); see input.ranking"
    text_columns = (*PROMPTS, *SYSTEM)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {
        **dict.fromkeys(ANSWERS, pl.List(pl.String)),
        **dict.fromkeys((*_SCORES, *_RANKS), pl.List(pl.String)),
    }
    draws_by_row = True
    priority = 5

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a list of texts and a list of numbers."""
        texts = any(
            share_of_rows(rows, lambda r, n=name: _are_of_type(r.get(n), str)) > 0.9
            for name in ANSWERS
        )
        numbers = any(
            share_of_rows(
                rows, lambda r, n=name: _are_values_or_nulls(_parse_numbers(r.get(n)), (int, float))
            )
            > 0.5
            for name in (*_SCORES, *_RANKS)
        )
        has_prompt = any(has_columns(rows, name) for name in PROMPTS)
        return has_prompt and texts and numbers and not has_columns(rows, "chosen", "rejected")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by score or rank; a text that is no number ("N/A") counts as null."""
        number = pl.element().cast(pl.Float64, strict=False)
        rows = rows.with_columns(pl.col(_SCORES + _RANKS).list.eval(number))
        for names in (PROMPTS, ANSWERS, (*_SCORES, *_RANKS)):
            several = rows.select(n=pl.sum_horizontal(pl.col(names).is_not_null()) > 1)["n"]
            options.count_note(_SEVERAL.format(", ".join(names)), int(several.sum()))
        _note_ambiguous_order(rows, options)
        answers = pl.coalesce(*ANSWERS)
        number = pl.coalesce(*_SCORES, *(pl.col(c).list.eval(-pl.element()) for c in _RANKS))
        # Taken one by one, the numbers of another list would be those of other answers.
        counts = (answers.list.len().fill_null(0), number.list.len().fill_null(0))
        reason = pl.format("{} answers and {} numbers: they cannot be matched", *counts)
        differ = (counts[0] != counts[1]) & (counts[1] > 0)
        uneven_rows = rows.filter(differ).select(ROW, reason.alias(NO_PAIR))
        rows = rows.filter(~differ)
        has_numbers = counts[1] > 0
        flat = rows.filter(has_numbers).select(ROW, _text=answers, _score=number)
        flat = flat.filter(pl.col("_text").list.len() > 0).explode("_text", "_score")
        ranked = flat.group_by(ROW, maintain_order=True).agg(
            _ranked=pl.struct(text=pl.col("_text"), score=pl.col("_score"))
        )
        prompt = pl.coalesce(as_messages_column(rows, name, "user") for name in PROMPTS)
        rows = rows.with_columns(prompt=prompt)
        rows = rows.with_columns(prompt=prepend_system_turn(rows, pl.col("prompt")))
        rows = rows.join(ranked, on=ROW, how="left", maintain_order="left")
        empty = pl.lit([], dtype=RANKED)
        ranked_rows = rows.with_columns(pl.col("_ranked").cast(RANKED).fill_null(empty))
        pairs = pairs_from_rankings(ranked_rows, options)
        return pl.concat([pairs, uneven_rows], how="diagonal").sort(ROW, maintain_order=True)


def _note_ambiguous_order(rows: pl.DataFrame, options: ReadOptions) -> None:
    """Note rankings of 0 to n - 1, which may be ranks or an order, with different results."""
    ranks = rows.select(r=pl.coalesce(_ORDER))["r"].drop_nulls()
    from_zero = ranks.list.sort() == ranks.list.eval(pl.int_range(pl.len()).cast(pl.Float64))
    order = ranks.list.eval(pl.element().arg_sort().cast(pl.Float64))
    options.count_note(_MAY_BE_ORDER, int((from_zero & (order != ranks)).sum()))


def _parse_numbers(values: object) -> object:
    """Return a list of number texts ("5") as numbers; distilabel's annotators write such."""
    if not isinstance(values, list) or not all(isinstance(v, str | None) for v in values):
        return values
    return [None if v is None else float(v) for v in values]


def _are_values_or_nulls(values: object, kind: tuple[type, ...]) -> bool:
    """Return whether a list holds only such values and nulls; all may be null."""
    return isinstance(values, list) and all(v is None or _are_of_type([v], kind) for v in values)


def _are_of_type(values: object, kind: type | tuple[type, ...]) -> bool:
    if not isinstance(values, list) or not values:
        return False
    return all(isinstance(v, kind) and not isinstance(v, bool) for v in values if v is not None)
