"""The pair table of an input that has not changed is taken from the store, not read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.data.checksums import file_digest
from curate.data.hashes import row_keys
from curate.data.row_parts import MEDIA_PARTS
from curate.data.table import fingerprint
from curate.pipeline.score_cache import WORTH, code_digest, digest_of
from curate.read.input import InputConfig
from curate.read.pairs import Pairs, collect_pairs, input_sources, stream_pairs
from curate.store.workspace import Workspace, mapped
from curate.versions import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.read.sources import RowSource
    from curate.steps.context import Progress
    from curate.steps.workers import Workers
    from curate.store.store import Store

_TABLES, _KEYS = ("frame", "rejected", "origins"), "keys.npy"
_LEAST = 3
"""Bytes of a pair, however packed: smaller files need no key, for which all code would be read."""


def read_or_take(
    settings: InputConfig,
    store: Store | None,
    progress: Progress,
    workspace: Workspace,
    workers: Workers | None = None,
) -> tuple[Pairs, bool]:
    """The pairs of an input, and whether they came from the store.

    A table is kept under the content of all files, the settings and the code. It is not where a
    source is no local file, or pairs hold media, whose files may change by themselves.

    Raises:
        CurateError: the input cannot be read.
    """
    key = None if store is None else _key(settings, input_sources(settings))
    if store is not None and key is not None:
        taken = _taken(store, key)
        if taken is not None:
            return taken, True
    places: dict[str, Path] = {}
    parts = stream_pairs(**dict(settings), progress=progress, workers=workers)
    pairs = collect_pairs(parts, workspace, places)
    if store is not None and key is not None and _worth_keeping(pairs, places):
        assert workspace.folder is not None
        # Keys and fingerprint need all texts once more, which the next run is spared.
        hashes = workspace.folder / _KEYS
        np.save(hashes, row_keys(pairs.frame))
        pairs = replace(pairs, row_keys=_keys_in(hashes), fingerprint=fingerprint(pairs.frame))
        _keep(store, key, pairs, {**places, _KEYS: hashes})
    return pairs, False


def _key(settings: InputConfig, sources: list[RowSource]) -> str | None:
    """`input_key`, None where the files are too small to hold pairs enough to be worth keeping."""
    sizes = [source.size() if source.size is not None else None for source in sources]
    if None not in sizes and sum(size or 0 for size in sizes) < WORTH * _LEAST:
        return None
    return input_key(settings, sources)


def input_key(settings: InputConfig, sources: list[RowSource]) -> str | None:
    """What the pair table depends on, as one hash; None where that cannot be known."""
    files = [source.file for source in sources]
    notes = [note for source in sources for note in source.notes]
    if any(file is None for file in files):
        return None
    found = {str(file): file_digest(file).hex() for file in dict.fromkeys(files) if file}
    return digest_of([settings.model_dump(mode="json"), found, notes, code_digest(), versions()])


def _worth_keeping(pairs: Pairs, places: dict[str, Path]) -> bool:
    media = any(not pairs.frame[part].is_null().all() for part in MEDIA_PARTS)
    return bool(places) and len(pairs) >= WORTH and not media


def _keys_in(path: Path) -> NDArray[np.bytes_]:
    """Keys of rows in a mapped file."""
    keys: NDArray[np.bytes_] = np.load(path, mmap_mode="r")
    return keys


def _keep(store: Store, key: str, pairs: Pairs, files: dict[str, Path]) -> None:
    names = ("format", "rows_read", "notes", "fingerprint")
    told = {name: getattr(pairs, name) for name in names}
    store.files("pairs").put(key, files, told)


def _taken(store: Store, key: str) -> Pairs | None:
    kept = store.files("pairs").get(key)
    if kept is None:
        return None
    frame, rejected, origins = (mapped(kept.files[name]) for name in _TABLES)
    told, keys = kept.told, _keys_in(kept.files[_KEYS])
    told["notes"] = tuple(told["notes"])
    return Pairs(frame, rejected, origins, **told, row_keys=keys, numbered_by_content=True)
