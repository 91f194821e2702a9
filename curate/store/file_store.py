"""Stores complete files of a run for the next one, such as its pair table."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from curate.data.checksums import file_digest
from curate.data.json_types import JsonObject
from curate.store.warnings import StoreWarnings

# The name of earlier versions: another one would orphan their entries.
FACTS_SUFFIX = ".told"
_SIZE, _DIGEST = "bytes", "xxh3_128"


@dataclass(frozen=True)
class StoredFiles:
    """The files under a key by name, and facts about them."""

    files: dict[str, Path]
    facts: JsonObject


class FileStore:
    """Files under keys that name all that they depend on.

    They lie side by side as `<key>.<name>`; `<key>.told`, written last, holds their sizes and
    checksums. What does not match counts for nothing.

    Args:
        folder: of this kind of files.
        store_warnings: collects problems of the store, for the user.
    """

    def __init__(self, folder: Path, store_warnings: StoreWarnings) -> None:
        self._folder, self._warnings = folder, store_warnings

    def get(self, key: str) -> StoredFiles | None:
        """Return the undamaged files under a key; else None."""
        facts_path = self._folder / f"{key}{FACTS_SUFFIX}"
        if not facts_path.is_file():
            return None
        try:
            content = json.loads(facts_path.read_text(encoding="utf-8"))
            files = {name: self._folder / f"{key}.{name}" for name in content["files"]}
            sound = all(
                self._sound(files[name], file_facts)
                for name, file_facts in content["files"].items()
            )
        except (OSError, ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            self._warnings.damaged(facts_path)
            return None
        for path in (facts_path, *files.values()):
            _mark_as_used(path)
        return StoredFiles(files, content["told"])

    def put(self, key: str, files: dict[str, Path], facts: JsonObject) -> None:
        """Store files that no longer change; a store without free space stores nothing."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            sizes = {}
            for name, path in files.items():
                self._place(path, self._folder / f"{key}.{name}")
                digest = file_digest(path).hex()
                sizes[name] = {_SIZE: path.stat().st_size, _DIGEST: digest}
            unfinished = self._folder / f"{key}.{os.getpid()}.tmp"
            unfinished.write_text(json.dumps({"told": facts, "files": sizes}), encoding="utf-8")
            # Last: files without it count for nothing, so that a killed run leaves no half of them.
            unfinished.replace(self._folder / f"{key}{FACTS_SUFFIX}")
        except OSError as error:
            self._warnings.unusable(self._folder, error)
            # A full disk stays full if what was half written is left there.
            for path in self._folder.glob(f"{key}.*"):
                path.unlink(missing_ok=True)

    def _place(self, path: Path, target: Path) -> None:
        """Hard-link or copy a file to its target atomically."""
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        unfinished.unlink(missing_ok=True)
        link_or_copy(path, unfinished)
        unfinished.replace(target)

    @staticmethod
    def _sound(path: Path, facts: JsonObject) -> bool:
        return path.stat().st_size == facts[_SIZE] and file_digest(path).hex() == facts[_DIGEST]


def link_or_copy(path: Path, target: Path) -> None:
    """Hard-link a file, or copy it if the target is on another disk or links are not supported."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _mark_as_used(path: Path) -> None:
    """Update the time of last use, for `curate cache --prune`; ignore a read-only store."""
    try:
        os.utime(path)
    except OSError:
        return
