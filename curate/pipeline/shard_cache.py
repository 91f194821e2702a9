"""Reuse of shards: a run that would write the same ones links those of the folder it replaces."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.data.hashes import row_keys
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, PAIR_COLUMNS
from curate.pipeline.config import PipelineConfig
from curate.pipeline.result import Result
from curate.pipeline.score_cache import code_digest, digest_of
from curate.read.pairs import Pairs
from curate.store.file_store import link_or_copy
from curate.versions import versions
from curate.write.contents import FolderContents
from curate.write.manifest import MANIFEST, OutputSummary, ShardFile
from curate.write.run_files import DROPPED, KEPT, PAIRS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDERS = (KEPT, PAIRS, DROPPED)


def shards_key(config: PipelineConfig, result: Result, pairs: Pairs) -> str | None:
    """Return all that the shards depend on, as one hash; None where the rows' keys are not known.

    The keys of the rows as read represent the texts, unless a filter changed some.
    """
    if pairs.row_keys is None:
        return None
    kept_pairs, columns = result.kept_rows, result.kept_rows.columns
    if not result.pairs_changed:
        columns = ["pair_id", *(c for c in columns if c not in PAIR_COLUMNS)]
    dropped = result.dropped_rows.iter_batches(["pair_id", DROP_STEP, DROP_REASON, DROP_CODE])
    tables = [
        [pairs.row_keys],
        map(row_keys, kept_pairs.iter_batches(columns)),
        map(row_keys, dropped),
    ]
    return digest_of(
        [
            *map(_digest_row_keys, tables),
            columns,
            config.output.model_dump(mode="json"),
            config.seed,
            code_digest(),
            versions(),
        ]
    )


def _digest_row_keys(key_batches: Iterable[NDArray[np.bytes_]]) -> str:
    """Return the hash of the keys of all parts, one after another."""
    digest = blake2b()
    for keys in key_batches:
        digest.update(np.ascontiguousarray(keys).view(np.uint8).data)
    return digest.hexdigest()


def reuse_shards(old: Path, stage: Path, key: str | None) -> list[ShardFile] | None:
    """Give the shards of a finished run a second name in the stage, where they are the same.

    Args:
        old: folder of the run that will be replaced.
        stage: folder of the run that is written.
        key: key of the requested shards.

    Returns:
        What the old manifest says of the kept shards; None where nothing was taken: the key is
        another one, or a file is not as it was written.
    """
    contents = FolderContents(old, MANIFEST)
    output = contents.data.get("output")
    if key is None or not isinstance(output, dict) or output.get("shards_key") != key:
        return None
    names = [n for n in contents.files or {} if n.partition("/")[0] in _FOLDERS]
    if not names or not all(contents.unchanged(name) for name in names):
        return None
    for name in names:
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(old / name, stage / name)
    return list(OutputSummary.from_json(output).shards)
