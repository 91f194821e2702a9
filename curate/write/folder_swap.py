"""Puts a finished folder in its place, and cleans up what killed processes left around it."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from curate.errors import CurateError
from curate.write.contents import FolderContents

# In the name, since a number of a process says nothing about another machine on a shared disk;
# without "-", which separates the parts.
_HOST = socket.gethostname().replace("-", "_")
# A process number is used again, in a container at every start: the token tells whose it was.
_TOKEN, _SERIAL = secrets.token_hex(4), itertools.count()
_OF_THE_SYSTEM = ("lost+found", ".DS_Store")
_TEMPORARY_PREFIXES = (".partial-", ".work-", ".old-", ".trial-")


def is_ignored(name: str) -> bool:
    """Return whether a file in an output folder belongs to the system or to a killed run."""
    return name in _OF_THE_SYSTEM or name.startswith(_TEMPORARY_PREFIXES)


def is_unrenamable(folder: Path) -> bool:
    """Return whether a folder is a mount point, or one beside which nobody may write."""
    return folder.is_dir() and (os.path.ismount(folder) or not os.access(folder.parent, os.W_OK))


def temporary_path(folder: Path, kind: str) -> Path:
    """Return a new path for a temporary folder of this process: beside `folder`, or within it."""
    name = f"{kind}-{_HOST}-{_TOKEN}-{next(_SERIAL)}-{os.getpid()}"
    return (
        folder / f".{name}" if is_unrenamable(folder) else folder.parent / f".{folder.name}.{name}"
    )


@contextmanager
def swap_lock(folder: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time checks and replaces `folder`."""
    # A directory can be locked, and is there already: a lock file would have to be removed again.
    descriptor = os.open(folder if is_unrenamable(folder) else folder.parent, os.O_RDONLY)
    try:
        # Some network file systems have no locks; the rename below still fails on a full folder.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_folder(stage: Path, folder: Path, mark: str) -> None:
    """Put `stage` in the place of `folder`; files that we did not write move over to the new one.

    Call it under `swap_lock`, once `folder` was seen to be absent, empty, or replaceable.

    Args:
        stage: folder that is complete.
        folder: where it belongs.
        mark: name of the file that marks a finished folder.
    """
    if is_unrenamable(folder):
        _replace_content(stage, folder, mark)
        return
    if not folder.exists() or not any(folder.iterdir()):
        stage.rename(folder)
        return
    # The old run goes only once the new one stands in its place.
    old = temporary_path(folder, "old")
    folder.rename(old)
    stage.rename(folder)
    FolderContents(old, mark).move_others(folder)
    shutil.rmtree(old)


def _replace_content(stage: Path, folder: Path, mark: str) -> None:
    old = temporary_path(folder, "old")
    old.mkdir()
    # The mark goes first and comes last: in between the folder is no finished run.
    present = [p for p in folder.iterdir() if not is_ignored(p.name)]
    for path in sorted(present, key=lambda p: p.name != mark):
        path.rename(old / path.name)
    for path in sorted(stage.iterdir(), key=lambda p: p.name == mark):
        path.rename(folder / path.name)
    FolderContents(old, mark).move_others(folder)
    shutil.rmtree(old)


def keep_aside(stage: Path, folder: Path, reason: CurateError) -> CurateError:
    """Save a finished folder under a free name if its own is in use, and return the error.

    Args:
        stage: folder that is complete.
        folder: where it cannot go.
        reason: why not.

    Returns:
        The same error, whose fix names the folder in which the results are now.
    """
    for number in itertools.count(2):
        target = folder / f"results-{number}"
        if not is_unrenamable(folder):
            target = folder.with_name(f"{folder.name}-{number}")
        if target.exists():
            continue
        # An empty folder may appear in between: the rename takes its place, a full one refuses.
        with suppress(OSError):
            stage.rename(target)
            break
    return CurateError(
        f"{reason.problem}, after this command started",
        where=str(folder),
        found=reason.found,
        fix=f"the results of this command are complete, in {target}",
    )


def remove_stale_paths(folder: Path, kinds: tuple[str, ...]) -> None:
    """Remove what killed runs left; put back a finished run that was being replaced."""
    for kind in kinds:
        inside = _stale_folders(folder, f".{kind}-{_HOST}-") if folder.is_dir() else []
        for path in [*_stale_folders(folder.parent, f".{folder.name}.{kind}-{_HOST}-"), *inside]:
            # The run was killed between its two renames: the old folder is the only result there
            # is.
            if kind == "old" and path not in inside and not folder.exists():
                path.rename(folder)
            elif kind == "old":
                _restore_folder(path, folder)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _stale_folders(folder: Path, prefix: str) -> list[Path]:
    """Return folders of processes that no longer run; other names with the prefix are a user's."""
    name = re.compile(re.escape(prefix) + r"(?:([0-9a-f]{8})-\d+-)?(\d{1,9})")
    try:
        matches = [(name.fullmatch(p.name), p) for p in folder.iterdir()]
    except OSError:  # no such folder yet, or nobody may look
        return []
    return [
        path
        for match, path in matches
        if match and path.is_dir() and not _is_in_use(match[1], int(match[2]))
    ]


def _restore_folder(old: Path, folder: Path) -> None:
    """Return to the folder what a killed run had moved out, where nothing new stands there."""
    for path in old.iterdir():
        if not (folder / path.name).exists():
            path.rename(folder / path.name)
    shutil.rmtree(old, ignore_errors=True)


def _is_in_use(token: str | None, pid: int) -> bool:
    """Return whether the process that made a temporary folder still runs."""
    # Processes in containers often have the same number: only the token tells an earlier one apart.
    if pid == os.getpid():
        return token == _TOKEN
    try:
        # Signal 0 is not delivered: it only asks whether the process exists.
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    # It exists, and belongs to another user.
    except PermissionError:
        return True
    return True
