from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from curate import Pipeline, read_pairs
from curate.cli.app import app
from curate.derive.traces import mixing_weight
from tests.helpers import write_jsonl

ROWS = [
    {"prompt": "2 + 2?", "chosen": "<think>Add.</think>4", "rejected": "<think>Hm.</think>5"},
    {"prompt": "3 + 3?", "chosen": "<think>Add.</think>6", "rejected": "7"},
]


def test_the_mixing_weight_minimises_the_mean_squared_error() -> None:
    rng = np.random.default_rng(0)
    marginal = rng.normal(size=5)
    trace = marginal + rng.normal(scale=2.0, size=(400, 5))
    empty = marginal + 0.7 + rng.normal(scale=0.2, size=(400, 5))
    weights = np.linspace(0, 1, 1001)
    errors = [
        np.mean(np.sum((a * trace + (1 - a) * empty - marginal) ** 2, axis=1)) for a in weights
    ]
    best = mixing_weight(trace, empty, marginal)
    assert best == pytest.approx(weights[np.argmin(errors)], abs=1e-3)
    assert 0 < best < 0.5
    # A biased estimator without variance next to an exact one, and two that are the same.
    assert mixing_weight(np.full((3, 5), marginal), empty[:3], marginal) == 1.0
    assert mixing_weight(trace, trace, marginal) == 0.5


def test_pairs_are_written_with_and_without_their_traces(tmp_path: Path) -> None:
    data, out = write_jsonl(tmp_path / "d.jsonl", ROWS), tmp_path / "out"
    words = ["derive", str(data), "--from", "traces", "--trace-weight", "0.3", "-o", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "1 without a pair" in done.output
    run = Pipeline({"filters": [{"type": "reweight", "column": "extra.weight", "ceiling": 1}]}).run(
        str(out / "pairs")
    )
    rows = {json.loads(row["extra"])["trace"]: row for row in run.kept.to_dicts()}
    assert {trace: row["weight"] for trace, row in rows.items()} == {"kept": 0.3, "empty": 0.7}
    texts = {trace: row["chosen"][0]["content"] for trace, row in rows.items()}
    assert texts == {"kept": "<think>Add.</think>4", "empty": "<think>\n\n</think>\n\n4"}
    assert rows["empty"]["rejected"][0]["content"] == "<think>\n\n</think>\n\n5"
    assert len(read_pairs(str(out / "pairs"))) == 2
