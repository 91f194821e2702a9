"""The form of diffusers' DPO: what its trainer decodes is what the pairs hold."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from PIL import Image

from curate import CurateError, Pipeline, read_pairs
from curate.data.table import PAIR_COLUMNS
from curate.write.export import ExportTarget, export_pairs
from tests.helpers import read_rows, trl_rows, write_jsonl
from tests.pictures import picture


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "caption": f"cat {i}",
            "jpg_0": picture(seed=2 * i),
            "jpg_1": picture(seed=2 * i + 1),
            "label_0": float(i % 2),
        }
        for i in range(count)
    ]


def test_shards_read_back_as_the_same_pairs_and_load_for_the_trainer(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows(6)), tmp_path / "pairs.parquet")
    config = {
        "input": {"path": str(tmp_path / "pairs.parquet")},
        "scorers": [{"type": "media_health"}],
        "filters": [{"type": "threshold", "column": "media_health.damaged", "max": 0}],
        "output": {"format": "diffusers"},
        "store": None,
    }
    result = Pipeline(config).run(output=tmp_path / "out")
    back = read_pairs(str(tmp_path / "out" / "kept"))
    assert back.format == "image_pairs"
    kept_pairs = result.kept
    for column in ("images", "rejected_images", "prompt", "chosen", "rejected"):
        assert back.frame[column].to_list() == kept_pairs[column].to_list()
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    first = loaded[0]
    # As train_diffusion_dpo.py: images from bytes, swapped where the label is 0.
    images = [Image.open(io.BytesIO(first[c])).convert("RGB") for c in ("jpg_0", "jpg_1")]
    assert first["label_0"] == 1.0
    source_image = Image.open(io.BytesIO(kept_pairs["images"][0][0]["bytes"])).convert("RGB")
    assert (np.asarray(images[0]) == np.asarray(source_image)).all()


def test_files_of_the_datas_folder_are_read(tmp_path: Path) -> None:
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(picture(seed=i))
    row = {"prompt": "p", "image_path": ["0.png", "1.png"], "human_preference": [0, 1]}
    source = write_jsonl(tmp_path / "train.jsonl", [row])
    export_pairs(str(source), tmp_path / "out", ExportTarget("diffusers"))
    back = read_pairs(str(tmp_path / "out" / "kept")).frame
    assert back["images"][0][0]["bytes"] == picture(seed=1)
    (tmp_path / "1.png").unlink()
    with pytest.raises(CurateError, match="cannot write an image") as error:
        export_pairs(str(source), tmp_path / "again", ExportTarget("diffusers"))
    assert "1.png: not found beside the data" in str(error.value)


def test_pairs_of_texts_are_refused(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", trl_rows(2))
    with pytest.raises(CurateError, match="one image each"):
        export_pairs(str(source), tmp_path / "out", ExportTarget("diffusers"))


def test_json_lines_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows(2)), tmp_path / "pairs.parquet")
    target = ExportTarget("diffusers", "jsonl")
    with pytest.raises(CurateError, match="JSON cannot store"):
        export_pairs(str(tmp_path / "pairs.parquet"), tmp_path / "out", target)


def test_an_edited_picture_has_no_place(tmp_path: Path) -> None:
    edited = [row | {"image": {"bytes": picture(seed=9), "path": None}} for row in rows(2)]
    read_rows(tmp_path, edited, "parquet")
    with pytest.raises(CurateError, match="one image each"):
        export_pairs(str(tmp_path / "rows.parquet"), tmp_path / "out", ExportTarget("diffusers"))


def test_curates_own_table_keeps_media_of_answers(tmp_path: Path) -> None:
    read_rows(tmp_path, rows(3), "parquet")
    source = str(tmp_path / "rows.parquet")
    export_pairs(source, tmp_path / "out", ExportTarget("pairs"))
    back, source_pairs = read_pairs(str(tmp_path / "out" / "kept")).frame, read_pairs(source).frame
    assert back.select(list(PAIR_COLUMNS)).equals(source_pairs.select(list(PAIR_COLUMNS)))
