"""Verdicts on disk: one JSON line each, appended and synced before anything goes on."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from curate.errors import CurateError
from curate.verdicts.files import FOLDER, VERDICTS

_NAME = re.compile(r"[\w.@ -]{1,64}")
Hashes = tuple[str, str]
"""Hashes of the chosen and the rejected answer; see `answer_hashes`."""


@dataclass(frozen=True)
class LoggedVerdict:
    """A line of a log.

    Attributes:
        pair_id: id of the pair.
        verdict: keep, flip, tie, drop or skip; None where one is taken back.
        undone: whether the last verdict on the pair is taken back.
        final: whether the verdict was compared with the label.
        blind: whether labels were hidden.
        hashes: hashes of the chosen and the rejected answer when the pair was judged; None: the
            line does not record them.
    """

    pair_id: str
    verdict: str | None = None
    undone: bool = False
    final: bool = False
    blind: bool = False
    hashes: Hashes | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> LoggedVerdict:
        """Return the verdict of a line's object, which has the id of a pair."""
        verdict, chosen, rejected = map(row.get, ("verdict", "chosen_hash", "rejected_hash"))
        has_hashes = isinstance(chosen, str) and isinstance(rejected, str)
        return cls(
            str(row["pair_id"]),
            verdict if isinstance(verdict, str) else None,
            bool(row.get("undone")),
            bool(row.get("final")),
            row.get("blind") is True,
            (str(chosen), str(rejected)) if has_hashes else None,
        )


def read_line(line: bytes) -> LoggedVerdict | None:
    """Return the verdict of a line; None if it has none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("pair_id"), str):
        return None
    logged = LoggedVerdict.from_row(row)
    return logged if logged.undone or logged.verdict in VERDICTS else None


class VerdictLog:
    """The verdicts of one reviewer on pairs of a run or a draw.

    The file only grows: a later line on a pair takes the place of an earlier one, and an undone
    verdict is a line of its own. A line that a kill cut short is given up when the file is opened.

    Args:
        run: folder of the run or the draw; the file is verdicts/NAME.jsonl in it.
        reviewer: name of the reviewer.
        blind: whether labels are hidden while they judge. Verdicts that were not blind are then no
            verdicts of this log.

    Raises:
        CurateError: a name that no file can have, or a file that cannot be written.
    """

    def __init__(self, run: Path, reviewer: str, blind: bool = False) -> None:
        if not _NAME.fullmatch(reviewer) or reviewer.startswith("."):
            raise CurateError(
                "invalid reviewer name",
                where="--reviewer",
                found=repr(reviewer),
                expected="letters, digits, spaces and any of . @ _ -",
            )
        self.reviewer, self.blind = reviewer, blind
        self.path = run / FOLDER / f"{reviewer}.jsonl"
        self.verdicts: dict[str, str] = {}
        """Verdict of each pair that has one, in the order of judging."""
        self.hashes: dict[str, Hashes] = {}
        """Hashes of the answers of each pair that has a verdict, where its line records them."""
        self.final: set[str] = set()
        """Pairs whose verdict was compared with the label: it can no longer be changed."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._load()
            self._file = self.path.open("ab")
        except OSError as error:
            raise CurateError(
                "cannot save the verdicts", where=str(self.path), found=str(error)
            ) from None

    def _load(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        complete = data[: data.rfind(b"\n") + 1]
        if len(complete) < len(data):
            with self.path.open("r+b") as file:
                file.truncate(len(complete))
        for line in complete.splitlines():
            row = read_line(line)
            # Damaged lines are reported when the verdicts are read for use.
            if row is not None and (row.blind or not self.blind):
                self._note(row)

    def _note(self, row: LoggedVerdict) -> None:
        pair_id = row.pair_id
        if row.final:
            self.final.add(pair_id)
            return
        self.verdicts.pop(pair_id, None)
        self.hashes.pop(pair_id, None)
        if row.undone or row.verdict is None:
            return
        self.verdicts[pair_id] = row.verdict
        if row.hashes is not None:
            self.hashes[pair_id] = row.hashes

    def add(self, pair_id: str, verdict: str, note: str = "", hashes: Hashes | None = None) -> None:
        """Keep a verdict; it is on disk when this returns.

        Args:
            pair_id: of the pair.
            verdict: keep, flip, tie, drop or skip.
            note: a comment.
            hashes: of the chosen and the rejected answer as they are now, so that the verdict still
                prefers the same answer after the label is flipped.

        Raises:
            CurateError: an unknown verdict, or one on a pair whose verdict is final.
        """
        if verdict not in VERDICTS:
            raise CurateError("unknown verdict", found=repr(verdict), expected=", ".join(VERDICTS))
        self._check_open(pair_id)
        self._write(
            [{"pair_id": pair_id, "verdict": verdict, "note": note, **_hash_fields(hashes)}]
        )

    def check_before(self, displayed: str | None, current: str) -> None:
        """Refuse a verdict on a pair that was reviewed in another window meanwhile.

        Args:
            displayed: the verdict that the window shows for the pair, "" for none; None: not known.
            current: the verdict that it has.

        Raises:
            CurateError: they differ.
        """
        if displayed is not None and displayed != current:
            raise CurateError(
                "the pair was reviewed in another window",
                found=current or "the verdict was undone",
                fix="check the pair again: the page was updated",
            )

    def undo(self, among: Container[str] | None = None) -> str | None:
        """Take the last verdict back; returns its pair, or None where there is none.

        Args:
            among: ids of the pairs under review; None: all.

        Raises:
            CurateError: the last verdict is final.
        """
        pairs = (i for i in reversed(self.verdicts) if among is None or i in among)
        pair_id = next(pairs, None)
        if pair_id is None:
            return None
        self._check_open(pair_id)
        self._write([{"pair_id": pair_id, "verdict": "skip", "undone": True}])
        return pair_id

    def finish(self, among: Container[str]) -> None:
        """Make the verdicts on these pairs final, before they are compared with the labels."""
        self._write(
            [
                {"pair_id": i, "verdict": v, "final": True, **_hash_fields(self.hashes.get(i))}
                for i, v in self.verdicts.items()
                if i in among and i not in self.final
            ]
        )

    def _check_open(self, pair_id: str) -> None:
        if self.blind and pair_id in self.final:
            raise CurateError(
                "the verdict is final",
                found=repr(pair_id),
                fix="the label was already shown, so a new verdict would be biased",
            )

    def _write(self, rows: list[dict[str, object]]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        common = {"reviewer": self.reviewer, "blind": self.blind, "at": at}
        self._file.write(b"".join(orjson.dumps(row | common) + b"\n" for row in rows))
        self._file.flush()
        # A verdict costs a person's time: it must survive a power failure.
        os.fsync(self._file.fileno())
        for row in rows:
            self._note(LoggedVerdict.from_row(row))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the log: two processes would miss what the other one appends.

        Raises:
            CurateError: another process holds it.
        """
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CurateError(
                "this reviewer is already active",
                where=str(self.path),
                found=f"another 'curate review' of {self.reviewer} is running",
                fix="continue in its window, stop it (Ctrl+C), or use another --reviewer",
            ) from None
        except OSError:  # a file system without locks
            pass
        yield

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _hash_fields(hashes: Hashes | None) -> dict[str, object]:
    return {} if hashes is None else {"chosen_hash": hashes[0], "rejected_hash": hashes[1]}
