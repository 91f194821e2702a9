"""What identifies a model's weights in the store's keys."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

_BLOCK = 1 << 20


def hash_files(folder: Path, files: Iterable[Path] | None = None) -> str:
    """Hex hash over names and contents of the folder's files, or of the given ones."""
    digest = blake2b(digest_size=16)
    for path in sorted(files or (p for p in folder.rglob("*") if p.is_file())):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
