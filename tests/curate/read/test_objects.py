"""Objects in memory are read as the same rows in a file are."""

from __future__ import annotations

import json
from decimal import Decimal
from io import BytesIO
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from curate import CurateError, Pipeline, read_pairs
from tests.helpers import published, trl_rows, write_jsonl

ROWS: list[dict[str, Any]] = [
    {
        "prompt": published(f"question {i}", "user"),
        "chosen": published(f"good {i}"),
        "rejected": published(f"bad {i}"),
        "score": i,
    }
    for i in range(7)
]
KINDS = (
    "list", "tuple", "generator", "Dataset", "DatasetDict", "IterableDataset", "polars", "lazy",
    "pandas", "table", "batch", "reader",
)  # fmt: skip


def object_of_kind(kind: str, rows: list[dict[str, Any]]) -> Any:
    table = pa.Table.from_pylist(rows)
    data = datasets.Dataset.from_list(rows)
    return {
        "list": lambda: rows,
        "tuple": lambda: tuple(rows),
        "generator": lambda: (row for row in rows),
        "Dataset": lambda: data,
        "DatasetDict": lambda: datasets.DatasetDict({"train": data, "test": data.select([0])}),
        "IterableDataset": data.to_iterable_dataset,
        "polars": lambda: pl.DataFrame(rows),
        "lazy": lambda: pl.LazyFrame(rows),
        "pandas": lambda: pd.DataFrame(rows),
        "table": lambda: table,
        "batch": lambda: table.to_batches()[0],
        "reader": table.to_reader,
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [ROWS, trl_rows(7)], ids=["messages", "texts"])
def test_every_kind_gives_the_pairs_of_the_file(
    kind: str, rows: list[dict[str, Any]], tmp_path: Any
) -> None:
    expected = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", rows)))
    pairs = read_pairs(object_of_kind(kind, rows))
    assert pairs.format == expected.format
    assert pairs.frame.drop("source").equals(expected.frame.drop("source"))
    assert pairs.origins["row"].to_list() == list(range(1, 8))


def test_splits_mappings_rankings_and_limits() -> None:
    both = object_of_kind("DatasetDict", ROWS)
    assert len(read_pairs(both, split="test")) == 1
    with pytest.raises(CurateError, match="no such split"):
        read_pairs(both, split="dev")
    odd = pd.DataFrame({"q": ["p", "r"], "x": ["a", "c"], "y": ["b", "d"]})
    mapped = read_pairs(odd, columns={"prompt": "q", "chosen": "x", "rejected": "y"}, limit=1)
    assert mapped.frame["chosen"].list.first().struct.field("content").to_list() == ["a"]
    ranked = [{"prompt": "p", "responses": ["a", "b", "c"], "scores": [1.0, 3.0, 2.0]}]
    assert len(read_pairs(ranked, ranking={"pairs": "all"})) == 3


@pytest.mark.parametrize("wrong", [3, {"prompt": "p"}, b"rows", object()])
def test_other_types_are_told_what_is_taken(wrong: Any) -> None:
    with pytest.raises(CurateError) as caught:
        read_pairs(wrong)
    assert type(wrong).__name__ in str(caught.value)
    assert "polars or pandas frame" in str(caught.value)


def test_rows_that_are_no_dicts_are_listed() -> None:
    rows: list[Any] = [*trl_rows(2), "text", None]
    with pytest.raises(CurateError, match="row 3: is str; expected a dict"):
        read_pairs(rows)
    pairs = read_pairs(rows, on_error="skip")
    assert pairs.rejected["row"].to_list() == [3, 4]
    with pytest.raises(CurateError, match="no pair was read"):
        read_pairs([])


def test_a_pandas_column_of_mixed_kinds_is_told() -> None:
    with pytest.raises(CurateError, match="pandas frame cannot be read"):
        read_pairs(pd.DataFrame({"prompt": ["p", 3], "chosen": ["a", "b"], "rejected": ["c", "d"]}))


def test_a_pair_table_comes_back() -> None:
    pairs = read_pairs(ROWS)
    again = read_pairs(pairs.frame)
    assert again.format == "pairs"
    assert again.frame.equals(pairs.frame)


def test_a_pipeline_takes_them() -> None:
    frame = pl.DataFrame(trl_rows(6))
    result = Pipeline({"filters": [{"type": "sample", "rows": 4}]}).run(frame)
    assert (result.rows_in, len(result.kept)) == (6, 4)


def test_images_in_memory_are_kept_as_files() -> None:
    image = Image.new("RGB", (8, 8), "red")
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "image": image}
    data = datasets.Dataset.from_list([row])
    datasets_read = [read_pairs(dataset) for dataset in ([row], data, data.to_iterable_dataset())]
    for pairs in datasets_read:
        (media,) = pairs.frame["images"].to_list()[0]
        with Image.open(BytesIO(media["bytes"])) as back:
            assert back.getpixel((0, 0)) == (255, 0, 0)
    several = [row | {"image": None, "images": [image, image]}]
    assert len(read_pairs(several).frame["images"].to_list()[0]) == 2


def test_values_of_numpy_and_a_named_index() -> None:
    row = {"prompt": np.str_("p"), "chosen": "a", "rejected": "b", "score": np.float32(1.5)}
    result = read_pairs([row]).frame
    assert json.loads(result["extra"][0]) == {"score": 1.5}
    frame = pd.DataFrame(trl_rows(3)).set_index("prompt")
    assert (
        read_pairs(frame).frame["prompt"].to_list()
        == read_pairs(trl_rows(3)).frame["prompt"].to_list()
    )
    with pytest.raises(CurateError, match="one of data and path"):
        read_pairs(trl_rows(1), path="x")


def _rows(**more: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"q {i}", "chosen": "a", "rejected": "b", **more} for i in range(3)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.float32(1.5), 1.5),
        (np.bool_(True), True),
        (np.arange(3), [0, 1, 2]),
        (np.ones((2, 1)), [[1.0], [1.0]]),
        (np.arange(5000), list(range(5000))),
        ({"a": (np.int64(1), [np.float64(2)])}, {"a": [1, [2.0]]}),
        (b"ab\xff", "YWL/"),
        (Decimal("1.5"), 1.5),
        (np.datetime64("2024-01-02"), "2024-01-02"),
    ],
)
def test_values_of_numpy_are_as_json_would_give_them(value: Any, expected: Any) -> None:
    pairs = read_pairs(_rows(meta=value))
    assert json.loads(pairs.frame["extra"][0]) == {"meta": expected}


@pytest.mark.parametrize("missing", [pd.NA, pd.NaT, None])
def test_what_pandas_has_for_a_missing_value_is_one(missing: Any) -> None:
    assert read_pairs(_rows(meta=missing)).frame["extra"][0] is None
    rows = _rows()
    rows[1]["chosen"] = missing
    pairs = read_pairs(rows, on_error="skip")
    assert pairs.rejected["reason"][0].startswith("the chosen answer is missing")


def test_messages_may_be_tuples_arrays_and_lists_of_fixed_size() -> None:
    messages = [
        {
            "prompt": published(row["prompt"], "user"),
            "chosen": published("a"),
            "rejected": published("b"),
        }
        for row in _rows()
    ]
    expected = read_pairs(messages).frame
    tuples = [{name: tuple(turns) for name, turns in row.items()} for row in messages]
    assert read_pairs(tuples).frame.equals(expected)
    arrays = [{n: np.array(turns, dtype=object) for n, turns in row.items()} for row in messages]
    assert read_pairs(arrays).frame.equals(expected)
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    table = pa.Table.from_pylist(messages)
    fixed = {name: table[name].cast(pa.list_(message, 1)) for name in table.column_names}
    assert read_pairs(pa.table(fixed)).frame.drop("source").equals(expected.drop("source"))
