"""Two images and a label: the form of diffusers' Diffusion-DPO and of MaPO's trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.data.attachments import REJECTED_MEDIA
from curate.data.content_kinds import FILE_BYTES
from curate.data.media_bytes import UnreadMediumError, read_medium
from curate.data.messages import IMAGES, PLACEHOLDERS, TEXTS
from curate.data.table import messages_text
from curate.errors import CurateError
from curate.write.exports.base import Export, ShardSchema, extra_output_columns

_REJECTED = REJECTED_MEDIA["images"]
_SIDES = {"jpg_0": "images", "jpg_1": _REJECTED}
_FIRST = 1.0
"""`label_0` where the first image is preferred."""


class DiffusersExport(Export):
    """`jpg_0` (chosen), `jpg_1` (rejected), `caption`, `label_0` (1), `pair_id`.

    Images are the bytes of their files, which the trainers decode; files that the data name by
    paths are read. A picture that stands before both answers has no place.
    """

    name = "diffusers"
    summary = "diffusers Diffusion-DPO and MaPO: jpg_0, jpg_1 (bytes), caption, label_0"
    reserved = (*_SIDES, "caption", "label_0")
    holds = frozenset({"images", _REJECTED, IMAGES, FILE_BYTES})
    rewrites: ClassVar[Mapping[str, str]] = {TEXTS: "joined into one text"}
    general = False
    tasks = ("text-to-image",)
    needs = frozenset({_REJECTED})
    binary = True

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return both images as bytes, the prompt as caption, the label."""
        # Before any file is read: a set of other pairs fails at once.
        _require_one_image(pairs)
        images = [self._files(pairs, column, schema).alias(name) for name, column in _SIDES.items()]
        label = pl.lit(_FIRST).alias("label_0")
        caption = messages_text("prompt").alias("caption")
        remaining_columns = ("pair_id", *extra_output_columns(pairs, schema))
        return pairs.with_columns(*images).select(*_SIDES, caption, label, *remaining_columns)

    def _files(self, pairs: pl.DataFrame, column: str, schema: ShardSchema) -> pl.Series:
        """Return the file of each answer's image."""
        data = []
        for pair, media in zip(pairs["pair_id"], pairs[column], strict=True):
            try:
                data.append(read_medium(media[0], schema.media.folders))
            except UnreadMediumError as error:
                raise CurateError(
                    "cannot write an image",
                    where=f"pair {pair}",
                    found=f"{media[0]['path']}: {error}",
                    fix="drop such pairs: media_health finds them",
                ) from None
        return pl.Series(column, data, dtype=pl.Binary)


def _require_one_image(pairs: pl.DataFrame) -> None:
    """Make sure that each answer is one image and nothing else."""
    one = [
        (pl.col(side).list.len() == 1)
        & (pl.col(side).list.first().struct.field("content") == PLACEHOLDERS[IMAGES])
        & (pl.col(column).list.len() == 1).fill_null(False)
        for side, column in (("chosen", "images"), ("rejected", _REJECTED))
    ]
    unsupported = pairs.filter(~pl.all_horizontal(one))
    if len(unsupported):
        raise CurateError(
            "the format 'diffusers' needs pairs whose answers are one image each",
            where=f"pair {unsupported['pair_id'][0]}",
            found=f"{len(unsupported):,} of {len(pairs):,} pairs with other answers",
            fix="drop them, or use another output.format",
        )
