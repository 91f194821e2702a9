"""The hub's metadata of shards: columns, splits and sizes, for the card.

The features are those that `datasets` finds itself. It is not imported: every run writes a card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from curate.data.json_types import JsonObject

_TYPES = {"double": "float64", "float": "float32"}
"""Names of types that are Arrow's own."""


@dataclass(frozen=True)
class SplitInfo:
    """Rows and bytes of a split."""

    name: str
    num_bytes: int
    num_examples: int


@dataclass(frozen=True)
class DatasetInfo:
    """The Hub's `dataset_info` of Parquet files.

    Attributes:
        features: name and type of each column.
        splits: rows and bytes of each split.
        download_size: bytes of the files.
        dataset_size: bytes of the rows in memory.
    """

    features: list[JsonObject]
    splits: list[SplitInfo]
    download_size: int
    dataset_size: int

    @property
    def rows(self) -> int:
        """Return the rows of all splits."""
        return sum(split.num_examples for split in self.splits)


def dataset_info(shards: Mapping[str, list[Path]]) -> DatasetInfo | None:
    """Return the information of Parquet files.

    Args:
        shards: the files of each split.

    Returns:
        None where a file is none of Parquet, whose columns nothing else states.
    """
    files = [file for some in shards.values() for file in some]
    if not files or any(file.suffix != ".parquet" for file in files):
        return None
    splits = [_split_info(name, some) for name, some in shards.items()]
    schema = parquet.read_schema(files[0])
    images = _image_columns(schema)
    return DatasetInfo(
        [_feature_type(field, field.name in images) for field in schema],
        splits,
        sum(file.stat().st_size for file in files),
        sum(split.num_bytes for split in splits),
    )


def _split_info(name: str, files: list[Path]) -> SplitInfo:
    metadata = [parquet.read_metadata(file) for file in files]
    groups = [one.row_group(i) for one in metadata for i in range(one.num_row_groups)]
    # Unpacked, as `datasets` counts a split; the files' size is the download.
    num_bytes = sum(group.total_byte_size for group in groups)
    return SplitInfo(name, num_bytes, sum(one.num_rows for one in metadata))


def _image_columns(schema: pa.Schema) -> set[str]:
    """Return the columns that the shards themselves mark as images."""
    # Only there does a struct of bytes and path say that it is an image.
    stored = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(stored)["info"]["features"] if stored else {}
    return {name for name, f in features.items() if f.get("feature", {}).get("_type") == "Image"}


def _feature_type(field: pa.Field, is_images: bool) -> JsonObject:
    """Return a column's type in the Hub's terms."""
    kind = {"list": "image"} if is_images else _value_type(field.type)
    return {"name": field.name, **(kind if isinstance(kind, dict) else {"dtype": kind})}


def _value_type(kind: pa.DataType) -> Any:
    """Return a type in the Hub's terms: a name, or an object for nested types."""
    if pa.types.is_list(kind):
        inner = kind.value_type
        if pa.types.is_struct(inner):
            return {"list": [_feature_type(field, False) for field in inner]}
        return {"list": _value_type(inner)}
    if pa.types.is_struct(kind):
        return {"struct": [_feature_type(field, False) for field in kind]}
    if isinstance(kind, pa.JsonType):
        return "json"
    return _TYPES.get(str(kind), str(kind))
