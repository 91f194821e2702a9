"""Several sources as one data set: read, drawn from, and named."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.data.extra_column import extra_with
from curate.data.hashes import prompt_keys
from curate.data.json_text import to_json
from curate.data.sources import shared_notes
from curate.data.table import BATCH_ROWS, PairIds, batches, dense_numbers, rows_at
from curate.pipeline.config import SourceConfig
from curate.read.pairs import Pairs, collect_pairs, stream_pairs
from curate.read.repeated_ids import named_source, number_by_content
from curate.steps.context import Progress
from curate.store.workspace import Workspace

if TYPE_CHECKING:
    from curate.steps.workers import Workers

_OWN = ("name", "share", "weight", "filters")


@dataclass(frozen=True)
class SourceFacts:
    """What was read of a source, and what was taken.

    Attributes:
        name: of the source.
        format: that was found or given.
        rows_read: from its files.
        rows_rejected: malformed, or without a pair.
        pairs: that its rows hold.
        taken: pairs of the mixture that are its own; more than `pairs` where they are repeated.
    """

    name: str
    format: str
    rows_read: int
    rows_rejected: int
    pairs: int
    taken: int


def read_mixture(
    sources: list[SourceConfig],
    seed: int,
    progress: Progress,
    workspace: Workspace,
    limit: int | None = None,
    workers: Workers | None = None,
) -> tuple[Pairs, list[SourceFacts]]:
    """The pairs of all sources, in their order, with the name of each as `source`.

    Of each source whole prompts are drawn: `share` of them (1.5: all once and half of them twice),
    or as many that its pairs are in proportion to its `weight`, as many as the scarcest source
    allows. A repeated pair gets an id of its own.

    Args:
        sources: what to read.
        seed: of the draws.
        progress: where progress is shown.
        workspace: gives room to the pairs.
        limit: pairs of each source at most, besides its own limit.
        workers: read sources of several files.
    """
    read = []
    for source in sources:
        given = {k: v for k, v in dict(source).items() if k not in _OWN}
        if limit is not None:
            given["limit"] = min(limit, source.limit or limit)
        parts = stream_pairs(**given, progress=progress, workers=workers)
        read.append(collect_pairs(parts, workspace))
    # Only now is it known which source is the scarcest.
    wanted = _wanted(sources, [len(pairs) for pairs in read])
    rng = np.random.default_rng(seed)
    rows = [_drawn(p.frame, n, rng) for p, n in zip(read, wanted, strict=True)]
    facts = [
        SourceFacts(str(s.name), p.format, p.rows_read, len(p.rejected), len(p), len(own))
        for s, p, own in zip(sources, read, rows, strict=True)
    ]
    return _joined(sources, read, rows, workspace), facts


def _wanted(sources: list[SourceConfig], counts: list[int]) -> list[float]:
    """Share of the pairs of each source, above 1 where they are repeated."""
    weights = [source.weight for source in sources]
    if any(weight is None for weight in weights):
        return [1.0 if source.share is None else source.share for source in sources]
    scale = min(n / float(w or 1.0) for n, w in zip(counts, weights, strict=True))
    return [scale * float(w or 0.0) / n for n, w in zip(counts, weights, strict=True)]


def _drawn(pairs: pl.DataFrame, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of whole prompts, in their order; all rows once for each whole number in the share."""
    every = np.arange(len(pairs))
    # Numbers in the order of the hashes: which prompts are drawn does not depend on that of rows.
    prompt = dense_numbers(prompt_keys(pairs))
    count = np.bincount(prompt)
    order = rng.permutation(len(count))
    size = count[order]
    before = np.cumsum(size) - size
    whole, rest = divmod(share, 1.0)
    taken = np.zeros(len(count), dtype=np.bool_)
    # A prompt is in where more than half of it lies below the number of pairs that is wanted.
    taken[order[before + size / 2 <= rest * len(pairs)]] = True
    return np.concatenate([*[every] * int(whole), np.flatnonzero(taken[prompt])])


def _joined(
    sources: list[SourceConfig],
    read: list[Pairs],
    rows: list[NDArray[np.int64]],
    workspace: Workspace,
) -> Pairs:
    ids, kept_masks = PairIds(pairs.frame["pair_id"] for pairs in read), list[NDArray[np.bool_]]()
    with (
        closing(workspace.spool("mixture")) as frame,
        closing(workspace.spool("mixture-origins")) as origins,
    ):
        for source, pairs, own in zip(sources, read, rows, strict=True):
            for part in batches(len(own), BATCH_ROWS) or [slice(0, 0)]:
                some = _named(rows_at(pairs.frame, own[part]), pairs, own[part], str(source.name))
                # A repeated pair gets an id of its own.
                new = ids.new(some["pair_id"])
                kept_masks.append(new.to_numpy())
                kept_ids = pl.when(new).then("pair_id")
                frame.write(ids.give(some.with_columns(pair_id=kept_ids)))
                if len(pairs.origins):
                    origins.write(pairs.origins[own[part]])
        places = origins.frame()
        # The names of files went with `_named`: what is left as `source` is content.
        table, _ = number_by_content(
            frame.frame(), np.concatenate(kept_masks), places.clear(), workspace, frame.path
        )
    notes = [f"{s.name}: {note}" for s, p in zip(sources, read, strict=True) for note in p.notes]
    counts = zip(sources, read, rows, strict=True)
    notes += [_nothing_drawn(s, len(p)) for s, p, drawn in counts if not len(drawn)]
    rejected = pl.concat(pairs.rejected for pairs in read)
    rows_read = sum(pairs.rows_read for pairs in read)
    told = (*notes, *shared_notes(table))
    folders = tuple(dict.fromkeys(folder for pairs in read for folder in pairs.folders))
    return Pairs(table, rejected, places, "mixture", rows_read, told, folders)


def _nothing_drawn(source: SourceConfig, pairs: int) -> str:
    setting = f"weight {source.weight}" if source.weight is not None else f"share {source.share}"
    return (
        f"{source.name}: none of its {pairs:,} pairs is in the mixture, since whole "
        f"prompts are drawn and {setting} is less than half of one; raise it"
    )


def _named(frame: pl.DataFrame, pairs: Pairs, rows: NDArray[np.int64], name: str) -> pl.DataFrame:
    """The source's name as `source`; a subset that the rows named goes to `extra`."""
    files = pairs.origins["file"].gather(rows) if len(pairs.origins) else pl.Series([None])
    subset = named_source(files.cast(pl.String))
    told = subset.map_elements(to_json, return_dtype=pl.String)
    with_subset = extra_with("extra", "subset", told)
    return frame.with_columns(
        extra=pl.when(subset.is_not_null()).then(with_subset).otherwise("extra"),
        source=pl.lit(name),
    )
