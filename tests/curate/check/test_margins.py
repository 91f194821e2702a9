"""Margins of implicit rewards, by hand from the rewards of a run on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import Pipeline
from curate.check.margins import measure_margins
from curate.cli.app import app
from curate.read.pairs import Pairs
from curate.write.run_files import RunFiles
from tests.curate.models.lm.test_answer_logprobs import random_pairs

GAMMA = 6.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Path, tiny_other: Path) -> RunFiles:
    """A run that flips some labels after two steps saw them."""
    policy = {"type": "implicit_reward", "policy": str(tiny)}
    config = {
        "scorers": [
            policy | {"reference": str(tiny_other), "name": "dpo"},
            policy | {"loss": "simpo", "gamma": GAMMA, "name": "simpo"},
        ],
        "filters": [{"type": "flip_where", "condition": "`simpo.margin` < 0"}],
        "output": {"report": False},
        "inference": {"device": "cpu"},
        "store": None,
    }
    folder = tmp_path_factory.mktemp("margins") / "run"
    Pipeline(config).run(Pairs(random_pairs(12)), output=folder)
    return RunFiles(folder)


def test_margins_are_those_of_the_labels_that_the_run_kept(run: RunFiles) -> None:
    dpo, simpo = measure_margins(run)
    scores = run.scores()
    margin = scores["simpo.margin"].to_numpy()
    assert 0 < (margin < 0).sum() < 12
    assert simpo.above_zero == 1.0
    quantiles = np.quantile(np.abs(margin), [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(simpo.quantiles, quantiles)
    turned = np.where(margin < 0, -1, 1) * scores["dpo.margin"].to_numpy()
    np.testing.assert_allclose(dpo.quantiles[2], np.median(turned), atol=1e-6)
    assert (dpo.pairs, dpo.loss, dpo.gamma, dpo.by_chosen_alone) == (12, "dpo", 0.0, None)


def test_the_chosen_answer_alone_reaches_what_the_rejected_one_leaves(run: RunFiles) -> None:
    simpo = measure_margins(run)[1]
    sides = run.scores().select(low=pl.min_horizontal("simpo.chosen", "simpo.rejected"))["low"]
    assert simpo.by_chosen_alone == pytest.approx((sides <= -GAMMA).mean())
    assert simpo.reached == (run.scores()["simpo.margin"].abs() >= GAMMA).mean()
    assert simpo.reached < simpo.by_chosen_alone


def test_the_command_shows_them(run: RunFiles, tiny: Path) -> None:
    arguments = ["check", str(run.folder), "--model", str(tiny)]
    text = CliRunner().invoke(app, arguments).output
    assert "simpo (simpo)" in text
    assert "reach gamma" in " ".join(text.split())
    margins = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)["margins"]
    assert [m["name"] for m in margins] == ["dpo", "simpo"]
    assert list(margins[1]["quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]


def test_a_run_without_such_a_step_has_none(tmp_path: Path) -> None:
    config = {"scorers": [{"type": "lengths"}], "output": {"report": False}, "store": None}
    Pipeline(config).run(Pairs(random_pairs(3)), output=tmp_path / "run")
    assert measure_margins(RunFiles(tmp_path / "run")) == ()


def test_a_run_that_kept_nothing_has_none(run: RunFiles, tmp_path: Path) -> None:
    config = run.manifest.config | {
        "filters": [{"type": "expression", "keep": "`simpo.margin` > 1e9"}]
    }
    Pipeline(config).run(Pairs(random_pairs(2)), output=tmp_path / "run")
    assert measure_margins(RunFiles(tmp_path / "run")) == ()
