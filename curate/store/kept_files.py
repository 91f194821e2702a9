"""Files of a run that are kept whole for the next one, such as its pair table."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.data.checksums import file_digest
from curate.store.trouble import Troubles

TOLD = ".told"
_SIZE, _DIGEST = "bytes", "xxh3_128"


@dataclass(frozen=True)
class Kept:
    """What lies under a key: files by name, and what was told of them."""

    files: dict[str, Path]
    told: dict[str, Any]


class KeptFiles:
    """Files under keys that name all that they depend on.

    They lie side by side as `<key>.<name>`; `<key>.told`, written last, holds their sizes and
    checksums. What does not match counts for nothing.

    Args:
        folder: of this kind of files.
        troubles: what the user should know of the store.
    """

    def __init__(self, folder: Path, troubles: Troubles) -> None:
        self._folder, self._troubles = folder, troubles

    def get(self, key: str) -> Kept | None:
        """What is under the key, unchanged; else None."""
        place = self._folder / f"{key}{TOLD}"
        if not place.is_file():
            return None
        try:
            told = json.loads(place.read_text(encoding="utf-8"))
            files = {name: self._folder / f"{key}.{name}" for name in told["files"]}
            sound = all(self._sound(files[name], facts) for name, facts in told["files"].items())
        except (OSError, ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            self._troubles.damaged(place)
            return None
        for path in (place, *files.values()):
            _used(path)
        return Kept(files, told["told"])

    def put(self, key: str, files: dict[str, Path], told: dict[str, Any]) -> None:
        """Keep the files, which nobody writes to any more; a store without room keeps nothing."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            facts = {}
            for name, path in files.items():
                self._place(path, self._folder / f"{key}.{name}")
                digest = file_digest(path).hex()
                facts[name] = {_SIZE: path.stat().st_size, _DIGEST: digest}
            half = self._folder / f"{key}.{os.getpid()}.tmp"
            half.write_text(json.dumps({"told": told, "files": facts}), encoding="utf-8")
            # Last: files without it count for nothing, so that a killed run leaves no half of them.
            half.replace(self._folder / f"{key}{TOLD}")
        except OSError as error:
            self._troubles.unusable(self._folder, error)
            # A full disk stays full if what was half written is left there.
            for path in self._folder.glob(f"{key}.*"):
                path.unlink(missing_ok=True)

    def _place(self, path: Path, target: Path) -> None:
        """A second name for the file where the disk is the same, else a copy; in one step."""
        half = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        half.unlink(missing_ok=True)
        link_or_copy(path, half)
        half.replace(target)

    @staticmethod
    def _sound(path: Path, facts: dict[str, Any]) -> bool:
        size: int = facts[_SIZE]
        wanted: str = facts[_DIGEST]
        return path.stat().st_size == size and file_digest(path).hex() == wanted


def link_or_copy(path: Path, target: Path) -> None:
    """A second name for a file where the disk is the same and has links, else a copy."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _used(path: Path) -> None:
    """Mark as used, for `curate cache --prune`; a store that is read-only serves all the same."""
    try:
        os.utime(path)
    except OSError:
        return
