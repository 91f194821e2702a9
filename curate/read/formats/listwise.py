"""Rankings in general: a prompt, several answers, and their scores or ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.read.formats.base import ROW, Format, RowSample, has_columns, share, turns
from curate.read.formats.rankings import RANKED, pairs_of_rankings

_ANSWERS = ("responses", "completions", "answers")
_SCORES = ("scores", "ratings", "rewards")
_RANKS = ("ranks", "ranking", "rankings", "rank")


class Listwise(Format):
    """`prompt`, a list of texts (`responses`, `completions` or `answers`), and as many numbers.

    The numbers are `scores`, `ratings` or `rewards` (larger is better), or `ranks`, `ranking`,
    `rankings` or `rank` (1 is best; the score is minus the rank). Pairs are made by
    `input.ranking`.
    """

    name = "listwise"
    summary = "rankings: prompt, responses (a list), scores or ranks (a list); see input.ranking"
    text_columns = ("prompt",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {
        **dict.fromkeys(_ANSWERS, pl.List(pl.String)),
        **dict.fromkeys((*_SCORES, *_RANKS), pl.List(pl.Float64)),
    }
    priority = 5

    def matches(self, rows: RowSample) -> bool:
        """Whether a list of texts stands beside a list of numbers."""
        texts = any(share(rows, lambda r, n=name: _all(r.get(n), str)) > 0.9 for name in _ANSWERS)
        numbers = any(
            share(rows, lambda r, n=name: _all(r.get(n), (int, float))) > 0.9
            for name in (*_SCORES, *_RANKS)
        )
        return has_columns(rows, "prompt") and texts and numbers

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Pairs by score or rank."""
        answers = pl.coalesce(*_ANSWERS)
        number = pl.coalesce(*_SCORES, *(pl.col(c).list.eval(-pl.element()) for c in _RANKS))
        # A list that is longer than the other leaves answers without a score: they make no pair.
        most = pl.min_horizontal(answers.list.len(), number.list.len())
        flat = rows.select(ROW, _text=answers.list.head(most), _score=number.list.head(most))
        flat = flat.filter(pl.col("_text").list.len() > 0).explode("_text", "_score")
        ranked = flat.group_by(ROW, maintain_order=True).agg(
            _ranked=pl.struct(text=pl.col("_text"), score=pl.col("_score"))
        )
        rows = rows.with_columns(prompt=turns(rows, "prompt", "user"))
        rows = rows.join(ranked, on=ROW, how="left", maintain_order="left")
        empty = pl.lit([], dtype=RANKED)
        return pairs_of_rankings(
            rows.with_columns(pl.col("_ranked").cast(RANKED).fill_null(empty)), self
        )


def _all(values: object, kind: type | tuple[type, ...]) -> bool:
    if not isinstance(values, list) or not values:
        return False
    return all(isinstance(v, kind) and not isinstance(v, bool) for v in values if v is not None)
