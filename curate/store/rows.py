"""Small values under the hash of what they depend on, one at a time: a key never changes its value.

SQLite in write-ahead mode: a batch of values is written whole or not at all, so a killed run loses
at most its last batch, and two runs at a time do not harm each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from curate.errors import CurateError

_KEYS_AT_ONCE = 500
_WAIT_SECONDS = 60.0


def row_key(*parts: str) -> bytes:
    """The key of a value that depends on these texts and nothing else."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


class RowStore:
    """Values of one kind in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) "
                    "WITHOUT ROWID"
                )
        except (OSError, sqlite3.DatabaseError) as error:
            raise CurateError(
                "the store cannot be used",
                where=str(path),
                found=str(error),
                fix="name another folder (store: in the configuration, or CURATE_CACHE), or null",
            ) from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that are there, by key."""
        found: dict[bytes, bytes] = {}
        with self._open() as connection:
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                part = keys[start : start + _KEYS_AT_ONCE]
                places = ",".join("?" * len(part))
                query = f"SELECT key, value FROM rows WHERE key IN ({places})"
                found.update(connection.execute(query, part))
        return found

    def put(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Keep the values; they are on disk when this returns."""
        with self._open() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO rows VALUES (?, ?)", zip(keys, values, strict=True)
            )
