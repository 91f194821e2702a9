"""Real verdicts of gpt-3.5 and judged pairs on PandaLM's pairs, through `curate run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from curate.cli.app import app
from tests.helpers import write_jsonl

SLICE = Path(__file__).parents[2] / "data" / "pandalm" / "slice.json"
FLIPPED = 0.4
JUDGED = 50


def noisy_rows() -> tuple[list[dict[str, Any]], np.ndarray]:
    """The pairs with 40 % of the labels flipped, and which ones are.

    Each row holds the judge's verdict as scores of both answers; `expert` is right or wrong for the
    first fifty.
    """
    pairs = json.loads(SLICE.read_text(encoding="utf-8"))
    wrong = np.random.default_rng(0).random(len(pairs)) < FLIPPED
    rows = []
    for number, (pair, is_wrong) in enumerate(zip(pairs, wrong, strict=True)):
        chosen = pair["annotators"] if not is_wrong else 3 - pair["annotators"]
        row = {
            "prompt": f"{pair['instruction']}\n{pair['input']}",
            "chosen": pair[f"response{chosen}"],
            "rejected": pair[f"response{3 - chosen}"],
            "gpt_chosen": float(pair["gpt_3_5"] == str(chosen)),
            "gpt_rejected": float(pair["gpt_3_5"] == str(3 - chosen)),
        }
        if number < JUDGED:
            row["expert"] = "wrong" if is_wrong else "right"
        rows.append(row)
    return rows, wrong


def run(folder: Path, data: Path, scorer: dict[str, Any], **sections: Any) -> pl.DataFrame:
    config = {
        "input": {"path": str(data)},
        "embedder": {"name": "static"},
        "scorers": [{"type": "label_em", **scorer}],
        "output": {"path": str(folder / "run"), "report": False},
        "store": None,
        **sections,
    }
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = CliRunner().invoke(app, ["run", str(path), "--overwrite"])
    assert done.exit_code == 0, done.output
    return pl.read_parquet(folder / "run" / "scores.parquet")


def auroc(scores: pl.DataFrame, wrong: np.ndarray) -> float:
    """Of the pairs that nobody judged."""
    doubt = 1.0 - scores["label_em.posterior"].to_numpy()
    return float(roc_auc_score(wrong[JUDGED:], doubt[JUDGED:]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "rows.jsonl", noisy_rows()[0])


def test_a_judge_in_the_file_finds_wrong_labels(tmp_path: Path, data: Path) -> None:
    wrong = noisy_rows()[1]
    alone = auroc(run(tmp_path, data, {"evidence": []}), wrong)
    judge = auroc(
        run(tmp_path, data, {"evidence": ["extra.gpt_chosen - extra.gpt_rejected"]}), wrong
    )
    assert judge > alone + 0.05
    assert judge > 0.8


def test_judged_pairs_get_their_verdict_and_are_acted_on(tmp_path: Path, data: Path) -> None:
    wrong = noisy_rows()[1]
    gold = {"gold": {"column": "extra.expert"}}
    filters = {"filters": [{"type": "flip"}]}
    scores = run(tmp_path, data, {"evidence": []}, **gold, **filters)
    posterior = scores["label_em.posterior"].to_numpy()
    np.testing.assert_allclose(posterior[:JUDGED], 1.0 - wrong[:JUDGED], atol=1e-6)
    assert scores["gold.judged"][:JUDGED].to_list() == [
        "wrong" if is_wrong else "right" for is_wrong in wrong[:JUDGED]
    ]
    # The filter flips what was judged wrong.
    flipped = pl.read_parquet(tmp_path / "run" / "scores.parquet", columns=["flip.flipped"])
    assert flipped["flip.flipped"][:JUDGED].to_list() == wrong[:JUDGED].tolist()
