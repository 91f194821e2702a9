"""Reads preference data of any known form into the pair table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from curate.data.prefetch import read_ahead
from curate.errors import CurateError
from curate.read.formats.columns import ColumnMapping
from curate.read.formats.ranking_config import RankingRule
from curate.read.input import InputConfig, ReadingConfig
from curate.read.pair_dataset import ORIGIN_COLUMNS, REJECTED_COLUMNS, Pairs
from curate.read.reader import Reader
from curate.read.repeated_ids import number_by_content
from curate.read.sources import RowSource, find_sources, is_saved_dataset
from curate.read.sources.data_file import MB, Bounds
from curate.steps.context import Progress, SilentProgress
from curate.steps.registry import validate_model
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from curate.read.formats.base import RowSample
    from curate.steps.workers import Workers

__all__ = [
    "ORIGIN_COLUMNS",
    "REJECTED_COLUMNS",
    "Pairs",
    "collect_pairs",
    "read_pairs",
    "stream_pairs",
]


class ReadArguments(TypedDict, total=False):
    """The arguments of `read_pairs` and `stream_pairs` that say what is read, and how.

    Attributes:
        path: the same as `data`, for paths.
        hf: instead, a hub dataset as owner/name.
        format: name of a format, or "auto" to find it from the first rows.
        columns: mapping of columns for the format "columns".
        ranking: how rankings of several answers become pairs; default the best and the worst.
        config: configuration of the hub dataset, by name or as a folder.
        split: split of a hub dataset, by name or as a folder, or of a saved one; default
            the only one, or "train".
        revision: revision of the hub dataset.
        on_error: "stop" raises at the first batch that holds a malformed row; "skip" reports such
            rows in `Pairs.rejected` and goes on.
        limit: read at most this many pairs.
        max_row_mb: largest row of a text file.
        max_file_mb: largest file that must be read at once, such as a JSON array.

    Examples:
        >>> options: ReadArguments = {"on_error": "skip", "limit": 1}
        >>> row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
        >>> len(read_pairs([row, row], **options))
        1
    """

    path: str | None
    hf: str | None
    format: str
    columns: ColumnMapping | Mapping[str, object] | None
    ranking: RankingRule | Mapping[str, object] | None
    config: str | None
    split: str | None
    revision: str | None
    on_error: Literal["stop", "skip"]
    limit: int | None
    max_row_mb: int
    max_file_mb: int


def read_pairs(
    data: object = None, *, progress: Progress | None = None, **arguments: Unpack[ReadArguments]
) -> Pairs:
    """Read preference pairs from files, from objects in memory, or from the hub.

    Args:
        data: file, glob, folder, fsspec URL, or a folder written by `Dataset.save_to_disk`; or a
            datasets.Dataset, DatasetDict or IterableDataset, a polars or pandas frame, an Arrow
            table, or a list of dicts.
        progress: where progress is shown.
        **arguments: what else is read, and how; see `ReadArguments`.

    Raises:
        CurateError: nothing to read, no known format, a malformed row under "stop", no pair at all.

    Examples:
        >>> pairs = read_pairs([{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}])
        >>> len(pairs), pairs.frame["chosen"][0][0]["content"]
        (1, '4')
    """
    batches = _stream(data, _reading_config(arguments), progress)
    return collect_pairs(batches, ScratchSpace())


def collect_pairs(
    batches: Iterator[Pairs], scratch: ScratchSpace, places: dict[str, Path] | None = None
) -> Pairs:
    """Join the batches of a dataset in the scratch space; there must be at least one.

    Args:
        parts: from `stream_pairs`.
        scratch: where the pairs are stored.
        places: gets the files of the tables by their names in `Pairs`, where they lie in files.
    """
    with (
        closing(scratch.frame_writer("pairs")) as frame,
        closing(scratch.frame_writer("rejected")) as rejected,
        closing(scratch.frame_writer("origins")) as origins,
    ):
        # The next block is parsed while this one is written.
        published_masks = list[NDArray[np.bool_]]()
        for batch in read_ahead(batches):
            frame.write(batch.frame)
            published_masks.append(batch.has_published_id())
            rejected.write(batch.rejected)
            origins.write(batch.origins)
            last = batch
        origin_table = origins.frame()
        table, path = number_by_content(
            frame.frame(), np.concatenate(published_masks), origin_table, scratch, frame.path
        )
        named = {"frame": path, "rejected": rejected.path, "origins": origins.path}
        if places is not None:
            places.update((name, path) for name, path in named.items() if path is not None)
        tables = table, rejected.frame(), origin_table
        pairs = Pairs(*tables, last.format, last.rows_read, last.notes, last.folders)
        return replace(pairs, numbered_by_content=True)


def stream_pairs(
    data: object = None,
    *,
    progress: Progress | None = None,
    workers: Workers | None = None,
    **arguments: Unpack[ReadArguments],
) -> Iterator[Pairs]:
    """Yield the same as `read_pairs`, a few thousand rows at a time; `rows_read` counts up.

    Where there are `workers`, several files are read by them, unless a limit is set.

    Formats whose pairs are made of several rows (`unpaired`, `helpsteer2_attributes`) come a file
    at a time. Ids are the same as by `read_pairs`, for which 16 bytes a pair are held; but rows of
    the same prompt, answers and annotator are numbered in their order, since the numbers of
    `read_pairs` depend on rows to come.

    Examples:
        >>> row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
        >>> sum(len(batch) for batch in stream_pairs([row, row, row]))
        3
    """
    yield from _stream(data, _reading_config(arguments), progress, workers)


def _reading_config(arguments: ReadArguments) -> ReadingConfig:
    """Return the arguments as one value; unknown and wrong ones are errors."""
    values = {name: value for name, value in arguments.items() if value is not None}
    for name, model in (("columns", ColumnMapping), ("ranking", RankingRule)):
        if isinstance(values.get(name), Mapping):
            values[name] = validate_model(model, values[name], name)
    return validate_model(ReadingConfig, values, "read_pairs")


def _stream(
    data: object,
    config: ReadingConfig,
    progress: Progress | None,
    workers: Workers | None = None,
) -> Iterator[Pairs]:
    """Yield the pairs of `data`, or of the path or hub name of the configuration."""
    if data is not None and config.path is not None:
        raise CurateError("give one of data and path", where="read_pairs", found=config.path)
    sources = input_sources(config, data)
    reader = Reader(config.format, config.columns, config.ranking, config.on_error)
    yield from _read_batches(sources, reader, config.limit, progress, workers)


def _read_batches(
    sources: list[RowSource],
    reader: Reader,
    limit: int | None,
    progress: Progress | None,
    workers: Workers | None = None,
) -> Iterator[Pairs]:
    """Yield the pairs of the sources, at most `limit` of them; raise CurateError for none."""
    with (progress or SilentProgress()).task("read", limit) as task:
        reading_workers = workers if limit is None and len(sources) > 1 else None
        for batch in reader.batches(sources, reading_workers):
            excess = reader.pairs - limit if limit is not None else 0
            # The reader counts complete blocks: pairs beyond the limit are cut off.
            if excess > 0:
                batch.frame = batch.frame.head(len(batch) - excess)
                batch.origins = batch.origins.head(len(batch))
                batch.published_mask = batch.has_published_id()[: len(batch)]
            task.advance(len(batch))
            yield batch
            if limit is not None and excess >= 0:
                break
    if not reader.pairs:
        raise reader.nothing_read()


def input_sources(config: ReadingConfig, data: object = None) -> list[RowSource]:
    """Return the sources of the rows.

    Args:
        config: path or hub name, with what is read of it.
        data: instead, a path or an object that holds rows.

    Raises:
        CurateError: there are none, or several places are given.
    """
    data = config.path if data is None else data
    if (data is None) == (config.hf is None):
        raise CurateError("give either a path or a hub name", where="input", expected="path or hf")
    if data is None:
        from curate.read.sources.hub import hub_source

        return [hub_source(str(config.hf), config.config, config.split, config.revision)]
    if not isinstance(data, (str, PathLike)):
        from curate.read.sources.objects import object_source

        return [object_source(data, config.split)]
    path = str(data)
    if is_saved_dataset(path):
        from curate.read.sources.hub import saved_source

        return [saved_source(path, config.split)]
    bounds = Bounds(config.max_row_mb * MB, config.max_file_mb * MB)
    return find_sources(path, bounds, config.config, config.split)


def sample_rows(input_: InputConfig, rows: int = 100) -> RowSample:
    """Return the first rows as published; of a table file every column."""
    for source in input_sources(input_):
        for block in source.blocks():
            if sample := block.sample(rows):
                return sample
    return []
