"""The bytes of a medium: from the table, or from a file within the data's folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from curate.data.row_parts import MEDIA_PARTS, is_url, present

NOT_HERE = "not in the data"
"""A URL, which is not fetched, or a path while no folder is known."""
OUTSIDE = "leads out of the data's folder"
MISSING = "not found beside the data"
TOO_LARGE = "far too large"
# A file of 256 MB is no answer; it is told, not read.
_MOST_BYTES = 1 << 28


class UnreadMediumError(Exception):
    """A medium whose bytes are not to be had; its text says why, as reports show it."""


def medium_bytes(
    medium: Mapping[str, Any], folders: Sequence[Path], most: int = _MOST_BYTES
) -> bytes:
    """The file of a medium; nothing is fetched, and no path leads out of the folders.

    Args:
        medium: {path, bytes} of the pair table.
        folders: in which paths are looked for; that of one path must not be in two of them.
        most: bytes of a file from which on it is not read.

    Raises:
        UnreadMediumError: it is not here, not there, or too large.
    """
    data: bytes | None = medium["bytes"]
    if data is None:
        place = medium_path(medium["path"] or "", folders)
        try:
            if place.stat().st_size > most:
                raise UnreadMediumError(TOO_LARGE)
            return place.read_bytes()
        except OSError as error:
            raise UnreadMediumError(f"cannot be read ({type(error).__name__})") from None
    if len(data) > most:
        raise UnreadMediumError(TOO_LARGE)
    return data


def files_stamp(pairs: pl.DataFrame, folders: Sequence[Path]) -> str | None:
    """A hash of size and time of all files that media name by paths; None where there is none."""
    path = pl.element().struct.field("path")
    names = [
        pairs.select(p=pl.col(c).list.eval(path)).explode("p")["p"]
        for c in present(pairs)
        if c in MEDIA_PARTS
    ]
    if not names:
        return None
    digest = blake2b(digest_size=16)
    # Sorted, so that the stamp does not depend on the order of the pairs.
    for name in pl.concat(names).drop_nulls().unique().sort():
        try:
            found = medium_path(name, folders).stat()
        except (UnreadMediumError, OSError):
            continue
        digest.update(f"{name}\x1f{found.st_size}\x1f{found.st_mtime_ns}\x1e".encode())
    return digest.hexdigest()


def medium_path(path: str, folders: Sequence[Path]) -> Path:
    """Where the file of a medium's path lies, within one of the folders.

    Raises:
        UnreadMediumError: it is not there, or the path is a URL or leads out of the folders.
    """
    if not folders or not path or is_url(path):
        raise UnreadMediumError(NOT_HERE)
    problem, found = MISSING, []
    for folder in folders:
        try:
            # Links are followed first: one that leads out is as bad as '..'.
            place = (folder / path).resolve()
            if not place.is_relative_to(folder.resolve()):
                problem = OUTSIDE
            elif place.is_file():
                found.append(place)
        except (OSError, ValueError, RuntimeError) as error:
            problem = f"cannot be read ({type(error).__name__})"
    if len(set(found)) > 1:
        raise UnreadMediumError("in several of the data's folders")
    if not found:
        raise UnreadMediumError(problem)
    return found[0]
