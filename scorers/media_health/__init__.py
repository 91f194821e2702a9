"""Whether a pair's images and audio can be decoded and are not blank."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Cache, Column, Context, Input, Parameters, Scorer
from curate.scorers.media_health.shared_pattern import shared_pattern
from curate.scoring.media import (
    DECODERS,
    NOT_IN_DATA,
    REJECTED_MEDIA,
    MediaSet,
    media_set_for,
    nonempty_attachments,
)

# Columns that keep a minimum or maximum over a pair's media.
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
        description="Deviation of samples (-1 to 1) up to which audio is silent, and blank.",
    )


class MediaHealth(Scorer[MediaHealthParams]):
    """Check whether the images and audio of a pair can be decoded and are not blank.

    Counts: `images`, `audios`, `damaged` (missing, damaged or too large), `blank` (one grey value
    all over, or silent). Extremes: `smallest` side in pixels, `aspect` ratio, `pattern` (-1 to 1,
    how much an image's edges agree with those of all others: a watermark or logo; 0 with a
    deviation of .03 for independent pictures), `seconds` of the shortest audio. Each distinct file
    is decoded once, from the data's folder; URLs are not fetched and videos not decoded. Use it on
    images and audio first: a preference about an image that nobody could see is a guess.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": "A bird", "chosen": "text", "rejected": "other text"}]
        >>> score(rows, "media_health").frame["media_health.status"].to_list()
        ['no media']
    """

    name = "media_health"
    purpose = "hygiene"
    when = "On datasets with images or audio, before anything else."
    summary = "images and audio that cannot be decoded, are blank, silent, tiny, or oddly shaped"
    inputs = frozenset({Input.TEXTS, Input.MEDIA})
    cache = Cache.WHOLE
    version = 2
    Params = MediaHealthParams

    def columns(self) -> tuple[Column, ...]:
        """Return counts of the pair's media and the extremes of their sizes."""
        return (
            Column("images", "number of images of the pair", "int"),
            Column("audios", "number of audio files of the pair", "int"),
            Column("damaged", "files missing, damaged or too large", "int", LOWER),
            Column("blank", "images of one grey value, or silent audio", "int", LOWER),
            Column("smallest", "shortest side of any image", unit="pixels"),
            Column("aspect", "largest ratio of long to short side", unit="1 is a square"),
            Column(
                "pattern",
                "largest agreement of an image's edges with all other images: a watermark or logo",
                unit="-1 to 1",
            ),
            Column("seconds", "length of the shortest audio file"),
            Column("status", f"ok, '{NO_MEDIA}', '{NOT_IN_DATA}', or the first problem", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs; facts count the distinct media and each problem."""
        totals = _MediaTotals(len(pairs))
        media_columns = nonempty_attachments(pairs)
        for column in DECODERS:
            if column in media_columns or REJECTED_MEDIA[column] in media_columns:
                media = media_set_for(pairs, column, context)
                media.look(context.progress)
                totals.add(media, self.params.blank if column == "images" else self.params.silent)
        context.facts["distinct"] = totals.distinct
        context.facts["problems"] = dict(sorted(totals.problems.items()))
        return totals.frame().select(c.name for c in self.columns())


class _MediaTotals:
    """Counts, extremes and status of each pair's media, added kind by kind."""

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
        """Add the media of one kind; `blank` is the spread up to which a medium shows nothing."""
        row, number = _flatten_media_numbers(media)
        self.distinct[media.column] = len(media)
        self.problems.update(p for p in media.problems if p is not None)
        # A file that is absent may be intact elsewhere: it is not damaged.
        absent_mask = np.array([p == NOT_IN_DATA for p in media.problems], dtype=bool)
        problem_mask = np.array([p is not None for p in media.problems], dtype=bool)
        # A file that cannot be decoded has no spread and counts as damaged, not as blank.
        blank_mask = ~problem_mask & (media.sizes[:, 2] <= blank)
        pairs = len(self._status)
        for name, mask in (("damaged", problem_mask & ~absent_mask), ("blank", blank_mask)):
            self._counts[name] += np.bincount(row[mask[number]], minlength=pairs)
        self._counts[media.column] += np.bincount(row, minlength=pairs)
        intact_mask = ~problem_mask[number]
        sides = media.sizes[number[intact_mask], :2]
        if media.column == "images":
            short, long = sides.min(axis=1), sides.max(axis=1)
            np.fmin.at(self._extremes["smallest"], row[intact_mask], short)
            np.fmax.at(self._extremes["aspect"], row[intact_mask], long / short)
            # Watermarks and logos are edges at the same place in many images.
            pattern = shared_pattern(media.small, ~problem_mask)
            np.fmax.at(self._extremes["pattern"], row[intact_mask], pattern[number[intact_mask]])
        else:
            np.fmin.at(self._extremes["seconds"], row[intact_mask], sides[:, 0])
        for pair_row, medium in zip(row.tolist(), number.tolist(), strict=True):
            problem = media.problems[medium] or (BLANK if blank_mask[medium] else "ok")
            # A problem takes precedence over an absent file, and that over ok.
            if self._status[pair_row] in (None, "ok") or (
                self._status[pair_row] == NOT_IN_DATA and problem not in ("ok", NOT_IN_DATA)
            ):
                self._status[pair_row] = problem

    def frame(self) -> pl.DataFrame:
        """Return the columns."""
        status = [NO_MEDIA if problem is None else problem for problem in self._status]
        extremes = {n: pl.Series(v).fill_nan(None) for n, v in self._extremes.items()}
        return pl.DataFrame({**self._counts, **extremes, "status": status})


def _flatten_media_numbers(media: MediaSet) -> tuple[Any, Any]:
    """Return the pair's row and the medium's number for each medium of a pair."""
    entries = [
        (row, number)
        for numbers in media.of.values()
        for row, medium_numbers in enumerate(numbers)
        for number in medium_numbers or ()
    ]
    flat = np.array(entries, dtype=np.int64).reshape(-1, 2)
    return flat[:, 0], flat[:, 1]
