"""Checksums of files, read piece by piece."""

from __future__ import annotations

from pathlib import Path

import xxhash

# A megabyte at a time: files may be larger than memory.
_BLOCK = 1 << 20


def file_digest(path: Path, size: int | None = None) -> bytes:
    """xxh3-128 of the first `size` bytes of a file, by default of all of them; 16 bytes."""
    digest = xxhash.xxh3_128()
    left = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.digest()
