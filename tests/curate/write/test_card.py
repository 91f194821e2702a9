"""The card of a run, by which `datasets` loads its folder."""

from __future__ import annotations

from pathlib import Path

from datasets import load_dataset

from curate import Pairs, Pipeline
from tests.helpers import numbered_pairs


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
