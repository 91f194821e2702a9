"""The folder of a run: built aside, and moved to its place when it is whole.

A folder may be replaced only if we made it, and then only the files that we wrote are removed: what
people put there (verdicts, notes) moves over to the new one.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from curate.data.local_path import local_folder, local_input
from curate.errors import CurateError
from curate.store.workspace import Workspace
from curate.write.contents import is_ours, mark_digest, sign
from curate.write.folder_swap import (
    is_ignored,
    keep_aside,
    replace_folder,
    swap_lock,
    sweep,
    temporary_path,
)
from curate.write.manifest import MANIFEST

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_free(
    folder: Path, overwrite: bool, mark: str = MANIFEST, reads: str | None = None
) -> None:
    """Make sure that a run may write to `folder`, by trying, before anything is computed.

    Args:
        folder: of the run.
        overwrite: whether a finished run there may be replaced.
        mark: the file that marks a finished folder of this kind.
        reads: path of the run's input, which must not lie inside.

    Raises:
        CurateError: it cannot be written, holds a finished run and `overwrite` is off, holds files
            that are no run of ours, or holds the input.
    """
    folder = _real(folder)
    with _told(folder):
        _check_not_inside(folder, reads)
        _check_content(folder, overwrite, mark)
        # Rights, names and full disks are told before hours of scoring, not after them.
        trial = temporary_path(folder, "trial")
        trial.mkdir(parents=True, exist_ok=True)
        trial.rmdir()


def _check_content(folder: Path, overwrite: bool, mark: str) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CurateError("the output is a file", where=str(folder), expected="a folder")
    if is_ours(folder, mark):
        if not overwrite:
            raise CurateError(
                "the output folder already contains a finished run",
                where=str(folder),
                found=mark,
                fix="use another --output, or --overwrite to replace it",
            )
        return
    # A typing error in --output must not cost somebody's folder.
    others = sorted(p.name for p in folder.iterdir() if not is_ignored(p.name))
    if others:
        raise CurateError(
            "the output folder contains files that curate did not write",
            where=str(folder),
            found=", ".join(others[:5]),
            fix="use another --output",
        )


def _check_not_inside(folder: Path, reads: str | None) -> None:
    """Refuse an output that holds the input: replacing it would remove what is read."""
    path = None if reads is None else local_input(reads)
    if path is None:
        return
    try:
        place = Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):  # no path; told when it is read
        return
    if place.exists() and (place == folder or folder in place.parents):
        raise CurateError(
            "the input is inside the output folder",
            where=str(folder),
            found=str(place),
            fix="use another --output, or move the input",
        )


def _real(folder: Path) -> Path:
    """The folder itself, where the path or a part of it is a link."""
    try:
        path = os.path.realpath(local_folder(folder))
        path.encode()  # writers of Parquet take no other names
        return Path(path)
    except (ValueError, OSError) as error:
        raise CurateError(
            "cannot write to the output", where=str(folder)[:200], found=str(error)
        ) from None


@contextmanager
def staged(folder: Path, overwrite: bool, mark: str = MANIFEST) -> Iterator[Path]:
    """A folder aside to write into; it takes the place of `folder` on success.

    Whatever happens before that (an error, a kill, a full disk), `folder` stays as it was. The file
    `mark`, which must be among those written, is completed by the checksums of all others.

    Raises:
        CurateError: the folder may not be written (see `check_free`), or the disk is full.
    """
    folder = _real(folder)
    # What a killed run left beside its folder.
    sweep(folder, ("old", "partial", "trial"))
    check_free(folder, overwrite, mark)
    earlier = mark_digest(folder / mark)
    stage = temporary_path(folder, "partial")
    try:
        with _told(folder):
            stage.mkdir(parents=True)
            yield stage
            sign(stage, mark)
            with swap_lock(folder):
                _move_into_place(stage, folder, overwrite, mark, earlier)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def working(folder: Path | None) -> Iterator[Workspace]:
    """Room for a run's tables and arrays: a folder beside the run's own, removed at the end.

    Without a folder of the run all stays in memory. What a killed run left is removed by the next
    one that writes to the same folder.

    Raises:
        CurateError: the disk is full, or the folder cannot be made.
    """
    if folder is None:
        yield Workspace()
        return
    folder = _real(folder)
    sweep(folder, ("work",))
    work = temporary_path(folder, "work")
    try:
        with _told(folder):
            work.mkdir(parents=True)
        with _told(folder, _FULL):
            yield Workspace(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _told(folder: Path, only: Container[int | None] | None = None) -> Iterator[None]:
    """Errors of the disk as the user's; of these numbers alone where they are given."""
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        if error.errno in _FULL:
            problem, fix = "the disk is full", "free space, or give another --output"
        else:
            problem, fix = "the output cannot be written", "check the folder's name and rights"
        raise CurateError(
            problem, where=str(folder)[:200], found=error.strerror or str(error)[:200], fix=fix
        ) from error


def _move_into_place(
    stage: Path, folder: Path, overwrite: bool, mark: str, earlier: str | None
) -> None:
    """Look at the folder again, since hours may have passed, and put the stage in its place.

    Raises:
        CurateError: something is there that was not there at the start; nothing of it is touched,
            and the stage is saved under a name of its own.
    """
    now = mark_digest(folder / mark)
    try:
        # To overwrite was asked of the run that was there then, not of one that came since.
        _check_content(folder, overwrite and now == earlier, mark)
    except CurateError as error:
        raise keep_aside(stage, folder, error) from None
    replace_folder(stage, folder, mark)
