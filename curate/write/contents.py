"""What a finished folder holds: its files with checksums, and whether they are still as written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import orjson
from pyarrow import parquet

from curate.data.checksums import file_digest
from curate.errors import CurateError

MADE_BY, FILES = "made_by", "files_written"
_US = "curate"
_LATE = ("report.html", "audit.html", "compare.html")
"""Pages that may be written into a finished folder, and made again at any time."""


def sign(folder: Path, mark: str) -> None:
    """Complete the file `mark` by who made the folder, and size and checksum of each file."""
    place = folder / mark
    data = json.loads(place.read_text(encoding="utf-8"))
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != place)
    files = {
        p.relative_to(folder).as_posix(): {
            "bytes": p.stat().st_size,
            "rows": parquet.read_metadata(p).num_rows if p.suffix == ".parquet" else None,
            "xxh3_128": file_digest(p).hex(),
        }
        for p in paths
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    whole = {MADE_BY: _US, **data, FILES: files}
    place.write_bytes(orjson.dumps(whole, option=options))


def is_ours(folder: str | Path, mark: str) -> bool:
    """Whether we made the folder: its mark says so, and is not just a file of that name."""
    data = read_mark(Path(folder) / mark)
    if data is None:
        return False
    # Runs of before there were checksums have no `made_by`.
    legacy = isinstance(data.get("rows"), dict) and isinstance(data.get("steps"), list)
    return data.get(MADE_BY) == _US or ("manifest_version" in data and legacy)


def read_mark(path: Path) -> dict[str, Any] | None:
    """The data of a mark, None where it is not there or no JSON object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


class Contents:
    """The files that a finished folder was written with.

    Args:
        folder: it.
        mark: its file that lists them.
    """

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder, self._mark = folder, mark
        self.data = read_mark(folder / mark) or {}
        """What the mark says, {} where it is none."""
        found = self.data.get(FILES)
        self.files: dict[str, dict[str, Any]] | None = found if isinstance(found, dict) else None
        self._lists = self.files is not None or MADE_BY not in self.data
        """None for a folder of an older version, of which nothing can be checked."""

    def check(self) -> None:
        """Compare all files with what was written.

        Raises:
            CurateError: one is missing, changed, or beside them in their folders and not written.
        """
        if not self._lists:
            raise CurateError(
                "the mark of the folder is damaged",
                where=str(self.folder / self._mark),
                expected=f"the files under '{FILES}'",
                fix="run the pipeline again",
            )
        if self.files is None:
            return
        wrong = [told for name, facts in self.files.items() if (told := self._wrong(name, facts))]
        # A file that somebody put among the shards would be trained on.
        folders = {name.partition("/")[0] for name in self.files if "/" in name}
        present = (p for f in sorted(folders) for p in (self.folder / f).rglob("*") if p.is_file())
        names = (p.relative_to(self.folder).as_posix() for p in present)
        wrong += [f"{name} was not written by it" for name in names if name not in self.files]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise CurateError(
                "the folder is not as it was written",
                where=str(self.folder),
                found="; ".join(wrong[:3]) + more,
                expected=f"the files that {self._mark} lists, unchanged",
                fix="run the pipeline again, or restore the files",
            )

    def unchanged(self, name: str) -> bool:
        """Whether a file is as it was written."""
        return self._wrong(name, (self.files or {}).get(name)) is None

    def _wrong(self, name: str, facts: Any) -> str | None:
        path = self.folder / name
        try:
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != facts["bytes"]:
                return f"{name} has {path.stat().st_size:,} bytes instead of {facts['bytes']:,}"
            return None if file_digest(path).hex() == facts["xxh3_128"] else f"{name} was changed"
        except (KeyError, TypeError):
            return f"{self._mark} is damaged at {name}"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"

    def move_others(self, target: Path) -> None:
        """Move what was not written by us, verdicts of people among them, to the same places in
        another folder; what already stands there stays.
        """
        own = {self._mark, *_LATE, *(self.files or self._all())}
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() or p.is_symlink()):
            name = path.relative_to(self.folder)
            place = target / name
            if name.as_posix() not in own and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)

    def _all(self) -> list[str]:
        """The files of a folder of an older version: all but verdicts, which people wrote."""
        paths = (p for p in self.folder.rglob("*") if p.is_file())
        names = (p.relative_to(self.folder).as_posix() for p in paths)
        return [name for name in names if not name.startswith("verdicts/")]
