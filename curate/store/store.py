"""Content-addressed store of costly results.

Everything in it has a checksum: a damaged entry is ignored and computed again. A store that cannot
be read or written gives one warning (`Store.store_warnings`) and never stops a run.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from curate.data.checksums import file_digest
from curate.store.file_store import FileStore
from curate.store.rows import RowStore
from curate.store.vectors import VectorStore
from curate.store.warnings import StoreWarnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VARIABLE = "CURATE_CACHE"
# Of the checksum at the end of each file.
_DIGEST_BYTES = 16
TABLE, ARRAY = ".scores", ".array"
"""Endings of tables (Parquet) and arrays (npy), each with the checksum behind it."""
_ERRORS = (OSError, sqlite3.Error, pa.ArrowException, ValueError)


def default_root() -> Path:
    """Return `$CURATE_CACHE`, or `~/.cache/curate`."""
    return Path(os.environ.get(_VARIABLE) or Path.home() / ".cache" / "curate").expanduser()


class Store:
    """Arrays and tables under keys that name all that they depend on; a value never changes.

    A value is written beside its place and moved there in one step, so that a reader, or a second
    run at the same time, sees it whole or not at all.

    Attributes:
        root: its folder.
        store_warnings: problems of the store, for the user.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_root()).expanduser()
        self.store_warnings = StoreWarnings()

    def get_array(self, key: str) -> NDArray[np.float32] | None:
        """Return the array under the key, memory-mapped, or None."""
        path = self.root / f"{key}{ARRAY}"
        try:
            if not self._sound(path):
                return None
            array: NDArray[np.float32] = np.load(path, mmap_mode="r")
        except _ERRORS:
            self.store_warnings.damaged(path)
            return None
        return array

    def put_array(self, key: str, array: NDArray[np.float32]) -> None:
        """Store the array under the key."""
        with self._atomic_file(self.root / f"{key}{ARRAY}") as file:
            np.save(file, array)

    def open_table(self, key: str) -> parquet.ParquetFile | None:
        """Return the table under the key, to be read in batches; None if missing or damaged."""
        path = self.root / f"{key}{TABLE}"
        try:
            if not self._sound(path):
                return None
            # A mapped file in the place of a copy of all of it.
            content = pa.memory_map(str(path)).read_buffer(path.stat().st_size - _DIGEST_BYTES)
            return parquet.ParquetFile(pa.BufferReader(content))
        except _ERRORS:
            self.store_warnings.damaged(path)
            return None

    def has_table(self, key: str) -> bool:
        """Return whether there is a table under the key."""
        return (self.root / f"{key}{TABLE}").exists()

    def put_table(self, key: str, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
        """Store a table of these batches, with its schema's metadata, under the key."""
        with (
            self._atomic_file(self.root / f"{key}{TABLE}") as file,
            parquet.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for part in parts:
                writer.write_table(part)

    def vectors(self, fingerprint: str, dtype: str = "float32") -> VectorStore:
        """Return the store of one model's vectors, to be opened and closed."""
        # Fingerprints contain names of models, and these slashes.
        name = blake2b(f"{fingerprint}/{dtype}".encode(), digest_size=16).hexdigest()
        return VectorStore(self.root / "vectors" / name, dtype, self.store_warnings)

    def rows(self, name: str) -> RowStore:
        """Return the store of one kind of small values."""
        return RowStore(self.root / "rows" / f"{name}.sqlite", self.store_warnings)

    def files(self, kind: str) -> FileStore:
        """Return the store of complete files of one kind."""
        return FileStore(self.root / kind, self.store_warnings)

    def _sound(self, path: Path) -> bool:
        """Return whether the file exists undamaged, and mark it as used."""
        try:
            size = path.stat().st_size
        except OSError:
            return False
        end = size - _DIGEST_BYTES
        with path.open("rb") as file:
            file.seek(max(end, 0))
            written = file.read()
        if end < 0 or written != file_digest(path, end):
            self.store_warnings.damaged(path)
            return False
        try:
            os.utime(path)
        except OSError as error:  # a store that is read-only serves all the same
            self.store_warnings.unusable(self.root, error)
        return True

    @contextmanager
    def _atomic_file(self, path: Path) -> Iterator[IO[bytes]]:
        """Open a temporary file that replaces `path`, with its checksum, once it is complete."""
        # Where the store takes nothing the value goes to a place that nobody reads.
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # In the same folder: a rename is atomic only within one file system.
            opened = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed below)
                dir=path.parent, suffix=".tmp", delete=False
            )
        except OSError as error:
            self.store_warnings.unusable(self.root, error)
            with tempfile.TemporaryFile() as nowhere:
                yield nowhere
            return
        place = Path(opened.name)
        try:
            with opened as file:
                yield file
            _append_digest(place)
            place.replace(path)
        except OSError as error:
            self.store_warnings.unusable(self.root, error)
        finally:
            place.unlink(missing_ok=True)


def _append_digest(path: Path) -> None:
    digest = file_digest(path)
    with path.open("ab") as file:
        file.write(digest)


def open_store(setting: str | None) -> Store | None:
    """Return the store that the configuration names: "auto", a folder, or None."""
    if setting is None:
        return None
    return Store() if setting == "auto" else Store(Path(setting).expanduser())
