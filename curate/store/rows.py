"""Small values under the hash of what they depend on, one at a time: a key never changes its value.

SQLite in write-ahead mode: a batch of values is written whole or not at all, so a killed run loses
at most its last batch, and two runs at a time do not harm each other. Each value has a checksum.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import xxhash

from curate.store.trouble import Troubles

T = TypeVar("T")
# Below SQLite's limit of 999 variables a statement.
_KEYS_AT_ONCE = 500
# Another run writes a batch in far less; after that its process hangs.
_WAIT_SECONDS, _PAUSE_SECONDS = 20.0, 0.02
# Enough to know a damaged row; nobody attacks the store.
_DIGEST_BYTES = 8


def row_key(*parts: str) -> bytes:
    """The key of a value that depends on these texts and nothing else."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


class RowStore:
    """Values of one kind in one file.

    Args:
        path: of the file.
        troubles: where is told that it cannot be used; the store is then as if it were empty.
    """

    def __init__(self, path: Path, troubles: Troubles | None = None) -> None:
        self._path = path
        self._troubles = troubles or Troubles()
        self._usable = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._do(_make)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        # Once and for all: a locked file would cost the waiting time at every batch.
        self._usable = False
        self._troubles.unusable(self._path, error)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it in one transaction, and wait for other runs that hold the file."""
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                opened = sqlite3.connect(self._path, timeout=_WAIT_SECONDS)
                with closing(opened), opened:
                    return work(opened)
            except sqlite3.OperationalError as error:
                # Two runs that open a new file at once: SQLite does not wait for the lock that a
                # change of the journal's mode wants.
                if "locked" not in str(error) or time.monotonic() >= until:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that are there, by key."""
        if not self._usable:
            return {}
        try:
            found, sound = self._do(lambda connection: _looked_up(connection, keys))
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return {}
        if len(sound) < len(found):
            self._troubles.damaged(self._path)
        return sound

    def put(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Keep the values; they are on disk when this returns."""
        if not self._usable:
            return
        checked = [
            (key, _digest(key, value) + value) for key, value in zip(keys, values, strict=True)
        ]
        try:
            # Two runs may have computed the same value: the first one stays.
            insert = "INSERT OR IGNORE INTO checked VALUES (?, ?)"
            self._do(lambda connection: connection.executemany(insert, checked))
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS checked (key BLOB PRIMARY KEY, value BLOB NOT NULL)"
        " WITHOUT ROWID"
    )


def _looked_up(
    connection: sqlite3.Connection, keys: Sequence[bytes]
) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """What lies under the keys, and of it what is as it was written; the rest is deleted."""
    found: dict[bytes, bytes] = {}
    # SQLite takes a bounded number of places in one query.
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        part = keys[start : start + _KEYS_AT_ONCE]
        places = ",".join("?" * len(part))
        query = f"SELECT key, value FROM checked WHERE key IN ({places})"
        found.update(connection.execute(query, part))
    sound = _sound(found)
    # A damaged value would be met again in every run.
    gone = [(key,) for key in found if key not in sound]
    if gone:
        connection.executemany("DELETE FROM checked WHERE key = ?", gone)
    return found, sound


def _sound(found: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The values, without their checksums, that are as they were written."""
    return {
        key: value[_DIGEST_BYTES:]
        for key, value in found.items()
        if value[:_DIGEST_BYTES] == _digest(key, value[_DIGEST_BYTES:])
    }


def _digest(key: bytes, value: bytes) -> bytes:
    return xxhash.xxh3_64_digest(key + value)
