"""The hub's metadata of shards: columns, splits and sizes, for the card.

The features are those that `datasets` finds itself. It is not imported: every run writes a card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_TYPES = {"double": "float64", "float": "float32"}
"""Names of types that are Arrow's own."""


def dataset_info(shards: Mapping[str, list[Path]]) -> dict[str, Any] | None:
    """Return the Hub's `dataset_info` of Parquet files.

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
    return {
        "features": [_feature_type(field, field.name in images) for field in schema],
        "splits": splits,
        "download_size": sum(file.stat().st_size for file in files),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _split_info(name: str, files: list[Path]) -> dict[str, Any]:
    """Return rows and bytes of a split."""
    metadata = [parquet.read_metadata(file) for file in files]
    groups = [one.row_group(i) for one in metadata for i in range(one.num_row_groups)]
    return {
        "name": name,
        "num_bytes": sum(group.total_byte_size for group in groups),
        "num_examples": sum(one.num_rows for one in metadata),
    }


def _image_columns(schema: pa.Schema) -> set[str]:
    """Return the columns that the shards themselves mark as images."""
    stored = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(stored)["info"]["features"] if stored else {}
    return {name for name, f in features.items() if f.get("feature", {}).get("_type") == "Image"}


def _feature_type(field: pa.Field, is_images: bool) -> dict[str, Any]:
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
