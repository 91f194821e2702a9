"""Checks that media files exist, without opening them."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from curate.data.attachments import MEDIA_COLUMNS, is_url

OUTSIDE = "media paths point outside the data folder: reports do not open them"
MISSING = "media files are missing from the data folder; the first is {}"


class MediaFileCheck:
    """Counts missing media files over the blocks of a dataset."""

    def __init__(self) -> None:
        self._checked_paths: set[str] = set()
        self._outside, self._missing, self._first = 0, 0, ""

    def check(self, pairs: pl.DataFrame, folder: Path | None) -> None:
        """Check that the files of a block exist; URLs and remote files are not checked."""
        columns = [c for c in MEDIA_COLUMNS if pairs[c].null_count() < len(pairs)]
        if folder is None or not columns:
            return
        root = folder.resolve()
        path = pl.element().struct.field("path")
        for column in columns:
            paths = pairs.select(p=pl.col(column).list.eval(path)).explode("p")["p"]
            for name in paths.drop_nulls().unique(maintain_order=True):
                if not is_url(name) and name not in self._checked_paths:
                    self._checked_paths.add(name)
                    self._check(root, name)

    def _check(self, root: Path, name: str) -> None:
        # Without following links here: one call a file, over perhaps a slow network.
        path = os.path.normpath(root / name)
        # A path from the data may say ../../; it is counted, and never opened.
        if not Path(path).is_relative_to(root):
            self._outside += 1
        elif not os.path.lexists(path):
            self._missing += 1
            self._first = self._first or name

    def notes(self) -> list[str]:
        """Return the notes for the user."""
        counts = ((self._outside, OUTSIDE), (self._missing, MISSING.format(self._first)))
        return [f"{n:,} {text}" for n, text in counts if n]
