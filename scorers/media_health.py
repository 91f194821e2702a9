"""Whether a pair's images and audios can be decoded and show anything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.data.media_bytes import NOT_HERE
from curate.data.row_parts import REJECTED_MEDIA, present
from curate.models.media.media_set import DECODERS, MediaSet, media_set_for
from curate.models.media.shared_pattern import shared_pattern

_EXTREMES = ("smallest", "aspect", "pattern", "seconds")
NO_MEDIA, BLANK = "no media", "blank"


class MediaHealthParams(Parameters):
    """Parameters of `media_health`."""

    blank: float = Field(
        2.0,
        ge=0,
        le=255,
        description="Deviation of grey values (0 to 255) up to which an image is blank.",
    )
    silent: float = Field(
        1e-3,
        ge=0,
        le=1,
        description="Deviation of samples (-1 to 1) up to which an audio is silent, and blank.",
    )


class MediaHealth(Scorer[MediaHealthParams]):
    """Looks at each distinct image and audio once: sizes, shapes, blank and damaged ones.

    A preference about an image that nobody could see is a guess. Files are looked for in the
    data's folder; URLs are not fetched, videos not decoded. `pattern` is near 0 (deviation 0.03)
    for independent pictures, and tells watermarks and logos that stand at the same place.
    """

    name = "media_health"
    purpose = "hygiene"
    when = "On sets of images and audios, before anything else."
    summary = "images and audios that cannot be decoded, are blank, silent, tiny, or oddly shaped"
    reads_media = True
    stored = True
    version = 2
    Params = MediaHealthParams

    def columns(self) -> tuple[Column, ...]:
        """Counts of the pair's media and the extremes of their sizes."""
        return (
            Column("images", "images of the pair", "int"),
            Column("audios", "audios of the pair", "int"),
            Column("damaged", "of them: no such file, damaged, missing, too large", "int", LOWER),
            Column("blank", "of them: one grey value all over, or silent", "int", LOWER),
            Column("smallest", "shortest side of any image", unit="pixels"),
            Column("aspect", "largest ratio of long to short side", unit="1 is a square"),
            Column(
                "pattern",
                "most that any image's edges agree with those of all others: a watermark or logo",
                unit="-1 to 1",
            ),
            Column("seconds", "length of the shortest audio"),
            Column("status", f"ok, '{NO_MEDIA}', '{NOT_HERE}', or what is wrong first", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs; facts count the distinct media and each problem."""
        found = _Totals(len(pairs))
        there = present(pairs)
        for column in DECODERS:
            if column in there or REJECTED_MEDIA[column] in there:
                media = media_set_for(pairs, column, context)
                media.look(context.progress)
                found.add(media, self.params.blank if column == "images" else self.params.silent)
        context.facts["distinct"] = found.distinct
        context.facts["problems"] = dict(sorted(found.problems.items()))
        return found.frame().select(c.name for c in self.columns())


class _Totals:
    """What is told of each pair's media, added up kind by kind."""

    def __init__(self, pairs: int) -> None:
        self.distinct: dict[str, int] = {}
        self.problems: Counter[str] = Counter()
        self._counts = {
            name: np.zeros(pairs, dtype=np.int64)
            for name in ("images", "audios", "damaged", "blank")
        }
        self._extremes = {n: np.full(pairs, np.nan) for n in _EXTREMES}
        self._status: list[str | None] = [None] * pairs

    def add(self, media: MediaSet, blank: float) -> None:
        """Add the media of one kind; `blank` is the spread up to which one shows nothing."""
        row, number = _flat(media)
        self.distinct[media.column] = len(media)
        self.problems.update(p for p in media.problems if p is not None)
        # What is not here may be sound elsewhere: it is no damage.
        hidden = np.array([p == NOT_HERE for p in media.problems], dtype=bool)
        bad = np.array([p is not None for p in media.problems], dtype=bool)
        # What cannot be decoded has no spread of its own, and is told as damaged.
        empty = ~bad & (media.sizes[:, 2] <= blank)
        pairs = len(self._status)
        for name, mask in (("damaged", bad & ~hidden), ("blank", empty)):
            self._counts[name] += np.bincount(row[mask[number]], minlength=pairs)
        self._counts[media.column] += np.bincount(row, minlength=pairs)
        whole = ~bad[number]
        sides = media.sizes[number[whole], :2]
        if media.column == "images":
            short, long = sides.min(axis=1), sides.max(axis=1)
            np.fmin.at(self._extremes["smallest"], row[whole], short)
            np.fmax.at(self._extremes["aspect"], row[whole], long / short)
            pattern = shared_pattern(media.small, ~bad)
            np.fmax.at(self._extremes["pattern"], row[whole], pattern[number[whole]])
        else:
            np.fmin.at(self._extremes["seconds"], row[whole], sides[:, 0])
        for at, one in zip(row.tolist(), number.tolist(), strict=True):
            told = media.problems[one] or (BLANK if empty[one] else "ok")
            # What is wrong goes before what is not here, and that before all is well.
            if self._status[at] in (None, "ok") or (
                self._status[at] == NOT_HERE and told not in ("ok", NOT_HERE)
            ):
                self._status[at] = told

    def frame(self) -> pl.DataFrame:
        """The columns."""
        status = [NO_MEDIA if told is None else told for told in self._status]
        extremes = {n: pl.Series(v).fill_nan(None) for n, v in self._extremes.items()}
        return pl.DataFrame({**self._counts, **extremes, "status": status})


def _flat(media: MediaSet) -> tuple[Any, Any]:
    """Row of the pair table and number of each medium that a pair has."""
    found = [
        (row, number)
        for numbers in media.of.values()
        for row, own in enumerate(numbers)
        for number in own or ()
    ]
    flat = np.array(found, dtype=np.int64).reshape(-1, 2)
    return flat[:, 0], flat[:, 1]
