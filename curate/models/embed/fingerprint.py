"""What identifies a model's weights in the store's keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

_BLOCK = 1 << 20


def hash_files(folder: Path, files: Iterable[Path] | None = None) -> str:
    """Return the hex hash over names and contents of the folder's files, or of the given ones.

    Files that have neither another size nor another time since are not read again.
    """
    paths = sorted(files or (p for p in folder.rglob("*") if p.is_file()))
    stats = [path.stat() for path in paths]
    return _hash_contents(folder, tuple(paths), tuple((s.st_size, s.st_mtime_ns) for s in stats))


@lru_cache(maxsize=64)
def _hash_contents(
    folder: Path,
    paths: tuple[Path, ...],
    stamps: tuple[tuple[int, int], ...],  # noqa: ARG001 - only part of the cache's key
) -> str:
    digest = blake2b(digest_size=16)
    for path in paths:
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
