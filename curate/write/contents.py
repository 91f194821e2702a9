"""What a finished folder holds: its files with checksums, and whether they are still as written."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Collection, Container
from pathlib import Path
from typing import Any

import orjson
from pyarrow import parquet
from xxhash import xxh3_128_hexdigest

from curate.data.checksums import file_digest
from curate.data.json_types import JsonObject
from curate.errors import CurateError

MADE_BY, SIGNED, FILES, CHECKSUM = "made_by", "signed", "files_written", "mark_xxh3_128"
_US = "curate"
MOVED = "from-the-run-before"
"""Folder for people's files of a run that is replaced, where their place is taken."""

GENERATOR_TAG = '<meta name="generator" content="curate">'
"""In the head of every page that curate writes."""
# The tag stands in the head; a page itself can have megabytes.
_HEAD_BYTES = 1024


def write_checksums(folder: Path, completion_name: str) -> None:
    """Add the generator, and size and checksum of each file, to the completion file."""
    completion_file = folder / completion_name
    data = json.loads(completion_file.read_text(encoding="utf-8"))
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != completion_file)
    files = {
        p.relative_to(folder).as_posix(): {
            "bytes": p.stat().st_size,
            "rows": parquet.read_metadata(p).num_rows if p.suffix == ".parquet" else None,
            "xxh3_128": file_digest(p).hex(),
        }
        for p in paths
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    # `signed` says that a checksum must follow: a damaged key would else look like an old folder.
    data = {MADE_BY: _US, SIGNED: True, **data, FILES: files}
    completion_file.write_bytes(orjson.dumps(data | {CHECKSUM: _digest_of(data)}, option=options))


def _digest_of(data: JsonObject) -> str:
    """Return the checksum of a mark's content, whatever its white space."""
    # The checksum cannot be part of what it is made of.
    content = {key: value for key, value in data.items() if key != CHECKSUM}
    # Sorted, so that another JSON writer's order of keys is the same content.
    return xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())


def completion_file_digest(path: Path) -> str | None:
    """Return the checksum of a completion file on disk; None if there is none."""
    try:
        return file_digest(path).hex()
    except OSError:
        return None


def is_generated_page(path: Path) -> bool:
    """Return whether a file is a page that curate wrote, and may write again."""
    if path.suffix != ".html":
        return False
    try:
        with path.open("rb") as file:
            return GENERATOR_TAG.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


def has_checksums(data: JsonObject) -> bool:
    """Return whether a completion file lists its files and has a valid checksum."""
    return isinstance(data.get(FILES), dict) and data.get(CHECKSUM) == _digest_of(data)


def is_run_folder(folder: str | Path, mark: str) -> bool:
    """Return whether curate wrote the folder: its completion file is valid."""
    data = read_completion_file(Path(folder) / mark)
    if data is None:
        return False
    # Runs of before there were checksums have no `made_by`.
    legacy = isinstance(data.get("rows"), dict) and isinstance(data.get("steps"), list)
    return data.get(MADE_BY) == _US or ("manifest_version" in data and legacy)


def read_completion_file(path: Path) -> JsonObject | None:
    """Return the data of a completion file; None if missing or not a JSON object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


class FolderContents:
    """The files that a finished folder was written with.

    Args:
        folder: it.
        mark: its file that lists them.
    """

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder, self._mark = folder, mark
        self.data = read_completion_file(folder / mark) or {}
        """What the mark says, {} where it is none."""
        files = self.data.get(FILES)
        self.files: dict[str, JsonObject] | None = files if isinstance(files, dict) else None
        self._lists = self.files is not None or MADE_BY not in self.data
        """None for a folder of an older version, of which nothing can be checked."""

    def _added_files(self, names: Collection[str]) -> list[str]:
        """Return the files in the folders of these files that are none of them."""
        folders = {name.partition("/")[0] for name in names if "/" in name}
        paths = (p for f in sorted(folders) for p in (self.folder / f).rglob("*") if p.is_file())
        present = (path.relative_to(self.folder).as_posix() for path in paths)
        return [name for name in present if name not in names]

    def check(self) -> None:
        """Compare the folder's files with its checksums.

        Raises:
            CurateError: one is missing, changed, or beside them in their folders and not written.
        """
        if not self._lists or self._is_damaged():
            raise CurateError(
                "the list of files is damaged",
                where=str(self.folder / self._mark),
                expected=f"the list of files under '{FILES}' with its checksum",
                fix="run the pipeline again",
            )
        if self.files is None:
            return
        problems = (self._wrong(name, facts) for name, facts in self.files.items())
        wrong = [problem for problem in problems if problem]
        # A file that somebody put among the shards would be trained on.
        wrong += [f"{name} was not written by it" for name in self._added_files(self.files)]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise CurateError(
                "checksum mismatch: files in this folder were changed",
                where=str(self.folder),
                found="; ".join(wrong[:3]) + more,
                expected=f"the files listed in {self._mark}, unchanged",
                fix="run the pipeline again, or restore the files",
            )

    def _is_damaged(self) -> bool:
        """Return whether a mark that was written with a checksum is not as it was written."""
        return (SIGNED in self.data or CHECKSUM in self.data) and not has_checksums(self.data)

    def unchanged(self, name: str) -> bool:
        """Return whether a file is unchanged."""
        return self._wrong(name, (self.files or {}).get(name)) is None

    def _wrong(self, name: str, facts: Any) -> str | None:
        path = self.folder / name
        try:
            if not path.is_file():
                return f"{name} is missing"
            # The size first: a file that was cut off is found without reading it.
            if path.stat().st_size != facts["bytes"]:
                return f"{name} has {path.stat().st_size:,} bytes instead of {facts['bytes']:,}"
            return None if file_digest(path).hex() == facts["xxh3_128"] else f"{name} was changed"
        except (KeyError, TypeError):
            return f"{self._mark} is damaged at {name}"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"

    def move_others(self, target: Path) -> None:
        """Move everything that was not written by the run to the folder that takes its place.

        Only files that the signed list names, unchanged, and pages that `curate` writes anew may
        be left behind. What stands in a folder of shards would be trained on, and what stands in
        the way of a new file would be lost: both go to the folder `from-the-run-before`.
        """
        # A damaged list could name somebody's own files: then all are kept.
        listed = (self.files or {}) if has_checksums(self.data) else {}
        shard_folders = {name.partition("/")[0] for name in listed if "/" in name}
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() or p.is_symlink()):
            name = path.relative_to(self.folder)
            if self._is_written(name.as_posix(), listed):
                continue
            place = target / name
            if name.parts[0] in shard_folders or place.exists() or place.is_symlink():
                place = _free_path(target / MOVED / name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place)

    def _is_written(self, name: str, listed: Container[str]) -> bool:
        """Return whether the run wrote a file, which is as it was written."""
        path = self.folder / name
        # We write no links: whoever made one wants it where it leads.
        if path.is_symlink():
            return False
        if name in listed:
            return self.unchanged(name)
        return (name == self._mark and has_checksums(self.data)) or is_generated_page(path)


def _free_path(path: Path) -> Path:
    """Return the path, or one with a number where something stands there."""
    candidates = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(2))
    return next(p for p in itertools.chain([path], candidates) if not p.exists())
