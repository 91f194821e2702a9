"""The folder of a run: built aside, and moved to its place when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from curate.errors import CurateError
from curate.store.workspace import Workspace
from curate.write.manifest import MANIFEST

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HOST = socket.gethostname().replace("-", "_")


def check_free(folder: Path, overwrite: bool, mark: str = MANIFEST) -> None:
    """Make sure that a run may write to `folder`; a folder with the file `mark` is a finished run.

    Raises:
        CurateError: it holds a finished run and `overwrite` is off, or files that are no run.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CurateError("the output is a file", where=str(folder), expected="a folder")
    if (folder / mark).exists():
        if not overwrite:
            raise CurateError(
                "the output folder holds a finished run",
                where=str(folder),
                found=mark,
                fix="give another --output, or --overwrite to replace it",
            )
    elif any(folder.iterdir()):
        raise CurateError(
            "the output folder holds files that are no run of curate",
            where=str(folder),
            found=", ".join(sorted(p.name for p in folder.iterdir())[:5]),
            fix="give another --output",
        )


@contextmanager
def staged(folder: Path, overwrite: bool, mark: str = MANIFEST) -> Iterator[Path]:
    """A folder beside `folder` to write into; it takes the place of `folder` on success.

    Whatever happens before that (an error, a kill, a full disk), `folder` stays as it was.

    Raises:
        CurateError: the folder may not be written (see `check_free`), or the disk is full.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve would follow a link)
    _sweep(folder, ("old", "partial"))
    check_free(folder, overwrite, mark)
    stage = folder.parent / f".{folder.name}.partial-{_HOST}-{os.getpid()}"
    try:
        with _told(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            stage.mkdir()
            yield stage
            _swap(stage, folder)
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
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve would follow a link)
    _sweep(folder, ("work",))
    work = folder.parent / f".{folder.name}.work-{_HOST}-{os.getpid()}"
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
            problem, fix = "the output cannot be written", "check the folder's rights"
        raise CurateError(
            problem, where=str(folder), found=error.strerror or str(error), fix=fix
        ) from error


def _swap(stage: Path, folder: Path) -> None:
    if not folder.exists():
        stage.rename(folder)
        return
    old = folder.parent / f".{folder.name}.old-{_HOST}-{os.getpid()}"
    folder.rename(old)
    stage.rename(folder)
    shutil.rmtree(old)


def _sweep(folder: Path, kinds: tuple[str, ...]) -> None:
    """Remove what killed runs left; a finished run that was being replaced is put back."""
    for kind in kinds:
        for left in folder.parent.glob(f".{folder.name}.{kind}-{_HOST}-*"):
            if _alive(int(left.name.rpartition("-")[2])):
                continue
            if kind == "old" and not folder.exists():
                left.rename(folder)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
