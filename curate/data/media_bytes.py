"""The bytes of a medium: from the table, or from a file within the data's folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from curate.data.attachments import MEDIA_COLUMNS, is_url, nonempty_attachments

NOT_IN_DATA = "not in the data"
"""A URL, which is not fetched, or a path while no folder is known."""
OUTSIDE = "leads out of the data's folder"
MISSING = "not found beside the data"
TOO_LARGE = "far too large"
# A file of 256 MB is no answer; it is reported, not read.
_MOST_BYTES = 1 << 28


class UnreadMediumError(Exception):
    """A medium whose bytes are not to be had; its text says why, as reports show it."""


def read_medium(
    medium: Mapping[str, Any], folders: Sequence[Path], max_bytes: int = _MOST_BYTES
) -> bytes:
    """Return the bytes of a medium. Nothing is downloaded, and no path may leave the folders.

    Args:
        medium: {path, bytes} of the pair table.
        folders: in which paths are looked for; that of one path must not be in two of them.
        max_bytes: largest file that is read.

    Raises:
        UnreadMediumError: it is not here, not there, or too large.
    """
    data: bytes | None = medium["bytes"]
    if data is None:
        file_path = resolve_medium_path(medium["path"] or "", folders)
        try:
            if file_path.stat().st_size > max_bytes:
                raise UnreadMediumError(TOO_LARGE)
            return file_path.read_bytes()
        except OSError as error:
            raise UnreadMediumError(f"cannot be read ({type(error).__name__})") from None
    if len(data) > max_bytes:
        raise UnreadMediumError(TOO_LARGE)
    return data


def media_files_stamp(pairs: pl.DataFrame, folders: Sequence[Path]) -> str | None:
    """Return a hash of size and time of all media files; None if there are no media."""
    path = pl.element().struct.field("path")
    names = [
        pairs.select(p=pl.col(c).list.eval(path)).explode("p")["p"]
        for c in nonempty_attachments(pairs)
        if c in MEDIA_COLUMNS
    ]
    if not names:
        return None
    digest = blake2b(digest_size=16)
    # Sorted, so that the stamp does not depend on the order of the pairs.
    for name in pl.concat(names).drop_nulls().unique().sort():
        try:
            status = resolve_medium_path(name, folders).stat()
        except (UnreadMediumError, OSError):
            continue
        digest.update(f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}\x1e".encode())
    return digest.hexdigest()


def resolve_medium_path(path: str, folders: Sequence[Path]) -> Path:
    """Return the file of a medium's path within one of the folders.

    Raises:
        UnreadMediumError: it is not there, or the path is a URL or leads out of the folders.
    """
    if not folders or not path or is_url(path):
        raise UnreadMediumError(NOT_IN_DATA)
    problem, matches = MISSING, []
    for folder in folders:
        try:
            # Links are followed first: one that leads out is as bad as '..'.
            candidate = (folder / path).resolve()
            if not candidate.is_relative_to(folder.resolve()):
                problem = OUTSIDE
            elif candidate.is_file():
                matches.append(candidate)
        except (OSError, ValueError, RuntimeError) as error:
            problem = f"cannot be read ({type(error).__name__})"
    if len(set(matches)) > 1:
        raise UnreadMediumError("in several of the data's folders")
    if not matches:
        raise UnreadMediumError(problem)
    return matches[0]
