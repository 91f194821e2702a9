"""Media in shards: the bytes of their files, or paths that open from anywhere on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from curate.data.attachments import MEDIA, MEDIA_COLUMNS, is_url
from curate.data.media_bytes import UnreadMediumError, read_medium, resolve_medium_path

MediaCarrier = Literal["paths", "embed"]
"""What shards hold of a medium that the data name by a path."""
# Rows whose files are in memory at a time.
_ROWS_EMBEDDED = 32


@dataclass
class MediaFileWriter:
    """Finds the files of media, and counts them.

    Attributes:
        carrier: see `MediaCarrier`.
        folders: of the data, in which files are looked for.
        paths: media that shards name by an absolute path.
        urls: that they name by a URL.
        lost: that were not found; their paths stay as published.
    """

    carrier: MediaCarrier = "paths"
    folders: tuple[Path, ...] = ()
    paths: int = 0
    urls: int = 0
    lost: int = 0
    _path_by_medium: dict[str, str | None] = field(default_factory=dict)

    def add_folders(self, folders: Iterable[Path]) -> None:
        """Look for files in these folders too."""
        self.folders = tuple(dict.fromkeys((*self.folders, *folders)))

    def slices(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the rows, in small slices if media files are read."""
        media = [c for c in MEDIA_COLUMNS if c in rows.columns and rows[c].null_count() < len(rows)]
        if self.carrier == "embed" and media:
            return rows.iter_slices(_ROWS_EMBEDDED)
        return iter([rows])

    def resolve(self, media: pl.Series) -> pl.Series:
        """Return a column of `MEDIA` as the shards hold it."""
        if not media.list.eval(pl.element().struct.field("path").is_not_null()).list.any().any():
            return media
        resolved = [
            None if row is None else [self._medium(medium) for medium in row] for row in media
        ]
        return pl.Series(media.name, resolved, dtype=MEDIA)

    def _medium(self, medium: Mapping[str, Any]) -> Mapping[str, Any]:
        path = medium["path"]
        if medium["bytes"] is not None or path is None:
            return medium
        if is_url(path):
            self.urls += 1
            return medium
        if self.carrier == "embed":
            try:
                return {"path": Path(path).name, "bytes": read_medium(medium, self.folders)}
            except UnreadMediumError:
                self.lost += 1
                return medium
        absolute = self._absolute(path)
        self.paths += absolute is not None
        self.lost += absolute is None
        return medium if absolute is None else {"path": absolute, "bytes": None}

    def _absolute(self, path: str) -> str | None:
        if path not in self._path_by_medium:
            try:
                self._path_by_medium[path] = str(resolve_medium_path(path, self.folders))
            except UnreadMediumError:
                self._path_by_medium[path] = None
        return self._path_by_medium[path]

    def notes(self) -> list[str]:
        """Return notes on media that the shards do not embed."""
        notes = []
        if self.paths:
            notes.append(
                f"{self.paths:,} media are stored as local paths; media: embed embeds the files in "
                "the shards"
            )
        if self.lost:
            notes.append(
                f"{self.lost:,} media files are missing: their paths are kept, and a trainer may "
                "not find them"
            )
        return notes
