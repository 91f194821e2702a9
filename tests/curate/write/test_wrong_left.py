"""A trainer gets a label smoothing where the share of wrong labels is known, and else a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from curate import Pipeline
from curate.steps.step_record import StepRecord
from curate.write.manifest import label_smoothing, remaining_noise
from tests.conftest import DATA

MEAN = 0.05


def steps(noise: dict[str, Any] | None, mean: float | None = MEAN) -> list[StepRecord]:
    """A scorer that tells this of the noise, a flip by its posterior, a drop by what is left."""
    scorer = {} if noise is None else {"noise": noise, "wrong_by_posterior": mean}
    flip = {"posterior": {"column": "label_em.posterior", "wrong_left": 0.04}, "flipped": 3}
    drop = {"posterior": {"column": "flip.posterior", "wrong_left": 0.031}}
    facts = {"label_em": scorer, "flip": flip, "drop_wrong": drop}
    return [StepRecord(name, "filter", 9, 9, 0.0, step_facts) for name, step_facts in facts.items()]


def noise(rate: float | None, low: float = 0.0, high: float = 0.3) -> dict[str, Any]:
    return {"rate": rate, "low": low, "high": high, "text": "as told"}


def test_a_posterior_of_the_users_own_is_believed() -> None:
    assert remaining_noise(steps(None)) == (0.031, None)
    assert label_smoothing(steps(None)) == 0.031


def test_where_labels_do_not_determine_the_rate_the_fit_does_not_either() -> None:
    share, reason = remaining_noise(steps(noise(None))) or (0.0, None)
    assert share == 0.031
    assert reason == "the labels do not determine it: as told"
    assert label_smoothing(steps(noise(None))) is None


def test_posteriors_must_agree_with_what_votes_tell() -> None:
    assert label_smoothing(steps(noise(0.05, 0.03, 0.08))) == 0.031
    _, reason = remaining_noise(steps(noise(0.2, 0.17, 0.23))) or (0.0, None)
    assert reason == "by its posteriors 5.0% of all labels are wrong, but as told"


def test_no_filter_by_a_posterior_leaves_nothing_to_tell() -> None:
    assert remaining_noise(steps(noise(None))[:1]) is None


def test_a_run_says_why_it_writes_none(tmp_path: Path) -> None:
    """Real labels, one vote each: a fit ends somewhere, and a trainer is not handed that."""
    config = {
        "input": {"path": str(DATA / "llama-factory-dpo")},
        "embedder": {"name": "static"},
        "scorers": [{"type": "label_em"}],
        "filters": [{"type": "drop_wrong"}],
        "store": None,
    }
    result = Pipeline(config).run(output=tmp_path / "out")
    (step,) = (step for step in result.steps if step.name == "drop_wrong")
    # A mean over what is not known: here mostly what was believed before any label was read.
    assert 0.05 < step.facts["posterior"]["wrong_left"] < 0.25
    assert any("no label smoothing is written" in text for text in result.warnings)
    settings = yaml.safe_load((tmp_path / "out" / "dpo_config.yaml").read_text())
    assert settings == {"loss_type": "sigmoid", "label_smoothing": 0.0}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "wrong labels that are left: no estimate" in card
