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
from curate.option_names import is_command_line, option_name
from curate.store.scratch import ScratchSpace
from curate.write.contents import completion_file_digest, is_run_folder, write_checksums
from curate.write.folder_swap import (
    is_ignored,
    keep_aside,
    remove_stale_paths,
    replace_folder,
    swap_lock,
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
    folder = _resolve_parents(folder)
    with _as_user_errors(folder):
        _check_not_inside(folder, reads)
        _check_content(folder, overwrite, mark)
        # Missing rights, bad names and full disks fail before hours of scoring, not after them.
        trial = temporary_path(folder, "trial")
        trial.mkdir(parents=True, exist_ok=True)
        trial.rmdir()


def _check_content(folder: Path, overwrite: bool, mark: str) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CurateError("the output is a file", where=str(folder), expected="a folder")
    if is_run_folder(folder, mark):
        if not overwrite:
            overwriting = "--overwrite" if is_command_line() else "overwrite=True"
            raise CurateError(
                "the output folder already contains a finished run",
                where=str(folder),
                found=mark,
                fix=f"use another {option_name('output')}, or {overwriting} to replace it",
            )
        return
    # A typing error in --output must not cost somebody's folder.
    names = sorted(p.name for p in folder.iterdir() if not is_ignored(p.name))
    if names:
        raise CurateError(
            "the output folder contains files that curate did not write",
            where=str(folder),
            found=", ".join(names[:5]),
            fix=f"use another {option_name('output')}",
        )


def _check_not_inside(folder: Path, reads: str | None) -> None:
    """Refuse an output that holds the input: replacing it would remove what is read."""
    path = None if reads is None else local_input(reads)
    if path is None:
        return
    try:
        place = Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):  # no path; reading reports it
        return
    if place.exists() and (place == folder or folder in place.parents):
        raise CurateError(
            "the input is inside the output folder",
            where=str(folder),
            found=str(place),
            fix=f"use another {option_name('output')}, or move the input",
        )


def _resolve_parents(folder: Path) -> Path:
    """Return the path with links resolved."""
    try:
        path = os.path.realpath(local_folder(folder))
        path.encode()  # writers of Parquet take no other names
        return Path(path)
    except (ValueError, OSError) as error:
        raise CurateError(
            "cannot write to the output", where=str(folder)[:200], found=str(error)
        ) from None


@contextmanager
def atomic_folder(folder: Path, overwrite: bool, mark: str = MANIFEST) -> Iterator[Path]:
    """Provide a temporary folder that replaces `folder` on success.

    Whatever happens before that (an error, a kill, a full disk), `folder` stays as it was. The file
    `mark`, which must be among those written, is completed by the checksums of all others.

    Raises:
        CurateError: the folder may not be written (see `check_free`), or the disk is full.
    """
    folder = _resolve_parents(folder)
    # What a killed run left beside its folder.
    remove_stale_paths(folder, ("old", "partial", "trial"))
    check_free(folder, overwrite, mark)
    # Of the run that stands there now; see `_move_into_place`.
    earlier = completion_file_digest(folder / mark)
    # On the same disk as the folder: a rename across disks would be a copy, which can be half done.
    stage = temporary_path(folder, "partial")
    try:
        with _as_user_errors(folder):
            stage.mkdir(parents=True)
            yield stage
            # Last, of files that nothing changes any more.
            write_checksums(stage, mark)
            with swap_lock(folder):
                _move_into_place(stage, folder, overwrite, mark, earlier)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def scratch_space(folder: Path | None) -> Iterator[ScratchSpace]:
    """Provide scratch space: a folder beside the run's folder, which is removed at the end.

    Without a folder of the run all stays in memory. What a killed run left is removed by the next
    one that writes to the same folder.

    Raises:
        CurateError: the disk is full, or the folder cannot be made.
    """
    if folder is None:
        yield ScratchSpace()
        return
    folder = _resolve_parents(folder)
    remove_stale_paths(folder, ("work",))
    work = temporary_path(folder, "work")
    try:
        with _as_user_errors(folder):
            work.mkdir(parents=True)
        with _as_user_errors(folder, _FULL):
            yield ScratchSpace(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _as_user_errors(folder: Path, only: Container[int | None] | None = None) -> Iterator[None]:
    """Raise disk errors as CurateError, or only errors of these numbers."""
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        if error.errno in _FULL:
            problem = "the disk is full"
            fix = f"free space, or give another {option_name('output')}"
        else:
            problem, fix = "the output cannot be written", "check the folder's name and rights"
        raise CurateError(
            problem, where=str(folder)[:200], found=error.strerror or str(error)[:200], fix=fix
        ) from error


def _move_into_place(
    stage: Path, folder: Path, overwrite: bool, mark: str, earlier: str | None
) -> None:
    """Check the folder again, since hours may have passed, and replace it by the stage.

    Raises:
        CurateError: something is there that was not there at the start; nothing of it is touched,
            and the stage is saved under a name of its own.
    """
    now = completion_file_digest(folder / mark)
    try:
        # To overwrite was asked of the run that was there then, not of one that came since.
        _check_content(folder, overwrite and now == earlier, mark)
    except CurateError as error:
        raise keep_aside(stage, folder, error) from None
    replace_folder(stage, folder, mark)
