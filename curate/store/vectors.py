"""Vectors of texts under the texts' hashes, appended batch by batch as they are made.

Every run appends to a file of its own and reads those of all others, so that runs at the same time
cannot harm each other. A killed run leaves a file whose last batch may be cut off: it is left out.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from curate.data.hashes import KEY_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDING = "arrows"
_KEY, _VECTOR = "key", "vector"


class VectorStore:
    """The vectors of one model.

    Args:
        folder: of this model's files.
        dtype: float32 or float16, in which vectors are kept.
    """

    def __init__(self, folder: Path, dtype: str = "float32") -> None:
        self._folder, self._dtype = folder, np.dtype(dtype)
        self._parts: list[NDArray[np.floating]] = []
        self._file: pa.OSFile | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        keys = list(self._known())
        self._keys = np.concatenate(keys) if keys else np.empty(0, dtype=f"S{KEY_BYTES}")
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self._order = np.argsort(self._keys, kind="stable")
        self._sorted = self._keys[self._order]

    def close(self) -> None:
        """End this run's file."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: NDArray[np.bytes_], out: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Put the known ones into their rows of `out`, (texts, dim); which they were, (texts,)."""
        known = np.zeros(len(keys), dtype=bool)
        if not len(self._keys):
            return known
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        known[:] = self._sorted[at] == keys
        places = self._order[at]
        part_of = np.searchsorted(self._starts, places, side="right") - 1
        for part in np.unique(part_of[known]):
            rows = np.flatnonzero(known & (part_of == part))
            out[rows] = self._parts[part][places[rows] - self._starts[part]]
        return known

    def append(self, keys: NDArray[np.bytes_], vectors: NDArray[np.floating]) -> None:
        """Keep (texts, dim) vectors; they are with the system when this returns."""
        values = np.ascontiguousarray(vectors, dtype=self._dtype)
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
        self._writer.write_batch(pa.record_batch([binary, lists], schema=schema))
        assert self._file is not None
        self._file.flush()

    def _known(self) -> Iterator[NDArray[np.bytes_]]:
        """Keys of each batch of all files, whose vectors go to `_parts`, mapped into memory."""
        for path in sorted(self._folder.glob(f"*.{ENDING}")):
            os.utime(path)
            for batch in _whole_batches(path):
                values = batch.column(1)
                size = values.type.list_size
                flat = values.flatten().to_numpy(zero_copy_only=True)
                self._parts.append(flat.reshape(-1, size))
                data = batch.column(0).buffers()[1]
                keys = np.frombuffer(data, dtype=f"S{KEY_BYTES}", count=len(batch))
                yield keys


def _whole_batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        # A file of another run may grow, or end in the middle of a batch.
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
        yield from reader
    except (pa.ArrowInvalid, OSError):
        return
