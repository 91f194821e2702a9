"""`curate bench --train` in a terminal, and the example with TRL as the page shows it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate import read_pairs
from curate.benchmark.training.bench_training import TrainingOptions, bench_training
from curate.benchmark.training.trainer import TrainingJob
from curate.cli.app import app
from tests.helpers import PANDALM_SAMPLE, write_jsonl
from tests.models import tiny_causal

PAGE = Path(__file__).parents[4] / "docs" / "guides" / "training-bench.md"
SCRIPT = """\
import json, sys
data, seed, out = sys.argv[1:]
json.dump({"loss": 1.0 if "keep-all" in data else 0.5 + 0.01 * int(seed)}, open(out + "/m", "w"))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{n}?", "chosen": f"{n}.", "rejected": "?"} for n in range(40)]
    write_jsonl(tmp_path / "prefs.jsonl", rows)
    (tmp_path / "t.py").write_text(SCRIPT)
    filters = "filters: [{type: quantile, column: lengths.chosen, keep: 0.5}]\n"
    (tmp_path / "half.yaml").write_text("scorers: [{type: lengths}]\n" + filters)
    return tmp_path


TRAIN = ["--train", f"{sys.executable} t.py {{data}} {{seed}} {{out}}", "--metric", "{out}/m:loss"]


def test_a_bench_by_training_in_a_terminal(folder: Path) -> None:
    words = ["bench", "prefs.jsonl", *TRAIN, "--variant", "half.yaml", "--runs", "6"]
    result = CliRunner().invoke(app, [*words, "--lower-is-better"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Use 'half': it gains +0.49" in " ".join(result.output.split())
    assert "column: lengths.chosen" in result.output
    report = json.loads((folder / "prefs-trained" / "training.json").read_text())
    assert report["advice"] == "half"
    assert len(report["runs"]) == 6


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--variant", "half.yaml"], "the option needs --train"),
        (["--to", "axolotl"], "the option needs --train"),
        (TRAIN[:2], "--train needs a metric"),
        ([*TRAIN, "--recipes", "all"], "cannot be used with --train"),
        ([*TRAIN, "--seeds", "2"], "too few seeds"),
        ([*TRAIN, "--runs", "5"], "too few runs"),
        ([*TRAIN, "prefs.jsonl"], "--train takes one dataset"),
    ],
)
def test_options_that_do_not_belong_together(folder: Path, words: list[str], expected: str) -> None:
    result = CliRunner().invoke(app, ["bench", "prefs.jsonl", *words])
    assert expected in str(result.exception)
    assert not (folder / "prefs-trained").exists()


@pytest.mark.slow
def test_the_example_with_trl_runs(tmp_path: Path) -> None:
    """As the page shows it, but for a tiny model and two steps."""
    pytest.importorskip("trl")
    (body,) = re.findall(r"<!-- trains[^\n]*\n```python\n(.*?)\n```", PAGE.read_text(), re.S)
    name = '"HuggingFaceTB/SmolLM2-135M-Instruct"'
    assert name in body
    script = body.replace(name, repr(str(tiny_causal(tmp_path / "model"))))
    assert "max_steps=200" in script
    space: dict[str, object] = {"__name__": "train_dpo"}
    exec(compile(script.replace("max_steps=200", "use_cpu=True, max_steps=2"), "x", "exec"), space)

    def train(job: TrainingJob) -> float:
        folders = ["--data", job.data, "--eval", job.held_out, "--out", job.output]
        space["main"]([str(word) for word in (*folders, "--seed", job.seed)])  # type: ignore[operator]
        metrics: dict[str, float] = json.loads((job.output / "eval.json").read_text())
        return metrics["accuracy"]

    pairs = read_pairs(str(PANDALM_SAMPLE), limit=60)
    options = TrainingOptions(variants=("drop 20 %",), seeds=3, holds_out=True)
    report = bench_training(pairs, train, tmp_path / "bench", options)
    assert report.is_complete
    assert len(report.runs) == 6
    assert all(0.0 <= run.metric <= 1.0 for run in report.runs)
