"""Datasets of the `datasets` library: saved to disk, or on the hub by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.errors import CurateError, first_line
from curate.read.sources import arrow_types
from curate.read.sources.arrow_block import ArrowBlock
from curate.read.sources.blocks import RowBlock
from curate.read.sources.find_files import RowSource
from curate.read.sources.hub_card import choose_split
from curate.read.sources.json_files import BLOCK_ROWS

if TYPE_CHECKING:
    from datasets import Dataset


def saved_source(path: str, split: str | None) -> RowSource:
    """Return a dataset saved to disk; of several splits the named one, the only one or `train`."""
    from datasets import DatasetDict, load_from_disk

    path = str(Path(path).expanduser())
    try:
        loaded = load_from_disk(path)
    except Exception as error:  # the library raises many kinds for files that are gone or damaged
        raise CurateError(
            "the saved dataset cannot be read", where=path, found=first_line(error)
        ) from None
    if isinstance(loaded, DatasetDict):
        loaded = select_split(loaded, split, path)
    return RowSource(path, lambda: dataset_blocks(loaded))


def select_split(loaded: Any, split: str | None, where: str) -> object:
    """Return the named split of a DatasetDict, else the only one or `train`."""
    return loaded[choose_split(list(loaded), split, where)]


def hub_source(name: str, config: str | None, split: str | None, revision: str | None) -> RowSource:
    """Return a data set of the hub by owner/name.

    Raises:
        CurateError: the hub cannot be reached, or has no such data set, config or split.
    """
    from datasets import get_dataset_split_names, load_dataset

    try:
        splits = get_dataset_split_names(name, config, revision=revision)
        chosen = choose_split(splits, split, name)
        loaded = load_dataset(name, config, split=chosen, revision=revision)
    except CurateError:
        raise
    except Exception as error:  # the library raises many kinds for a wrong name or no network
        raise CurateError(
            f"the dataset could not be loaded: {type(error).__name__}",
            where="input.hf",
            found=f"{name}: {str(error).splitlines()[0] if str(error) else ''}",
            fix="check the name, the network connection and the login (huggingface-cli login), "
            "or download it and give input.path",
        ) from error
    return RowSource(name, lambda: dataset_blocks(loaded))


def dataset_blocks(dataset: Dataset) -> Iterator[RowBlock]:
    """Yield the rows of a dataset of the library in blocks, without decoding media."""
    first_number = 1
    arrow: Any = dataset.with_format("arrow")
    try:
        for table in arrow.iter(batch_size=BLOCK_ROWS):
            for column in table.columns:
                for chunk in column.chunks:
                    arrow_types.check_offsets(chunk)
            yield ArrowBlock(table, range(first_number, first_number + len(table)))
            first_number += len(table)
    except (pa.ArrowException, OSError) as error:
        raise CurateError(
            "the dataset is damaged", where=f"row {first_number} and on", found=first_line(error)
        ) from None
