"""Answers about images in TRL's own form: its trainer for vision models takes a step on them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from curate import Pipeline
from tests.media_models import tiny_llava
from tests.pictures import picture


@pytest.mark.filterwarnings("ignore")
def test_trl_trains_a_vision_model_on_curated_pairs(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import DPOConfig, DPOTrainer

    rows = [
        {
            "image": {"bytes": picture(seed=i), "path": None},
            "question": f"what is {i}?",
            "chosen": f"a cat {i}.",
            "rejected": f"a dog {i}.",
        }
        for i in range(4)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    config = {
        "input": {"path": str(tmp_path / "rows.parquet")},
        "scorers": [{"type": "media_health"}],
        "store": None,
    }
    Pipeline(config).run(output=tmp_path / "out")
    data = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert data[0]["images"][0].size == (64, 64)
    folder = tiny_llava(tmp_path / "llava")
    args = DPOConfig(
        output_dir=str(tmp_path / "log"),
        per_device_train_batch_size=2,
        max_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        max_length=None,
    )
    trainer = DPOTrainer(
        model=AutoModelForImageTextToText.from_pretrained(folder),
        args=args,
        train_dataset=data.select_columns(["prompt", "chosen", "rejected", "images"]),
        processing_class=AutoProcessor.from_pretrained(folder),
    )
    assert trainer.train().training_loss > 0
