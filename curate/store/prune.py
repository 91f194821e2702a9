"""Lists and prunes the store: `curate cache`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from curate.store.file_store import FACTS_SUFFIX
from curate.store.store import Store

KINDS = {
    "vectors": "*/*.arrows",
    "hidden": "*.array",
    "scores": "*.scores",
    "rows": "*.sqlite",
    "pairs": f"*{FACTS_SUFFIX}",
}
"""Folders of the store and the files in them."""
_DAY = 86_400.0


@dataclass(frozen=True)
class StoreEntry:
    """One file of the store.

    Attributes:
        kind: a key of `KINDS`.
        path: of the file.
        size: bytes, with its companions (a database's log).
        used: seconds since the epoch at which it was last written or taken.
    """

    kind: str
    path: Path
    size: int
    used: float


def list_entries(store: Store) -> list[StoreEntry]:
    """Return all files of the store, the least recently used first."""
    entries = []
    for kind, pattern in KINDS.items():
        for path in (store.root / kind).glob(pattern):
            stats = [p.stat() for p in _with_companions(path)]
            size = sum(stat.st_size for stat in stats)
            entries.append(StoreEntry(kind, path, size, max(stat.st_mtime for stat in stats)))
    return sorted(entries, key=lambda entry: entry.used)


def prune_store(
    store: Store, older_than_days: float | None, max_bytes: int | None
) -> tuple[list[StoreEntry], list[StoreEntry]]:
    """Remove entries that were not used for some days, then the oldest above a size.

    A file that a run has open stays readable to it. Removed entries are computed again when needed.

    Returns:
        The removed entries, and the remaining ones.
    """
    entries = list_entries(store)
    limit = None if older_than_days is None else time.time() - older_than_days * _DAY
    removed = [e for e in entries if limit is not None and e.used < limit]
    remaining = [e for e in entries if e not in removed]
    total = sum(entry.size for entry in remaining)
    while max_bytes is not None and remaining and total > max_bytes:
        total -= remaining[0].size
        removed.append(remaining.pop(0))
    for entry in removed:
        for path in _with_companions(entry.path):
            # Another process may prune the same store.
            path.unlink(missing_ok=True)
    return removed, remaining


def _with_companions(path: Path) -> list[Path]:
    """Return a file and its companions: a database's log, the files of a list."""
    stem = path.name.removesuffix(FACTS_SUFFIX)
    return sorted(path.parent.glob(f"{stem}*"))
