"""NeMo-RL's ranked completions."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.table import messages_series
from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    Format,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    share_of_rows,
)
from curate.read.formats.slots import assign_winner
from curate.read.messages import as_messages

_BOTH = 2


class NeMoRLFormat(Format):
    """`context` (messages) and two `completions`, each {rank, completion}: the lower rank is best.

    Equal ranks are a tie. NeMo-RL trains on two completions; a row of more is malformed.
    """

    name = "nemo_rl"
    summary = "NeMo-RL PreferenceDataset: context, completions with ranks"
    text_columns = ("context", *SYSTEM)
    json_columns: ClassVar[tuple[str, ...]] = ("completions",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a context and completions with ranks."""
        return (
            has_columns(rows, "context", "completions")
            and share_of_rows(rows, _has_ranked_completions) > 0.9
        )

    def convert(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the completion of the lower rank as chosen."""
        completions = [_parse_completions(text) for text in rows["completions"]]
        return assign_winner(
            rows.with_columns(
                messages_series("_first", [f[0] for f in completions]),
                messages_series("_second", [f[1] for f in completions]),
                pl.Series("_gap", [f[2] for f in completions], dtype=pl.Float64),
                prompt=prepend_system_turn(rows, as_messages_column(rows, "context", "user")),
            ),
            pl.when(pl.col("_gap") == 0)
            .then(0)
            .when(pl.col("_gap") > 0)
            .then(1)
            .otherwise(pl.when(pl.col("_gap") < 0).then(2)),
            "two completions, each with a rank and messages",
        ).drop("_gap")


def _has_ranked_completions(row: Any) -> bool:
    listed = row.get("completions")
    return isinstance(listed, list) and all("rank" in c and "completion" in c for c in listed)


def _parse_completions(text: str | None) -> tuple[Any, Any, float | None]:
    """Return both completions and the second rank minus the first; None if malformed."""
    listed = orjson.loads(text) if text else []
    is_pair = isinstance(listed, list) and len(listed) == _BOTH
    if not is_pair or not all(isinstance(c, dict) and c.get("completion") for c in listed):
        return None, None, None
    answers = [as_messages(_as_message(c["completion"]))[0] for c in listed]
    ranks = [c.get("rank") for c in listed]
    if None in answers or not all(isinstance(r, int | float) for r in ranks):
        return None, None, None
    return answers[0], answers[1], float(ranks[1]) - float(ranks[0])


def _as_message(completion: Any) -> Any:
    """Return a completion that is a text as a message."""
    text = isinstance(completion, str)
    return {"role": "assistant", "content": completion} if text else completion
