"""The card of a run, by which `datasets` loads its folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from datasets import Features, load_dataset
from huggingface_hub import DatasetCard

from curate import Pairs, Pipeline
from curate.data.table import MESSAGES
from curate.write.card import _size_category
from curate.write.export import ExportTarget, export_pairs
from tests.curate.write.exports.round_trips import text_forms
from tests.curate.write.exports.test_axolotl import CALLS
from tests.helpers import numbered_pairs, turn, write_jsonl
from tests.pictures import picture


def test_another_run_of_the_same_name_is_loaded_anew(tmp_path: Path) -> None:
    counts = []
    for place, count in (("a", 3), ("b", 5), ("a", 4)):
        config = {"output": {"path": "curated"}, "store": None}
        out = tmp_path / place / "curated"
        Pipeline(config).run(Pairs(numbered_pairs(count)), output=out, overwrite=True)
        loaded = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
        counts.append(len(loaded))
    assert counts == [3, 5, 4]


def test_the_same_pairs_have_the_same_card(tmp_path: Path) -> None:
    cards = []
    for name in ("one", "two"):
        Pipeline({"store": None}).run(Pairs(numbered_pairs(3)), output=tmp_path / name / "out")
        cards.append((tmp_path / name / "out" / "README.md").read_text())
    assert cards[0] == cards[1]
    assert "checksum of the shards" in cards[0]


@pytest.mark.parametrize("name", [*text_forms(), "implicit"])
@pytest.mark.parametrize("splits", [None, {"train": 0.5, "test": 0.5}])
def test_the_card_states_columns_splits_and_sizes(
    name: str, splits: dict[str, float] | None, tmp_path: Path
) -> None:
    """As `datasets` finds them itself in the shards."""
    output = {"format": name, "splits": splits}
    if name == "implicit":
        output = {"prompt": "implicit", "splits": splits}
    Pipeline({"output": output}).run(Pairs(numbered_pairs(4)), output=tmp_path / "out")
    card = DatasetCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert card["size_categories"] == ["n<1K"]
    assert card["task_categories"]
    info, cache = card["dataset_info"], str(tmp_path / "cache")
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=cache)
    assert {s["name"]: s["num_examples"] for s in info["splits"]} == loaded.num_rows
    shards = str(tmp_path / "out" / "kept" / ("train" if splits else ""))
    features = load_dataset("parquet", data_dir=shards, split="train", cache_dir=cache).features
    assert info["features"] == features._to_yaml_list()
    assert Features._from_yaml_list(info["features"]) == loaded["train"].features


def test_the_card_states_parts_and_images(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(picture(seed=1))
    image_question = [{"type": "image"}, {"type": "text", "text": "What?"}]
    rows = [
        CALLS[0] | {"chat_template_kwargs": {"a": 1}, "images": ["red.png"]},
        CALLS[1] | {"prompt": [{"role": "user", "content": image_question}], "images": ["red.png"]},
    ]
    config = {
        "input": {"path": str(write_jsonl(tmp_path / "rows.jsonl", rows))},
        "output": {"media": "embed", "language": ["en"]},
    }
    Pipeline(config).run(output=tmp_path / "out")
    card = DatasetCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert card["language"] == ["en"]
    assert card["task_categories"] == ["image-text-to-text"]
    shards, cache = str(tmp_path / "out" / "kept"), str(tmp_path / "cache")
    features = load_dataset("parquet", data_dir=shards, split="train", cache_dir=cache).features
    assert card["dataset_info"]["features"] == features._to_yaml_list()
    assert load_dataset(str(tmp_path / "out"), split="train", cache_dir=cache)[0]["images"]


def test_languages_are_those_that_a_scorer_finds(tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    german = "Was ist die Hauptstadt von Frankreich, und wie viele Menschen wohnen dort heute?"
    pairs = numbered_pairs(4).with_columns(prompt=pl.lit(turn(german, "user"), dtype=MESSAGES))
    Pipeline({"scorers": [{"type": "language"}]}).run(Pairs(pairs), output=tmp_path / "run")
    card = DatasetCard.load(tmp_path / "run" / "README.md").data.to_dict()
    assert card["language"] == ["de"]
    export_pairs(tmp_path / "run", tmp_path / "out", ExportTarget("axolotl"))
    card = DatasetCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert card["language"] == ["de"]


@pytest.mark.parametrize(
    ("rows", "name"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**7, "10M<n<100M")]
)
def test_the_classes_of_sizes_are_the_hubs(rows: int, name: str) -> None:
    assert _size_category(rows) == name
