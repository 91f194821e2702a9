"""Filters that act on the posterior: drop, flip, reweight."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from curate import Pairs, Pipeline
from curate.filters.drop_wrong import DropWrong, most_informative_threshold
from curate.filters.flip import Flip
from curate.filters.reweight import Reweight
from curate.steps.context import Context
from curate.steps.contracts import Column, Parameters, Scorer
from tests.helpers import numbered_pairs, published, turn

PAIRS = numbered_pairs(4).with_columns(
    pl.Series("label_em.posterior", [0.9, 0.2, None, 0.5]),
    extra=pl.Series(['{"a": 1}', '{"a": 1}', None, None]),
)


def test_drop_wrong_keeps_what_is_unknown_and_tells_the_noise_that_is_left() -> None:
    context = Context()
    result = DropWrong().apply(PAIRS, context)
    assert result.keep.to_list() == [True, False, True, True]
    assert result.reason[1] == "label right with probability 0.2"
    expected_noise = {"column": "label_em.posterior", "wrong_left": pytest.approx((0.1 + 0.5) / 2)}
    assert context.facts["posterior"] == expected_noise


def keep_best_information(right: list[float]) -> float:
    """The information of the best set to keep, by trying all that are allowed."""
    best, expected_wrong = 0.0, sum(1 - p for p in right)
    for subset in range(2 ** len(right)):
        some = [p for k, p in enumerate(right) if subset >> k & 1]
        if some and min(some) >= 0.5 and len(right) - len(some) <= expected_wrong:
            best = max(best, sum(2 * p - 1 for p in some) ** 2 / len(some))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_threshold_keeps_what_says_most(seed: int) -> None:
    right = np.random.default_rng(seed).beta(4.0, 1.0, 9).round(2)
    chosen = right[right >= most_informative_threshold(right)]
    information = (2 * chosen - 1).sum() ** 2 / len(chosen)
    assert information == pytest.approx(keep_best_information(right.tolist()))


def test_a_threshold_never_drops_more_than_is_expected_to_be_wrong() -> None:
    rng = np.random.default_rng(0)
    right = np.concatenate([rng.uniform(0.5, 0.6, 300), rng.uniform(0.95, 1.0, 300)])
    dropped = right < most_informative_threshold(right)
    assert 100 < dropped.sum() <= (1 - right).sum()
    # What is likelier wrong than right goes in any case.
    assert most_informative_threshold(np.array([0.45] * 8 + [0.9])) >= 0.5
    assert most_informative_threshold(np.full(5, 0.2)) == 0.5
    assert most_informative_threshold(np.zeros(0)) == 0.5


def test_labels_that_nothing_separates_are_all_kept() -> None:
    same_posterior = PAIRS.with_columns(pl.Series("label_em.posterior", [0.7] * 4))
    assert DropWrong().apply(same_posterior, Context()).keep.all()
    context = Context()
    assert DropWrong(below=0.8).apply(same_posterior, context).keep.sum() == 0
    assert "below" not in context.facts


def test_flip_exchanges_answers_and_marks_extra() -> None:
    context = Context()
    result = Flip().apply(PAIRS, context)
    assert result.keep.all()
    assert result.changed is not None
    assert result.changed["chosen"].to_list()[:2] == [turn("good 0"), turn("evil 1")]
    assert result.changed["rejected"].to_list()[1] == turn("good 1")
    assert json.loads(result.changed["extra"][1]) == {"a": 1, "flipped": True}
    assert json.loads(result.changed["extra"][0]) == {"a": 1}
    expected_noise = {"wrong_left": pytest.approx((0.1 + 0.2 + 0.5) / 3, abs=1e-4)}
    assert context.facts == {
        "posterior": {"column": "label_em.posterior"} | expected_noise,
        "flipped": 1,
    }


def test_reweight_has_a_floor_and_1_where_nothing_is_known() -> None:
    result = Reweight(floor=0.3).apply(PAIRS, Context())
    assert result.added is not None
    assert result.added["weight"].to_list() == [0.9, 0.3, 1.0, 0.5]


class Given(Scorer[Parameters]):
    """A posterior that falls with the position."""

    name = "given"
    summary = "for tests"
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        return (Column("posterior", "given"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        return pairs.select(posterior=1.0 - pl.int_range(pl.len()) / pl.len())


def test_a_run_with_transforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flipped pairs are kept as flipped, dropped ones as read; weights go to the trainer."""
    monkeypatch.setattr("curate.pipeline.plan.scorer_class", lambda name, where: Given)
    column = {"column": "given.posterior"}
    pipeline = Pipeline(
        {
            "scorers": [{"type": "given"}],
            "filters": [
                {"type": "flip", **column},
                {"type": "reweight", "column": "flip.posterior", "floor": 0.65},
                {"type": "drop_wrong", **column, "below": 0.15},
            ],
            "output": {"weights": "column"},
        }
    )
    pairs = numbered_pairs(10)
    result = pipeline.run(Pairs(pairs), output=tmp_path / "out")
    kept_pairs = pl.read_parquet(tmp_path / "out" / "kept" / "*.parquet")
    assert kept_pairs.columns == ["prompt", "chosen", "rejected", "pair_id", "weight"]
    assert kept_pairs["chosen"].to_list()[5:7] == [published("good 5"), published("evil 6")]
    assert kept_pairs["weight"].to_list() == pytest.approx(
        [1, 0.9, 0.8, 0.7, 0.65, 0.65, 0.65, 0.7, 0.8]
    )
    assert result.dropped["chosen"].to_list() == [turn("good 9")]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    facts = {step["name"]: step["facts"] for step in manifest["steps"]}
    assert facts["flip"]["flipped"] == 4
    # The posterior is the user's own: what it says is left is believed.
    noise_remaining = facts["drop_wrong"]["posterior"]["wrong_left"]
    trainer_config = yaml.safe_load((tmp_path / "out" / "dpo_config.yaml").read_text())
    assert trainer_config == {"loss_type": "robust", "label_smoothing": noise_remaining}
    assert 0 < noise_remaining < 0.5
