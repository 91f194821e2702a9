"""HPDv2: several images to one prompt, ranked by one or more annotators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.attachments import MEDIA, MEDIUM
from curate.data.table import MESSAGES
from curate.read.formats.base import (
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
)
from curate.read.formats.media_slots import add_answer_media, medium_turn
from curate.read.formats.rankings import pairs_from_rankings

_USER_KEYS = ("user_hash", "user_id", "annotator", "user")
_ANSWER = pl.Struct({"turns": MESSAGES, "score": pl.Float64})


class HPDv2(Format):
    """`prompt`, `image_path` (a list) and how people order these images.

    As ymhao/HPDv2: `human_preference` of the training set, [1, 0] where the first of two images is
    preferred; `raw_annotations` of the test set, one ranking of each annotator (1 is the best), as
    lists or as objects with a list and the annotator; else `rank`, their common ranking. Which
    pairs are made of more than two images is set by `input.ranking`; each annotator's ranking
    gives separate pairs.
    """

    name = "hpdv2"
    summary = "HPDv2: prompt, image_path (a list), human_preference, rank or raw_annotations"
    text_columns = ("prompt",)
    value_columns = ("user_hash",)
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {
        "image_path": pl.List(pl.String()),
        **dict.fromkeys(("human_preference", "rank"), pl.List(pl.Float64())),
    }
    json_columns = ("raw_annotations",)
    draws_by_row = True
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are a list of images and an order of them."""
        ordered = ("human_preference", "rank", "raw_annotations")
        return has_columns(rows, "prompt", "image_path") and any(
            has_columns(rows, name) for name in ordered
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the pairs of each ranking."""
        rows = rows.with_columns(prompt=as_messages_column(rows, "prompt", "user"))
        scored = [
            (row[ROW], user, scores)
            for row in rows.select(ROW, *self.columns()[1:]).iter_rows(named=True)
            for user, scores in _rankings_of_row(row)
        ]
        rankings = pl.DataFrame(
            scored,
            schema={ROW: pl.Int64, "annotator": pl.String, "_scores": pl.List(pl.Float64)},
            orient="row",
        )
        rankings_by_row = rows.drop("annotator", strict=False).join(
            rankings, on=ROW, how="left", maintain_order="left"
        )
        # A row may hold rankings by several people: each is a separate ranking.
        rankings_by_row = rankings_by_row.rename({ROW: "_row"}).with_row_index(ROW)
        rankings_by_row = rankings_by_row.with_columns(
            pl.col(ROW).cast(pl.Int64), _ranked_images(rankings_by_row)
        )
        pairs = pairs_from_rankings(rankings_by_row, options).drop(ROW).rename({"_row": ROW})
        pairs_with_media = pairs.filter(pl.col(NO_PAIR).is_null())
        pairs_with_media = add_answer_media(
            pairs_with_media, "images", _image_at("_at"), _image_at("_at_other")
        )
        listed = pairs.filter(pl.col(NO_PAIR).is_not_null())
        return pl.concat([pairs_with_media, listed], how="diagonal").sort(ROW, maintain_order=True)


def _rankings_of_row(row: Mapping[str, Any]) -> Iterator[tuple[str | None, list[float | None]]]:
    """Yield annotator and scores (larger is better) of each ranking of a row."""
    user_hash = row["user_hash"]
    if row["raw_annotations"] is not None:
        for annotation in orjson.loads(row["raw_annotations"]):
            fields = annotation if isinstance(annotation, dict) else {"places": annotation}
            user = next((str(fields[k]) for k in _USER_KEYS if fields.get(k) is not None), None)
            ranks = next((v for v in fields.values() if isinstance(v, list)), None)
            if ranks is not None:
                # Places count from the best; scores are larger for the better.
                yield user, [-float(rank) for rank in ranks]
    elif row["human_preference"] is not None:
        # The preferred one of two images has a 1: larger is better.
        yield None if user_hash is None else str(user_hash), row["human_preference"]
    elif row["rank"] is not None:
        yield None, [None if rank is None else -rank for rank in row["rank"]]


def _ranked_images(rows: pl.DataFrame) -> pl.Series:
    """Return the images of each row with their scores; none where the numbers are not as many."""
    turn = rows.select(t=medium_turn("images")).head(1)["t"].to_list() if len(rows) else []
    values = []
    for images, scores in zip(rows["image_path"], rows["_scores"], strict=True):
        # Numbers for other images than these would pair the wrong ones.
        is_complete = images is not None and scores is not None and len(images) == len(scores)
        values.append([{"turns": turn[0], "score": s} for s in scores] if is_complete else [])
    return pl.Series("_ranked", values, dtype=pl.List(_ANSWER))


def _image_at(position: str) -> pl.Expr:
    """Return the image at this position as a list of one medium."""
    path = pl.col("image_path").list.get(pl.col(position), null_on_oob=True)
    medium = pl.struct(path=path, bytes=pl.lit(None, dtype=pl.Binary)).cast(MEDIUM)
    return pl.concat_list(medium).cast(MEDIA)
