"""Several sources as one dataset: read, drawn from, and named."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.data.hashes import prompt_keys
from curate.data.json_fields import with_extra_key
from curate.data.json_text import to_json
from curate.data.json_types import JsonObject
from curate.data.sources import shared_between_sources_notes
from curate.data.table import BATCH_ROWS, PairIds, batch_slices, dense_ranks, gather_pairs
from curate.pipeline.config import SourceConfig
from curate.read.pairs import Pairs, collect_pairs, stream_pairs
from curate.read.repeated_ids import named_source, number_by_content
from curate.steps.context import Progress
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from curate.steps.workers import Workers

_MIXTURE_KEYS = ("name", "share", "weight", "filters")


@dataclass(frozen=True)
class SourceFacts:
    """What was read of a source, and what was taken.

    Attributes:
        name: the source's name.
        format: the detected or requested format.
        rows_read: rows in its files.
        rows_rejected: rows that are malformed or hold no pair.
        pairs: pairs in its rows.
        sampled: pairs of the mixture that are its own; more than `pairs` where they are repeated.
        not_drawn: pairs of the source that are not in the mixture.
        repeated: pairs that are in it again: `sampled` is `pairs` - `not_drawn` + `repeated`.
    """

    name: str
    format: str
    rows_read: int
    rows_rejected: int
    pairs: int
    sampled: int
    not_drawn: int
    repeated: int

    def to_json(self) -> JsonObject:
        """Return the facts as plain data; the manifest's name of `sampled` is `taken`."""
        facts = asdict(self)
        return {("taken" if name == "sampled" else name): value for name, value in facts.items()}


def read_mixture(
    sources: list[SourceConfig],
    seed: int,
    progress: Progress,
    scratch: ScratchSpace,
    limit: int | None = None,
    workers: Workers | None = None,
) -> tuple[Pairs, list[SourceFacts]]:
    """Return the pairs of all sources, in their order, with the name of each as `source`.

    Of each source whole prompts are drawn: `share` of them (1.5: all once and half of them twice),
    or as many that its pairs are in proportion to its `weight`, as many as the scarcest source
    allows. A repeated pair gets an id of its own.

    Args:
        sources: what to read.
        seed: seed of the draws.
        progress: receives the progress.
        scratch: scratch space for the pairs.
        limit: pairs of each source at most, besides its own limit.
        workers: read sources of several files.
    """
    read = []
    for source in sources:
        settings = {k: v for k, v in dict(source).items() if k not in _MIXTURE_KEYS}
        if limit is not None:
            settings["limit"] = min(limit, source.limit or limit)
        batches_read = stream_pairs(**settings, progress=progress, workers=workers)
        read.append(collect_pairs(batches_read, scratch))
    # Only now is it known which source is the scarcest.
    shares = _target_shares(sources, [len(pairs) for pairs in read])
    # One generator for all sources in their order: equal files must not draw the same prompts.
    rng = np.random.default_rng(seed)
    rows = [_draw_rows(p.frame, n, rng) for p, n in zip(read, shares, strict=True)]
    facts = [_source_facts(*source) for source in zip(sources, read, rows, strict=True)]
    return _join_sources(sources, read, rows, scratch), facts


def _source_facts(source: SourceConfig, pairs: Pairs, rows: NDArray[np.int64]) -> SourceFacts:
    """Return what was read of a source, and which of its rows were drawn."""
    counts, distinct = (pairs.rows_read, len(pairs.rejected), len(pairs)), len(np.unique(rows))
    drawn_counts = (len(rows), len(pairs) - distinct, len(rows) - distinct)
    return SourceFacts(str(source.name), pairs.format, *counts, *drawn_counts)


def _target_shares(sources: list[SourceConfig], counts: list[int]) -> list[float]:
    """Return the share of the pairs of each source, above 1 where they are repeated."""
    weights = [source.weight for source in sources]
    if any(weight is None for weight in weights):
        return [1.0 if source.share is None else source.share for source in sources]
    # The scarcest source is taken whole, and the others in proportion: none is repeated.
    scale = min(n / float(w or 1.0) for n, w in zip(counts, weights, strict=True))
    return [scale * float(w or 0.0) / n for n, w in zip(counts, weights, strict=True)]


def _draw_rows(pairs: pl.DataFrame, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of whole prompts, in their order; all rows once for each whole number in the
    share.
    """
    every = np.arange(len(pairs))
    # Numbers in the order of the hashes: which prompts are drawn does not depend on that of rows.
    prompt = dense_ranks(prompt_keys(pairs))
    count = np.bincount(prompt)
    order = rng.permutation(len(count))
    size = count[order]
    before = np.cumsum(size) - size
    repeats, fraction = divmod(share, 1.0)
    is_sampled = np.zeros(len(count), dtype=np.bool_)
    # A prompt is sampled if more than half of its pairs are below the target number.
    is_sampled[order[before + size / 2 <= fraction * len(pairs)]] = True
    return np.concatenate([*[every] * int(repeats), np.flatnonzero(is_sampled[prompt])])


def _join_sources(
    sources: list[SourceConfig],
    read: list[Pairs],
    rows: list[NDArray[np.int64]],
    scratch: ScratchSpace,
) -> Pairs:
    ids, new_id_masks = PairIds(pairs.frame["pair_id"] for pairs in read), list[NDArray[np.bool_]]()
    with (
        closing(scratch.frame_writer("mixture")) as frame,
        closing(scratch.frame_writer("mixture-origins")) as origins,
    ):
        for source, pairs, source_rows in zip(sources, read, rows, strict=True):
            for batch in batch_slices(len(source_rows), BATCH_ROWS) or [slice(0, 0)]:
                sampled_pairs = _name_source(
                    gather_pairs(pairs.frame, source_rows[batch]),
                    pairs,
                    source_rows[batch],
                    str(source.name),
                )
                # A repeated pair gets an id of its own.
                is_new = ids.is_new(sampled_pairs["pair_id"])
                new_id_masks.append(is_new.to_numpy())
                kept_ids = pl.when(is_new).then("pair_id")
                frame.write(ids.fill_missing(sampled_pairs.with_columns(pair_id=kept_ids)))
                if len(pairs.origins):
                    origins.write(pairs.origins[source_rows[batch]])
        origin_table = origins.frame()
        # `_name_source` has replaced file names: what `source` holds now is content.
        table, _ = number_by_content(
            frame.frame(), np.concatenate(new_id_masks), origin_table.clear(), scratch, frame.path
        )
    notes = [f"{s.name}: {note}" for s, p in zip(sources, read, strict=True) for note in p.notes]
    counts = zip(sources, read, rows, strict=True)
    notes += [_nothing_drawn(s, len(p)) for s, p, sampled_rows in counts if not len(sampled_rows)]
    rejected = pl.concat(pairs.rejected for pairs in read)
    rows_read = sum(pairs.rows_read for pairs in read)
    all_notes = (*notes, *shared_between_sources_notes(table))
    folders = tuple(dict.fromkeys(folder for pairs in read for folder in pairs.folders))
    return Pairs(table, rejected, origin_table, "mixture", rows_read, all_notes, folders)


def _nothing_drawn(source: SourceConfig, pairs: int) -> str:
    setting = f"weight {source.weight}" if source.weight is not None else f"share {source.share}"
    return (
        f"{source.name}: none of its {pairs:,} pairs is in the mixture, because whole "
        f"prompts are sampled and {setting} is less than half of one; raise it"
    )


def _name_source(
    frame: pl.DataFrame, pairs: Pairs, rows: NDArray[np.int64], name: str
) -> pl.DataFrame:
    """Return the pairs with the source's name as `source`; `extra` gets a subset that rows name."""
    # Pairs in memory come from no file: one null stands for all rows.
    files = pairs.origins["file"].gather(rows) if len(pairs.origins) else pl.Series([None])
    subset = named_source(files.cast(pl.String))
    subset_name = subset.map_elements(to_json, return_dtype=pl.String)
    with_subset = with_extra_key("extra", "subset", subset_name)
    return frame.with_columns(
        extra=pl.when(subset.is_not_null()).then(with_subset).otherwise("extra"),
        source=pl.lit(name),
    )
