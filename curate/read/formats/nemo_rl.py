"""NeMo-RL's ranked completions."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.table import MESSAGES, messages_series
from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    share_of_rows,
)
from curate.read.formats.rankings import pairs_from_rankings
from curate.read.formats.slots import assign_winner
from curate.read.messages import as_messages

_BOTH = 2
_RANKED = pl.List(pl.Struct({"turns": MESSAGES, "score": pl.Float64}))
_Ranked = list[dict[str, Any]]


class NeMoRLFormat(Format):
    """`context` (messages) and `completions`, each {rank, completion}: the lower rank is best.

    Equal ranks are a tie. NeMo-RL trains on two completions; three or more become pairs by
    `input.ranking`.
    """

    name = "nemo_rl"
    summary = "NeMo-RL PreferenceDataset: context, completions with ranks; see input.ranking"
    text_columns = ("context", *SYSTEM)
    json_columns: ClassVar[tuple[str, ...]] = ("completions",)
    draws_by_row = True
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a context and completions with ranks."""
        return (
            has_columns(rows, "context", "completions")
            and share_of_rows(rows, _has_ranked_completions) > 0.9
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the completion of the lower rank as chosen."""
        rows = rows.with_columns(
            prompt=prepend_system_turn(rows, as_messages_column(rows, "context", "user"))
        )
        ranked = [_parse_completions(text) for text in rows["completions"]]
        is_ranking = pl.Series([len(answers or ()) > _BOTH for answers in ranked])
        pairs = _assign_two(rows.filter(~is_ranking), [a for a in ranked if len(a or ()) <= _BOTH])
        if not is_ranking.any():
            return pairs
        rankings = rows.filter(is_ranking).with_columns(
            pl.Series("_ranked", [a for a in ranked if len(a or ()) > _BOTH], dtype=_RANKED)
        )
        ranking_pairs = pairs_from_rankings(rankings, options)
        return pl.concat([pairs, ranking_pairs], how="diagonal").sort(ROW, maintain_order=True)


def _assign_two(rows: pl.DataFrame, ranked: list[_Ranked | None]) -> pl.DataFrame:
    """Return rows of two completions as pairs; other rows are malformed."""
    both = [
        answers if answers is not None and len(answers) == _BOTH else None for answers in ranked
    ]
    first, second = ([a[i]["turns"] if a else None for a in both] for i in range(_BOTH))
    gap = [a[0]["score"] - a[1]["score"] if a else None for a in both]
    better = pl.when(pl.col("_gap") > 0).then(1).when(pl.col("_gap") < 0).then(2)
    return assign_winner(
        rows.with_columns(
            messages_series("_first", first),
            messages_series("_second", second),
            pl.Series("_gap", gap, dtype=pl.Float64),
        ),
        pl.when(pl.col("_gap") == 0).then(0).otherwise(better),
        "two completions or more, each with a rank and messages",
    ).drop("_gap")


def _has_ranked_completions(row: Any) -> bool:
    listed = row.get("completions")
    return isinstance(listed, list) and all("rank" in c and "completion" in c for c in listed)


def _parse_completions(text: str | None) -> _Ranked | None:
    """Return the completions, the negative rank of each as its score; None if malformed."""
    listed = orjson.loads(text) if text else []
    if not isinstance(listed, list):
        return None
    if not all(isinstance(c, dict) and c.get("completion") for c in listed):
        return None
    answers = [as_messages(_as_message(c["completion"]))[0] for c in listed]
    ranks = [c.get("rank") for c in listed]
    if None in answers or not all(isinstance(r, int | float) for r in ranks):
        return None
    both = zip(answers, ranks, strict=True)
    return [{"turns": turns, "score": -float(rank)} for turns, rank in both]


def _as_message(completion: object) -> object:
    """Return a completion that is a text as a message."""
    text = isinstance(completion, str)
    return {"role": "assistant", "content": completion} if text else completion
