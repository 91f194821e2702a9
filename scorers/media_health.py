"""Whether a pair's images can be decoded and show anything."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, CurateError, Parameters, Scorer
from curate.data.row_parts import REJECTED_IMAGES, is_url

NO_IMAGES, NOT_SEEN = "no images", "an image is not in the data"
_COLUMNS = ("images", REJECTED_IMAGES)
_SIDE = 64
"""Pixels to which an image is brought to see whether it is blank."""
_MOST_PIXELS = 100_000_000
"""Larger images are not decoded: a small file can claim any size."""


class MediaHealthParams(Parameters):
    """Parameters of `media_health`."""

    folder: Path | None = Field(
        None, description="Folder of images that the data name by paths; none leads out of it."
    )
    blank: float = Field(
        2.0,
        ge=0,
        le=255,
        description="Deviation of grey values (0 to 255) up to which one is blank.",
    )


@dataclass(frozen=True)
class _Seen:
    """An image: its sides, deviation of its grey values, or why it cannot be seen."""

    width: int = 0
    height: int = 0
    spread: float = 0.0
    problem: str | None = None


class MediaHealth(Scorer[MediaHealthParams]):
    """Decodes each distinct image once, and tells sizes, shapes, blank and damaged ones.

    A preference about an image that nobody could see is a guess. URLs are not fetched.
    """

    name = "media_health"
    purpose = "hygiene"
    when = "On sets for vision, before anything else."
    summary = "images that cannot be decoded, are blank, tiny, or of an odd shape"
    reads_media = True
    Params = MediaHealthParams

    def columns(self) -> tuple[Column, ...]:
        """Counts of the pair's images and the extremes of their sizes."""
        return (
            Column("images", "images of the pair", "int"),
            Column("damaged", "of them: no image, damaged, missing or far too large", "int", LOWER),
            Column("blank", "of them: one grey value all over", "int", LOWER),
            Column("smallest", "shortest side of any of them", "int", unit="pixels"),
            Column("aspect", "largest ratio of long to short side", unit="1 is a square"),
            Column("status", f"ok, '{NO_IMAGES}', '{NOT_SEEN}', or what is wrong first", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs; a fact counts each problem."""
        if self.params.folder is not None and not self.params.folder.is_dir():
            raise CurateError(
                "no such folder", where="scorer 'media_health', folder",
                found=str(self.params.folder),
            )  # fmt: skip
        known: dict[Any, _Seen] = {}
        problems: dict[str, int] = {}
        rows = []
        with context.progress.task(self.name, len(pairs)) as task:
            for media in _rows(pairs):
                seen = [self._look(medium, known) for medium in media]
                for image in seen:
                    if image.problem is not None:
                        problems[image.problem] = problems.get(image.problem, 0) + 1
                rows.append(self._row(seen))
                task.advance()
        context.facts["distinct_images"] = len(known)
        context.facts["problems"] = dict(sorted(problems.items()))
        schema = {c.name: c.dtype for c in self.columns()}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _look(self, medium: Mapping[str, Any], known: dict[Any, _Seen]) -> _Seen:
        """The image, decoded where it was not before."""
        key = medium["bytes"] if medium["bytes"] is not None else medium["path"]
        if key not in known:
            known[key] = self._decoded(medium)
        return known[key]

    def _decoded(self, medium: Mapping[str, Any]) -> _Seen:
        if medium["bytes"] is not None:
            return _decoded(io.BytesIO(medium["bytes"]))
        path, folder = medium["path"] or "", self.params.folder
        if folder is None or is_url(path):
            return _Seen(problem=NOT_SEEN)
        place = (folder / path).resolve()
        if not place.is_relative_to(folder.resolve()):
            return _Seen(problem="leads out of the folder")
        try:
            return _decoded(io.BytesIO(place.read_bytes()))
        except OSError:
            return _Seen(problem="missing")

    def _row(self, seen: list[_Seen]) -> tuple[Any, ...]:
        whole = [image for image in seen if image.problem is None]
        hidden = sum(image.problem == NOT_SEEN for image in seen)
        damaged = len(seen) - len(whole) - hidden
        blank = sum(image.spread <= self.params.blank for image in whole)
        sides = [(min(i.width, i.height), max(i.width, i.height)) for i in whole]
        first = next((i.problem for i in seen if i.problem not in (None, NOT_SEEN)), None)
        status = first or ("blank" if blank else NOT_SEEN if hidden else "ok")
        return (
            len(seen),
            damaged,
            blank,
            min((short for short, _ in sides), default=None),
            max((long / short for short, long in sides), default=None),
            status if seen else NO_IMAGES,
        )


def _rows(pairs: pl.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """The images of each pair."""
    present = [c for c in _COLUMNS if c in pairs.columns]
    for row in pairs.select(present).iter_rows():
        yield [medium for media in row for medium in media or []]


def _decoded(file: io.BytesIO) -> _Seen:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                return _Seen(problem="far too large")
            # All of it: a file that was cut off has a sound header.
            image.load()
            grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE)), dtype=np.float64)
    except UnidentifiedImageError:
        return _Seen(problem="no image")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return _Seen(problem="damaged")
    return _Seen(width, height, float(grey.std()))
