"""Vectors of texts under the texts' hashes, appended batch by batch.

Every run appends to a file of its own and reads those of all others, so that runs at the same time
cannot harm each other. A killed run may leave an incomplete last batch, which is ignored. Each
batch has a checksum; a damaged batch is ignored.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import xxhash

from curate.data.hashes import KEY_BYTES
from curate.store.warnings import StoreWarnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDING = "arrows"
_KEY, _VECTOR = "key", "vector"
_CHECK = b"xxh3_128"


class VectorStore:
    """The vectors of one model.

    Args:
        folder: of this model's files.
        dtype: float32 or float16, in which vectors are kept.
        store_warnings: collects problems of the store, for the user.
    """

    def __init__(
        self, folder: Path, dtype: str = "float32", store_warnings: StoreWarnings | None = None
    ) -> None:
        self._folder, self._dtype = folder, np.dtype(dtype)
        self._warnings = store_warnings or StoreWarnings()
        self._usable = True
        self._digests: list[bytes] = []
        self._checked: list[bool] = []
        self._parts: list[NDArray[np.floating]] = []
        self._file: pa.OSFile | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._part_keys = list(self._load_batches())
        self._index()

    def _index(self) -> None:
        """Order the keys of all batches."""
        keys = self._part_keys
        self._keys = np.concatenate(keys) if keys else np.empty(0, dtype=f"S{KEY_BYTES}")
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        # A stable sort: of equal keys the earliest vector is taken, in every run alike.
        self._order = np.argsort(self._keys, kind="stable")
        self._sorted = self._keys[self._order]

    def close(self) -> None:
        """Close this run's file."""
        if self._writer is not None and self._file is not None:
            try:
                self._writer.close()
                self._file.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._usable = False
        self._warnings.unusable(self._folder, error)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: NDArray[np.bytes_], out: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Write the stored vectors to their rows of `out`, (texts, dim); return which, (texts,)."""
        is_stored = np.zeros(len(keys), dtype=bool)
        if not len(self._keys):
            return is_stored
        # A key behind the last one has no place; the comparison below tells that it is another.
        sorted_index = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        is_stored[:] = self._sorted[sorted_index] == keys
        positions = self._order[sorted_index]
        part_of = np.searchsorted(self._starts, positions, side="right") - 1
        used = np.unique(part_of[is_stored]).tolist()
        if unsound := [part for part in used if not self._sound(part)]:
            self._leave_out(unsound)
            return self.find(keys, out)
        for part in used:
            rows = np.flatnonzero(is_stored & (part_of == part))
            out[rows] = self._parts[part][positions[rows] - self._starts[part]]
        return is_stored

    def _sound(self, part: int) -> bool:
        """Return whether a batch is undamaged; checked when it is first used."""
        if not self._checked[part]:
            self._checked[part] = (
                _batch_checksum(self._part_keys[part], self._parts[part]) == self._digests[part]
            )
        return self._checked[part]

    def _leave_out(self, parts: list[int]) -> None:
        """Drop damaged batches; their vectors are in a later batch, or are computed again."""
        self._warnings.damaged(self._folder)
        # From the end, so that the numbers of those before stay right.
        for part in reversed(parts):
            for batch_list in (self._parts, self._part_keys, self._digests, self._checked):
                del batch_list[part]
        self._index()

    def append(self, keys: NDArray[np.bytes_], vectors: NDArray[np.floating]) -> None:
        """Store (texts, dim) vectors; the system has them when this returns."""
        if not self._usable:
            return
        try:
            self._append(keys, np.ascontiguousarray(vectors, dtype=self._dtype))
        except OSError as error:
            self._give_up(error)

    def _append(self, keys: NDArray[np.bytes_], values: NDArray[np.floating]) -> None:
        size = pa.list_(pa.from_numpy_dtype(self._dtype), values.shape[1])
        schema = pa.schema([(_KEY, pa.binary(KEY_BYTES)), (_VECTOR, size)])
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = pa.OSFile(str(self._folder / f"{uuid.uuid4().hex}.{ENDING}"), "wb")
            self._writer = pa.ipc.new_stream(self._file, schema)
        binary = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(KEY_BYTES), len(keys), [None, pa.py_buffer(keys.tobytes())]
        )
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        batch = pa.record_batch([binary, lists], schema=schema)
        self._writer.write_batch(batch, custom_metadata={_CHECK: _batch_checksum(keys, values)})
        assert self._file is not None
        # A killed run loses the batch at work and nothing before it.
        self._file.flush()

    def _load_batches(self) -> Iterator[NDArray[np.bytes_]]:
        """Yield the keys of each batch of all files; map the vectors into `_parts`."""
        for path in sorted(self._folder.glob(f"*.{ENDING}")):
            with suppress(OSError):  # a store that is read-only serves all the same
                os.utime(path)
            for batch, digest in _iter_batches(path):
                self._digests.append(digest)
                self._checked.append(False)
                values = batch.column(1)
                size = values.type.list_size
                flat = values.flatten().to_numpy(zero_copy_only=True)
                self._parts.append(flat.reshape(-1, size))
                data = batch.column(0).buffers()[1]
                keys = np.frombuffer(data, dtype=f"S{KEY_BYTES}", count=len(batch))
                yield keys


def _iter_batches(path: Path) -> Iterator[tuple[pa.RecordBatch, bytes]]:
    """Yield batches with checksums, up to the first one that is unreadable or has none."""
    try:
        # A file of another run may grow, or end in the middle of a batch.
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
        while True:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
            if metadata is None or _CHECK not in metadata:
                return
            batch.validate()
            if batch.num_columns == 2 and pa.types.is_fixed_size_list(batch.column(1).type):
                yield batch, metadata[_CHECK]
    except StopIteration:
        return
    except Exception:  # damaged lengths end in errors of many kinds
        return


def _batch_checksum(keys: NDArray[np.bytes_], values: NDArray[np.floating]) -> bytes:
    digest = xxhash.xxh3_128(np.ascontiguousarray(keys).tobytes())
    digest.update(np.ascontiguousarray(values).data)
    return digest.digest()
