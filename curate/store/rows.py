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

from curate.store.warnings import StoreWarnings

T = TypeVar("T")
# Below SQLite's limit of 999 variables a statement.
_KEYS_AT_ONCE = 500
# Another run writes a batch in far less; after that its process hangs.
_WAIT_SECONDS, _PAUSE_SECONDS = 20.0, 0.02
# Enough to know a damaged row; nobody attacks the store.
_DIGEST_BYTES = 8


def row_key(*parts: str) -> bytes:
    """Return the key of a value that depends on these texts and nothing else."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        # With the length of each text, or ("ab", "c") and ("a", "bc") would share a key.
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


class RowStore:
    """Values of one kind in one file.

    Args:
        path: of the file.
        store_warnings: collects problems; an unusable store acts as an empty one.
    """

    def __init__(self, path: Path, store_warnings: StoreWarnings | None = None) -> None:
        self._path = path
        self._warnings = store_warnings or StoreWarnings()
        self._usable = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._do(_create_table)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        # Once and for all: a locked file would cost the waiting time at every batch.
        self._usable = False
        self._warnings.unusable(self._path, error)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction; wait for other runs that have locked the file."""
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
        """Return the stored values by key."""
        if not self._usable:
            return {}
        try:
            stored, undamaged = self._do(lambda connection: _lookup_values(connection, keys))
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return {}
        if len(undamaged) < len(stored):
            self._warnings.damaged(self._path)
        return undamaged

    def put(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Store the values; they are on disk when this returns."""
        if not self._usable:
            return
        checked = [
            (key, _value_checksum(key, value) + value)
            for key, value in zip(keys, values, strict=True)
        ]
        try:
            # Two runs may have computed the same value: the first one stays.
            insert = "INSERT OR IGNORE INTO checked VALUES (?, ?)"
            self._do(lambda connection: connection.executemany(insert, checked))
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)


def _create_table(connection: sqlite3.Connection) -> None:
    # Readers then do not wait for a writer.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS checked (key BLOB PRIMARY KEY, value BLOB NOT NULL)"
        " WITHOUT ROWID"
    )


def _lookup_values(
    connection: sqlite3.Connection, keys: Sequence[bytes]
) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Return all stored values, and the undamaged ones; damaged ones are deleted."""
    stored: dict[bytes, bytes] = {}
    # SQLite takes a bounded number of places in one query.
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        key_batch = keys[start : start + _KEYS_AT_ONCE]
        placeholders = ",".join("?" * len(key_batch))
        query = f"SELECT key, value FROM checked WHERE key IN ({placeholders})"
        stored.update(connection.execute(query, key_batch))
    undamaged = _undamaged_values(stored)
    # A damaged value would be met again in every run.
    damaged = [(key,) for key in stored if key not in undamaged]
    if damaged:
        connection.executemany("DELETE FROM checked WHERE key = ?", damaged)
    return stored, undamaged


def _undamaged_values(stored: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the undamaged values, without their checksums."""
    return {
        key: value[_DIGEST_BYTES:]
        for key, value in stored.items()
        if value[:_DIGEST_BYTES] == _value_checksum(key, value[_DIGEST_BYTES:])
    }


def _value_checksum(key: bytes, value: bytes) -> bytes:
    return xxhash.xxh3_64_digest(key + value)
