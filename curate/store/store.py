"""Content-addressed store of what is costly to compute again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from curate.store.rows import RowStore
from curate.store.vectors import VectorStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VARIABLE = "CURATE_CACHE"


def default_root() -> Path:
    """`$CURATE_CACHE`, or `~/.cache/curate`."""
    return Path(os.environ.get(_VARIABLE) or Path.home() / ".cache" / "curate")


class Store:
    """Arrays under keys that name all that they depend on; a key's value never changes.

    A value is written beside its place and moved there in one step, so that a reader, or a second
    run at the same time, sees it whole or not at all.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def _path(self, key: str) -> Path:
        return self.root / f"{key}.npy"

    def get_array(self, key: str) -> NDArray[np.float32] | None:
        """The array under the key, memory-mapped, or None."""
        path = self._path(key)
        if not path.exists():
            return None
        array: NDArray[np.float32] = np.load(path, mmap_mode="r")
        os.utime(path)
        return array

    def put_array(self, key: str, array: NDArray[np.float32]) -> None:
        """Keep the array under the key."""
        with _whole(self._path(key)) as file:
            np.save(file, array)

    def get_table(self, key: str) -> pa.Table | None:
        """The table under the key, or None; one that cannot be read counts for nothing."""
        path = self.root / f"{key}.parquet"
        try:
            table = parquet.read_table(path)
            os.utime(path)
        except (OSError, pa.ArrowInvalid):
            return None
        return table

    def has_table(self, key: str) -> bool:
        """Whether there is a table under the key."""
        return (self.root / f"{key}.parquet").exists()

    def put_table(self, key: str, table: pa.Table) -> None:
        """Keep the table, with its schema's metadata, under the key."""
        with _whole(self.root / f"{key}.parquet") as file:
            parquet.write_table(table, file, compression="zstd")

    def vectors(self, fingerprint: str, dtype: str = "float32") -> VectorStore:
        """The vectors of one model, to be opened and closed."""
        name = blake2b(f"{fingerprint}/{dtype}".encode(), digest_size=16).hexdigest()
        return VectorStore(self.root / "vectors" / name, dtype)

    def rows(self, name: str) -> RowStore:
        """The values of one kind, one under each key."""
        return RowStore(self.root / "rows" / f"{name}.sqlite")


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is written whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            yield file
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def open_store(setting: str | None) -> Store | None:
    """The store that the configuration's `store` names: "auto", a folder, or None for none."""
    if setting is None:
        return None
    return Store() if setting == "auto" else Store(Path(setting).expanduser())
