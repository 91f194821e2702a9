"""The pair table of an input that has not changed is taken from the store, not read again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.data.attachments import MEDIA_COLUMNS
from curate.data.checksums import file_digest
from curate.data.hashes import row_keys
from curate.data.json_types import parse_json
from curate.data.table import fingerprint_pairs
from curate.errors import CurateError
from curate.pipeline.score_cache import MIN_CACHED_PAIRS, code_digest, digest_of
from curate.read.input import InputConfig
from curate.read.pairs import Pairs, collect_pairs, input_sources, read_pairs, stream_pairs
from curate.store.scratch import ScratchSpace, memory_map_frame
from curate.versions import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.read.sources import RowSource
    from curate.steps.context import Progress
    from curate.steps.workers import Workers
    from curate.store.store import Store

_TABLES, _KEYS = ("frame", "rejected", "origins"), "keys.npy"
_MIN_BYTES_PER_PAIR = 3
"""Bytes of a pair, however packed: smaller files need no key, for which all code would be read."""


@dataclass(frozen=True)
class StoredReading:
    """What the store keeps beside a pair table; see `Pairs`."""

    format: str
    rows_read: int
    notes: tuple[str, ...]
    fingerprint: str | None


def read_input(
    settings: InputConfig | None, progress: Progress | None = None, limit: int | None = None
) -> Pairs:
    """Return the pairs of an input; `limit` goes before its own.

    Raises:
        CurateError: there is no input, or it cannot be read.
    """
    if settings is None:
        raise CurateError(
            "the pipeline names no input",
            where="input",
            expected="path or hf",
            fix="add input:",
        )
    arguments = dict(settings) | {"limit": limit or settings.limit}
    return read_pairs(**arguments, progress=progress)


def read_or_load_cached(
    settings: InputConfig,
    store: Store | None,
    progress: Progress,
    scratch: ScratchSpace,
    workers: Workers | None = None,
) -> tuple[Pairs, bool]:
    """Return the pairs of an input, and whether they came from the store.

    A table is kept under the content of all files, the settings and the code. It is not where a
    source is not a local file, or pairs have media, whose files may change independently.

    Raises:
        CurateError: the input cannot be read.
    """
    key = None if store is None else _cache_key(settings, input_sources(settings))
    if store is not None and key is not None:
        cached_pairs = _load_cached_pairs(store, key)
        if cached_pairs is not None:
            return cached_pairs, True
    table_paths: dict[str, Path] = {}
    batches = stream_pairs(**dict(settings), progress=progress, workers=workers)
    pairs = collect_pairs(batches, scratch, table_paths)
    if store is not None and key is not None and _worth_keeping(pairs, table_paths):
        assert scratch.folder is not None
        # Keys and fingerprint need all texts once more, which the next run is spared.
        hashes = scratch.folder / _KEYS
        np.save(hashes, row_keys(pairs.frame))
        pairs = replace(
            pairs, row_keys=_map_row_keys(hashes), fingerprint=fingerprint_pairs(pairs.frame)
        )
        _store_pairs(store, key, pairs, {**table_paths, _KEYS: hashes})
    return pairs, False


def _cache_key(settings: InputConfig, sources: list[RowSource]) -> str | None:
    """Return `input_key`; None for files too small to be worth caching."""
    sizes = [source.size() if source.size is not None else None for source in sources]
    if (
        None not in sizes
        and sum(size or 0 for size in sizes) < MIN_CACHED_PAIRS * _MIN_BYTES_PER_PAIR
    ):
        return None
    return input_key(settings, sources)


def input_key(settings: InputConfig, sources: list[RowSource]) -> str | None:
    """Return what the pair table depends on, as one hash; None where that cannot be known."""
    files = [source.file for source in sources]
    notes = [note for source in sources for note in source.notes]
    if any(file is None for file in files):
        return None
    # With the code: another version may read the same file differently.
    digests = {str(file): file_digest(file).hex() for file in dict.fromkeys(files) if file}
    # Notes too: files that were left out beside these may be other ones now.
    return digest_of([settings.model_dump(mode="json"), digests, notes, code_digest(), versions()])


def _worth_keeping(pairs: Pairs, table_paths: dict[str, Path]) -> bool:
    # Bytes of media would double the store, and paths may point to files that changed.
    media = any(not pairs.frame[attachment].is_null().all() for attachment in MEDIA_COLUMNS)
    return bool(table_paths) and len(pairs) >= MIN_CACHED_PAIRS and not media


def _map_row_keys(path: Path) -> NDArray[np.bytes_]:
    """Return the row keys of a memory-mapped file."""
    keys: NDArray[np.bytes_] = np.load(path, mmap_mode="r")
    return keys


def _store_pairs(store: Store, key: str, pairs: Pairs, files: dict[str, Path]) -> None:
    facts = StoredReading(pairs.format, pairs.rows_read, pairs.notes, pairs.fingerprint)
    store.files("pairs").put(key, files, asdict(facts))


def _load_cached_pairs(store: Store, key: str) -> Pairs | None:
    entry = store.files("pairs").get(key)
    if entry is None:
        return None
    frame, rejected, origins = (memory_map_frame(entry.files[name]) for name in _TABLES)
    reading = parse_json(StoredReading, entry.facts)
    return Pairs(
        frame,
        rejected,
        origins,
        reading.format,
        reading.rows_read,
        reading.notes,
        fingerprint=reading.fingerprint,
        row_keys=_map_row_keys(entry.files[_KEYS]),
        numbered_by_content=True,
    )
