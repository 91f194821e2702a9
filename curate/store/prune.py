"""What the store holds, and how it is made smaller: `curate cache`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from curate.store.kept_files import TOLD
from curate.store.store import Store

KINDS = {
    "vectors": "*/*.arrows",
    "hidden": "*.array",
    "scores": "*.scores",
    "rows": "*.sqlite",
    "pairs": f"*{TOLD}",
}
"""Folders of the store and the files in them."""
_DAY = 86_400.0


@dataclass(frozen=True)
class Held:
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


def held(store: Store) -> list[Held]:
    """All files of the store, the least recently used first."""
    found = []
    for kind, pattern in KINDS.items():
        for path in (store.root / kind).glob(pattern):
            stats = [p.stat() for p in _with_companions(path)]
            size = sum(stat.st_size for stat in stats)
            found.append(Held(kind, path, size, max(stat.st_mtime for stat in stats)))
    return sorted(found, key=lambda entry: entry.used)


def prune(
    store: Store, older_than_days: float | None, max_bytes: int | None
) -> tuple[list[Held], list[Held]]:
    """Remove what was not used for some days, then the least recently used above a size.

    A file that a run has open stays readable to it; what is gone is computed again when it is asked
    for.

    Returns:
        What was removed, and what is left.
    """
    entries = held(store)
    limit = None if older_than_days is None else time.time() - older_than_days * _DAY
    gone = [e for e in entries if limit is not None and e.used < limit]
    left = [e for e in entries if e not in gone]
    total = sum(entry.size for entry in left)
    while max_bytes is not None and left and total > max_bytes:
        total -= left[0].size
        gone.append(left.pop(0))
    for entry in gone:
        for path in _with_companions(entry.path):
            path.unlink(missing_ok=True)
    return gone, left


def _with_companions(path: Path) -> list[Path]:
    """The file and those that belong to it: a database's log, the files that a list names."""
    stem = path.name.removesuffix(TOLD)
    return sorted(path.parent.glob(f"{stem}*"))
