"""Scores of earlier runs: what depends on nothing that has changed is not computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import parquet

from curate.data.hashes import hash_bytes, row_keys
from curate.data.media_bytes import media_files_stamp
from curate.models.embed.settings import AUTO, SHIPPED
from curate.pipeline.config import PipelineConfig
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.declarations import Cache, Input, Scope
from curate.steps.evidence import LabelEvidence
from curate.store.row_scores import RowScores
from curate.store.store import Store
from curate.versions import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.read.pairs import Pairs
    from curate.steps.context import Context

_HOME = Path(__file__).resolve().parents[2]
# In a checkout curate/scorers is a link, into which `rglob` does not go by itself.
_CODE_PACKAGES = ("curate", "curate/scorers")
MIN_CACHED_PAIRS = 20_000
"""Pairs from which on it is worth keeping what costs little a pair: fewer are done in a second."""
_BATCH_ROWS = 1 << 16
"""Rows that are packed or unpacked at a time."""


class ScoreCache:
    """Score columns, with what the step found, under a key of all that they depend on.

    The key holds the scorer's type, version and parameters, the code of curate and its scorers,
    versions of the libraries, the seed, the device, every value of every pair, and, for scorers on
    embeddings, the embedder's files. Only scores of scorers that say so (`Scorer.cache`) are kept:
    a scorer that asks a model, a server or a file of its own depends on more.

    Args:
        store: where scores are kept; None keeps nothing.
        pairs: the pairs of the run.
        config: the run's configuration; its seed, embedder and inference settings matter.
    """

    def __init__(
        self,
        store: Store | None,
        pairs: Pairs,
        config: PipelineConfig,
    ) -> None:
        self._store, self._pairs, self._config = store, pairs.frame, config
        self._row_keys_read, self._folders = pairs.row_keys, pairs.folders

    @cached_property
    def _basis(self) -> list[Any]:
        """Return what every key depends on."""
        # Versions: another polars or scikit-learn may give other last digits.
        return [code_digest(), versions(), blake2b(self._row_keys.view(np.uint8).data).hexdigest()]

    @cached_property
    def _row_keys(self) -> NDArray[np.bytes_]:
        return row_keys(self._pairs) if self._row_keys_read is None else self._row_keys_read

    @cached_property
    def _identity(self) -> str | None:
        return embedder_identity(self._config)

    @cached_property
    def _media(self) -> str | None:
        """Return a stamp of the media files, which can change without the table."""
        return media_files_stamp(self._pairs, self._folders)

    def key(
        self, step: ScorerStep, device: str, evidence: LabelEvidence | None = None
    ) -> str | None:
        """Return the key of the step's scores, or None where they are not kept.

        Args:
            step: the scorer.
            device: the device on which heads are trained.
            evidence: the evidence that the scorer reads, if it takes any.
        """
        if step.scorer.cache is not Cache.WHOLE or not self._is_worth_storing(step):
            return None
        dependencies = self._scorer_identity(step, device)
        if Input.MEDIA in step.scorer.inputs:
            dependencies.append(self._media)
        if step.takes_evidence:
            # A source that says nothing is not in the evidence, but has its column.
            columns = [column.name for column in step.scorer.columns()]
            dependencies += [(evidence or LabelEvidence()).digest(), columns]
        return self.key_of(dependencies, Input.EMBEDDINGS in step.scorer.inputs)

    def _is_worth_storing(self, step: ScorerStep) -> bool:
        """Return whether a table is worth storing: a few pairs are scored by themselves faster."""
        return step.scorer.scope is not Scope.ROW or len(self._pairs) >= MIN_CACHED_PAIRS

    def rows(self, step: ScorerStep, device: str) -> RowScores | None:
        """Return the kept scores of single rows, of a row scorer that keeps any."""
        if self._store is None or step.scorer.cache is not Cache.PER_ROW:
            return None
        dependencies = [*self._scorer_identity(step, device), code_digest(), versions()]
        prefix = hash_bytes(json.dumps(dependencies, sort_keys=True, default=str).encode())
        dtypes = {c.name: c.dtype for c in step.scorer.columns()}
        return RowScores(self._store.rows("scores"), prefix, self._row_keys, dtypes)

    def _scorer_identity(self, step: ScorerStep, device: str) -> list[Any]:
        scorer = step.scorer
        # The version, since the code of a plug-in is not in the digest.
        identity = [type(scorer).__module__, type(scorer).__qualname__, scorer.version]
        return [*identity, scorer.params.model_dump(mode="json"), self._config.seed, device]

    def key_of(self, dependencies: list[Any], embedded: bool) -> str | None:
        """Return the key of what depends on these parts, the code, the pairs and, where `embedded`,
        on their vectors; None where there is no store, or where it is not known what the vectors
        depend on.
        """
        if self._store is None:
            return None
        if embedded:
            if self._identity is None:
                return None
            dependencies = [*dependencies, self._identity, self._media]
        return f"scores/{digest_of([*dependencies, *self._basis])}"

    def get(
        self, key: str | None, context: Context, *, rows_as_pairs: bool = True
    ) -> pl.DataFrame | None:
        """Return the columns as the scorer returned them; facts and warnings go into the context.

        Args:
            key: a key from `key` or `key_of`.
            context: the step's context.
            rows_as_pairs: whether the table has a row for each pair; one that has not is damaged.
        """
        if self._store is None or key is None:
            return None
        file = self._store.open_table(key)
        if file is None:
            return None
        # Facts and warnings travel in the table's metadata, so that one rename stores both.
        findings = json.loads((file.schema_arrow.metadata or {}).get(b"curate", b"null"))
        if findings is None or (file.metadata.num_rows != len(self._pairs) and rows_as_pairs):
            self._store.store_warnings.damaged(key)
            return None
        context.facts.update(findings["facts"])
        context.warnings.extend(findings["warnings"])
        # Part by part into the workspace, where a run would hold what is unpacked to its end.
        return context.scratch.collect("kept", _unpack_batches(file))

    def has(self, step: ScorerStep, device: str) -> bool:
        """Return whether a table scorer's scores are kept."""
        key = self.key(step, device)
        return self._store is not None and key is not None and self._store.has_table(key)

    def put(self, key: str | None, columns: pl.DataFrame, context: Context) -> None:
        """Keep the columns with the context's facts and warnings, where there is a key."""
        if self._store is None or key is None:
            return
        findings = {"facts": context.facts, "warnings": context.warnings}
        text = json.dumps(findings, default=_plain_number).encode()
        schema = _pack_columns(columns.clear()).schema.with_metadata({"curate": text})
        batches = (_pack_columns(batch) for batch in columns.iter_slices(_BATCH_ROWS))
        self._store.put_table(key, schema, batches)


def _pack_columns(columns: pl.DataFrame) -> pa.Table:
    """Return the columns as parquet holds them."""
    # The oldest layout: Parquet has no views of strings.
    return columns.to_arrow(compat_level=pl.CompatLevel.oldest())


def _unpack_batches(file: parquet.ParquetFile) -> Iterator[pl.DataFrame]:
    """Yield the rows of a kept table part by part, the first of them without a row."""
    yield pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table()))
    for batch in file.iter_batches(_BATCH_ROWS):
        yield pl.DataFrame(pl.from_arrow(batch))


def embedder_identity(config: PipelineConfig) -> str | None:
    """Return what the vectors depend on: settings and the model's files; None for a name on the
    hub.
    """
    from curate.models.embed.embedder import model_hash

    # A run has settled by now which model embeds; without one it would be the shipped one.
    name = SHIPPED if config.embedder.name == AUTO else config.embedder.name
    files = model_hash(name)
    if files is None:
        return None
    # The model's files decide, not its name; device and batch size change the last digits only.
    settings = config.embedder.model_dump(mode="json", exclude={"name", "device", "batch_tokens"})
    if config.embedder.pooling == "last_token":
        # Such an embedder is a language model, which the section `inference` loads.
        settings |= config.inference.model_dump(mode="json")
    return f"{files} {json.dumps(settings, sort_keys=True)}"


def digest_of(dependencies: list[Any]) -> str:
    """Return one hash of all that something depends on."""
    text = json.dumps(dependencies, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def code_digest() -> str:
    """Return the hash of the source of curate and its scorers: scores of other code are not
    taken.
    """
    digest = blake2b(digest_size=16)
    for package in _CODE_PACKAGES:
        for path in sorted((_HOME / package).rglob("*.py")):
            # With the names, or code that moves between files would look the same.
            digest.update(path.relative_to(_HOME).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _plain_number(value: Any) -> Any:
    """Return a number of numpy as Python's."""
    return value.item() if hasattr(value, "item") else str(value)
