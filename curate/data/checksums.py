"""Checksums of files, read piece by piece."""

from __future__ import annotations

from pathlib import Path

import xxhash

# A megabyte at a time: files may be larger than memory.
_BLOCK = 1 << 20


def file_digest(path: Path, size: int | None = None) -> bytes:
    """Return the xxh3-128 digest (16 bytes) of a file, or of its first `size` bytes."""
    digest = xxhash.xxh3_128()
    # The size first: a file that grows meanwhile is hashed as it was.
    remaining = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while remaining > 0 and (block := file.read(min(_BLOCK, remaining))):
            digest.update(block)
            remaining -= len(block)
    return digest.digest()
