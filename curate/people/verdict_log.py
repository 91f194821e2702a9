"""Verdicts on disk: one JSON line each, appended and synced before anything goes on."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from curate.errors import CurateError
from curate.verdicts.files import VERDICTS

FOLDER = "verdicts"
_NAME = re.compile(r"[\w.@ -]{1,64}")


def read_line(line: bytes) -> dict[str, Any] | None:
    """The verdict on a line, None for a line that holds none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    whole = isinstance(row, dict) and isinstance(row.get("pair_id"), str)
    return row if whole and (row.get("undone") or row.get("verdict") in VERDICTS) else None


class VerdictLog:
    """The verdicts of one reviewer on the pairs of a run.

    The file only grows: a later line on a pair takes the place of an earlier one, and an undone
    verdict is a line of its own. A line that a kill cut short is given up when the file is opened.

    Args:
        run: folder of the run; the file is verdicts/NAME.jsonl in it.
        reviewer: name of who judges.

    Raises:
        CurateError: a name that no file can have, or a file that cannot be written.
    """

    def __init__(self, run: Path, reviewer: str) -> None:
        if not _NAME.fullmatch(reviewer) or reviewer.startswith("."):
            raise CurateError(
                "wrong name of a reviewer",
                where="--reviewer",
                found=repr(reviewer),
                expected="letters, digits, spaces and any of . @ _ -",
            )
        self.reviewer = reviewer
        self.path = run / FOLDER / f"{reviewer}.jsonl"
        self.verdicts: dict[str, str] = {}
        """Verdict of each pair that has one, in the order in which they were given."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._load()
            self._file = self.path.open("ab")
        except OSError as error:
            raise CurateError(
                "the verdicts cannot be kept", where=str(self.path), found=str(error)
            ) from None

    def _load(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            row = read_line(line)
            if row is not None:  # a damaged line is told when the verdicts are merged
                self._note(row["pair_id"], None if row.get("undone") else row["verdict"])

    def _note(self, pair_id: str, verdict: str | None) -> None:
        self.verdicts.pop(pair_id, None)
        if verdict is not None:
            self.verdicts[pair_id] = verdict

    def add(self, pair_id: str, verdict: str, note: str = "") -> None:
        """Keep a verdict; it is on disk when this returns.

        Raises:
            CurateError: the verdict is none of keep, flip, tie, drop, skip.
        """
        if verdict not in VERDICTS:
            raise CurateError("unknown verdict", found=repr(verdict), expected=", ".join(VERDICTS))
        self._write({"pair_id": pair_id, "verdict": verdict, "note": note})
        self._note(pair_id, verdict)

    def undo(self) -> str | None:
        """Take the last verdict back; returns its pair, or None where there is none."""
        if not self.verdicts:
            return None
        pair_id = next(reversed(self.verdicts))
        self._write({"pair_id": pair_id, "verdict": "skip", "undone": True})
        self._note(pair_id, None)
        return pair_id

    def _write(self, row: dict[str, object]) -> None:
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._file.write(orjson.dumps(row | {"reviewer": self.reviewer, "at": at}) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
