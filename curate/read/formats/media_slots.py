"""Answers that are images, videos or audios: their messages, and who gets which medium."""

from __future__ import annotations

import polars as pl

from curate.data.attachments import MEDIA, REJECTED_MEDIA
from curate.data.json_text import to_json
from curate.data.messages import AUDIOS, IMAGES, PLACEHOLDERS, VIDEOS
from curate.data.table import MESSAGES
from curate.read.formats.base import ERROR, NO_PAIR
from curate.read.formats.slots import assign_winner

_PARTS = {"images": ("image", IMAGES), "videos": ("video", VIDEOS), "audios": ("audio", AUDIOS)}
_SECOND = 2


def medium_turn(column: str) -> pl.Expr:
    """Return an assistant's message of one medium, of the kind that a column of media holds."""
    kind, part = _PARTS[column]
    other_fields = to_json({"content": [{"type": kind}]})
    turn = pl.struct(
        role=pl.lit("assistant"), content=pl.lit(PLACEHOLDERS[part]), more=pl.lit(other_fields)
    )
    return pl.concat_list(turn).cast(MESSAGES)


def assign_media_winner(
    rows: pl.DataFrame, column: str, winner: pl.Expr, expected: str, label: pl.Expr
) -> pl.DataFrame:
    """Assign media `_one` and `_two` to the chosen and rejected answer by the winner of each row.

    Media that the row has besides, such as the picture that both answers edit, go before them. A
    row that lacks one of both is an error.

    Args:
        rows: frame with `_one` and `_two` of `MEDIA`, `ROW` and `EXTRA`.
        column: of the pair table for this kind of media: images, videos or audios.
        winner: 1 or 2 for the better slot, 0 for a tie, null for a label that is none of these.
        expected: what a label may be.
        label: the published label.
    """
    turn = medium_turn(column)
    rows = rows.with_columns(
        _first=turn, _second=turn, _turned=(winner == _SECOND).fill_null(False)
    )
    placed = assign_winner(rows, winner, expected, label)
    better = pl.when("_turned").then("_two").otherwise("_one")
    worse = pl.when("_turned").then("_one").otherwise("_two")
    return add_answer_media(placed, column, better, worse)


def assign_preferred_media(
    rows: pl.DataFrame, column: str, chosen: pl.Expr, rejected: pl.Expr
) -> pl.DataFrame:
    """Return the rows with these media as answers, where the row names the preferred one."""
    rows = add_answer_media(rows, column, chosen, rejected)
    return rows.with_columns(chosen=medium_turn(column), rejected=medium_turn(column))


def add_answer_media(
    rows: pl.DataFrame, column: str, chosen: pl.Expr, rejected: pl.Expr
) -> pl.DataFrame:
    """Return the rows with these media as their answers'; a row that lacks one is an error."""
    before = pl.col(column).fill_null(pl.lit([], dtype=MEDIA))
    lacking = (chosen.list.len().fill_null(0) == 0) | (rejected.list.len().fill_null(0) == 0)
    problem = pl.when(lacking).then(pl.lit(f"one of both answers has no {column[:-1]}"))
    previous_errors = [pl.col(c) for c in (ERROR, NO_PAIR) if c in rows.columns]
    return rows.with_columns(
        pl.concat_list(before, chosen).cast(MEDIA).alias(column),
        pl.concat_list(before, rejected).cast(MEDIA).alias(REJECTED_MEDIA[column]),
        pl.coalesce(*previous_errors[:1], problem).alias(ERROR),
    )
