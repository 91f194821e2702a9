"""RLHF-V and RLAIF-V: a question about an image, and two answers."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl

from curate.data.messages import IMAGES, PLACEHOLDERS
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    as_turn,
    has_columns,
    share_of_rows,
)

_SIDES = ("question", "chosen", "rejected")
# Share of rows that must parse: a few may be broken.
_MIN_SHARE = 0.9


class RLHFV(Format):
    """`image` with `question`, `chosen`, `rejected`, or with these three in a JSON `text`.

    As openbmb/RLAIF-V-Dataset and openbmb/RLHF-V-Dataset. The question comes after its image.
    """

    name = "rlhf_v"
    side_suffixes = ("chosen", "rejected")
    summary = "RLHF-V, RLAIF-V: image, question, chosen, rejected (or these three in text)"
    json_columns = (*_SIDES, "text")
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are an image and the three texts."""
        has_texts = (
            has_columns(rows, *_SIDES)
            or share_of_rows(rows, lambda r: _parse_packed_text(r.get("text"))) > _MIN_SHARE
        )
        has_image = any(has_columns(rows, name) for name in ("image", "images"))
        return has_texts and has_image and not has_columns(rows, "prompt")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the question as prompt, with a mark for its image."""
        texts_by_row = [
            _texts_of_row(row) for row in rows.select(*_SIDES, "text").iter_rows(named=True)
        ]
        texts = pl.DataFrame(texts_by_row, schema=dict.fromkeys(_SIDES, pl.String), orient="row")
        placeholder = PLACEHOLDERS[IMAGES]
        question = pl.col("question")
        marked = pl.when(question.str.contains(placeholder, literal=True)).then(question)
        rows = rows.drop(*_SIDES).hstack(texts)
        no_question = pl.when(question.is_null()).then(
            pl.lit("there is no question; expected a text")
        )
        return rows.with_columns(
            prompt=as_turn(marked.otherwise(pl.lit(placeholder) + question), "user"),
            chosen=as_turn("chosen", "assistant"),
            rejected=as_turn("rejected", "assistant"),
            **{ERROR: no_question},
        )


def _texts_of_row(row: dict[str, Any]) -> tuple[object, ...]:
    """Return question, chosen and rejected of a row; None if there is no text."""
    packed = _parse_packed_text(orjson.loads(row["text"])) if row["text"] else None
    by_column = {side: orjson.loads(row[side]) for side in _SIDES if row[side] is not None}
    # Separate columns go before the fields of the JSON text.
    by_side = (packed or {}) | by_column
    return tuple(v if isinstance(v := by_side.get(side), str) else None for side in _SIDES)


def _parse_packed_text(text: object) -> dict[str, object] | None:
    """Return the object of the three texts, or None where the text is none."""
    if isinstance(text, str):
        try:
            text = orjson.loads(text)
        except ValueError:
            return None
    return text if isinstance(text, dict) and text.keys() >= set(_SIDES) else None
