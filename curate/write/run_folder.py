"""The folder of a run: built aside, and moved to its place when it is whole.

A folder may be replaced only if we made it, and then only the files that we wrote are removed: what
people put there (verdicts, notes) moves over to the new one.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from curate.data.local_path import local_folder
from curate.errors import CurateError
from curate.store.workspace import Workspace
from curate.write.contents import Contents, is_ours, sign
from curate.write.manifest import MANIFEST

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HOST = socket.gethostname().replace("-", "_")
_OF_THE_SYSTEM = ("lost+found", ".DS_Store")


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
        trial = _aside(folder, "trial")
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
                "the output folder holds a finished run",
                where=str(folder),
                found=mark,
                fix="give another --output, or --overwrite to replace it",
            )
        return
    # A typing error in --output must not cost somebody's folder.
    others = sorted(p.name for p in folder.iterdir() if not _is_ignored(p.name))
    if others:
        raise CurateError(
            "the output folder holds files that are no run of curate",
            where=str(folder),
            found=", ".join(others[:5]),
            fix="give another --output",
        )


def _check_not_inside(folder: Path, reads: str | None) -> None:
    """Refuse an output that holds the input: replacing it would remove what is read."""
    if reads is None or "://" in reads:
        return
    try:
        place = Path(reads).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):  # no path; told when it is read
        return
    if place.exists() and (place == folder or folder in place.parents):
        raise CurateError(
            "the input lies inside the output folder",
            where=str(folder),
            found=str(place),
            fix="give another --output, or move the input",
        )


def _is_ignored(name: str) -> bool:
    """Whether a file in an output folder is nobody's: the system's, or what a killed run left."""
    return name in _OF_THE_SYSTEM or name.startswith((".partial-", ".work-", ".old-", ".trial-"))


def _real(folder: Path) -> Path:
    """The folder itself, where the path or a part of it is a link."""
    try:
        return Path(os.path.realpath(local_folder(folder)))
    except (ValueError, OSError) as error:
        raise CurateError(
            "the output cannot be used", where=str(folder)[:200], found=str(error)
        ) from None


def _in_place(folder: Path) -> bool:
    """Whether the folder cannot be renamed: a mount point, or a place nobody may write beside."""
    return folder.is_dir() and (os.path.ismount(folder) or not os.access(folder.parent, os.W_OK))


def _aside(folder: Path, kind: str) -> Path:
    """A place of this process for a folder that is built: beside, or within where it must be."""
    own = f"{kind}-{_HOST}-{os.getpid()}"
    return folder / f".{own}" if _in_place(folder) else folder.parent / f".{folder.name}.{own}"


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
    _sweep(folder, ("old", "partial", "trial"))
    check_free(folder, overwrite, mark)
    stage = _aside(folder, "partial")
    try:
        with _told(folder):
            stage.mkdir(parents=True)
            yield stage
            sign(stage, mark)
            _swap(stage, folder, mark)
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
    _sweep(folder, ("work",))
    work = _aside(folder, "work")
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


def _swap(stage: Path, folder: Path, mark: str) -> None:
    """Put the new folder in place of the old one; what was not ours in the old one moves over."""
    if _in_place(folder):
        _swap_in_place(stage, folder, mark)
        return
    if not folder.exists():
        stage.rename(folder)
        return
    # The old run goes only once the new one stands in its place.
    old = folder.parent / f".{folder.name}.old-{_HOST}-{os.getpid()}"
    folder.rename(old)
    stage.rename(folder)
    Contents(old, mark).move_others(folder)
    shutil.rmtree(old)


def _swap_in_place(stage: Path, folder: Path, mark: str) -> None:
    old = folder / f".old-{_HOST}-{os.getpid()}"
    old.mkdir()
    # The mark goes first and comes last: in between the folder is no finished run.
    present = [p for p in folder.iterdir() if not _is_ignored(p.name)]
    for path in sorted(present, key=lambda p: p.name != mark):
        path.rename(old / path.name)
    for path in sorted(stage.iterdir(), key=lambda p: p.name == mark):
        path.rename(folder / path.name)
    Contents(old, mark).move_others(folder)
    shutil.rmtree(old)


def _sweep(folder: Path, kinds: tuple[str, ...]) -> None:
    """Remove what killed runs left; a finished run that was being replaced is put back."""
    for kind in kinds:
        inside = [*folder.glob(f".{kind}-{_HOST}-*")] if folder.is_dir() else []
        for left in [*_beside(folder, kind), *inside]:
            if _alive(int(left.name.rpartition("-")[2])):
                continue
            if kind == "old" and left not in inside and not folder.exists():
                left.rename(folder)
            elif kind == "old":
                _put_back(left, folder)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _beside(folder: Path, kind: str) -> list[Path]:
    start = f".{folder.name}.{kind}-{_HOST}-"
    try:
        return [p for p in folder.parent.iterdir() if p.name.startswith(start)]
    except OSError:  # no such folder yet, or nobody may look
        return []


def _put_back(old: Path, folder: Path) -> None:
    """What a killed run had taken out of the folder goes back, where nothing new stands there."""
    for path in old.iterdir():
        if not (folder / path.name).exists():
            path.rename(folder / path.name)
    shutil.rmtree(old, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
