"""Soft labels and signed weights: their losses and gradients against autograd and naive loops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional

from curate import CurateError, Pairs, Pipeline
from curate.filters.signed_weights import SignedWeights
from curate.filters.soft_labels import SoftLabels
from curate.steps.context import Context
from curate.steps.contracts import Column, Filter, Parameters, Scorer
from tests.helpers import numbered_pairs, turn

POSTERIOR = [0.9, 0.2, None, 0.5, 0.0, 1.0]
MEAN = float(np.mean([0.9, 0.2, 0.5, 0.0, 1.0]))
PAIRS = numbered_pairs(6).with_columns(pl.Series("label_em.posterior", POSTERIOR))

LOSSES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "logistic": lambda m: -functional.logsigmoid(m),
    "hinge": lambda m: torch.relu(1.0 - m),
    "ipo": lambda m: (m - 0.5) ** 2,
    "linear": lambda m: 2.0 - 0.7 * m,
}


def added(step: Filter[Any], pairs: pl.DataFrame = PAIRS) -> pl.DataFrame:
    columns = step.apply(pairs, Context()).added
    assert columns is not None
    return columns


def gradient(loss: Callable[[torch.Tensor], torch.Tensor], margin: torch.Tensor) -> torch.Tensor:
    """d loss / d margin, of a sum over pairs."""
    leaf = margin.clone().requires_grad_()
    loss(leaf).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def both_gradients(name: str, margin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return gradients of the `soft_labels` loss and of the `signed_weights` loss."""
    right = torch.from_numpy(added(SoftLabels())["label_probability"].to_numpy().copy())
    columns = added(SignedWeights(mean_one=False))
    weight = torch.from_numpy(columns["weight"].to_numpy().copy())
    sign = torch.from_numpy(1.0 - 2.0 * columns["flipped"].cast(pl.Float64).to_numpy())
    one = LOSSES[name]
    soft = gradient(lambda m: right * one(m) + (1.0 - right) * one(-m), margin)
    return soft, gradient(lambda m: weight * one(sign * m), margin)


@pytest.mark.parametrize("name", LOSSES)
def test_signed_weights_have_the_soft_labels_gradient_at_a_margin_of_0(name: str) -> None:
    soft, signed = both_gradients(name, torch.zeros(6, dtype=torch.float64))
    assert torch.allclose(soft, signed, atol=1e-12)
    assert soft.abs().max() > 0.1


@pytest.mark.parametrize("name", ["linear", "hinge"])
def test_where_the_loss_is_linear_gradients_are_equal_at_every_margin(name: str) -> None:
    margin = torch.tensor([0.9, -0.3, 0.5, -0.8, 0.2, 0.7], dtype=torch.float64)
    soft, signed = both_gradients(name, margin)
    assert torch.allclose(soft, signed, atol=1e-12)


def test_the_two_sided_loss_is_the_mean_over_labels_drawn_by_their_probability() -> None:
    """p L(m) + (1 - p) L(-m), by a loop over both labels of each pair in float64."""
    rng = np.random.default_rng(0)
    margin = rng.normal(size=6)
    right = added(SoftLabels())["label_probability"].to_list()
    naive = 0.0
    for p, m in zip(right, margin, strict=True):
        for label, probability in ((1.0, p), (-1.0, 1.0 - p)):
            naive += probability * float(np.log1p(np.exp(-label * m)))
    tensor = torch.from_numpy(margin)
    p = torch.tensor(right, dtype=torch.float64)
    soft = -p * functional.logsigmoid(tensor) - (1.0 - p) * functional.logsigmoid(-tensor)
    assert float(soft.sum()) == pytest.approx(naive, abs=1e-12)


def test_soft_labels_change_no_label_and_fill_gaps_with_the_mean() -> None:
    verdict = SoftLabels().apply(PAIRS, Context())
    assert verdict.keep.all()
    assert verdict.changed is None
    probabilities = added(SoftLabels())["label_probability"].to_list()
    assert probabilities == pytest.approx([0.9, 0.2, MEAN, 0.5, 0.0, 1.0])


def test_signed_weights_flip_what_is_likely_wrong_and_weigh_by_certainty() -> None:
    context = Context()
    verdict = SignedWeights(mean_one=False).apply(PAIRS, context)
    assert verdict.keep.all()
    assert verdict.added is not None
    assert verdict.changed is not None
    certainty = [0.8, 0.6, abs(2 * MEAN - 1), 0.0, 1.0, 1.0]
    assert verdict.added["weight"].to_list() == pytest.approx(certainty)
    assert verdict.added["flipped"].to_list() == [False, True, False, False, True, False]
    assert verdict.added["posterior"].to_list() == pytest.approx([0.9, 0.8, MEAN, 0.5, 1.0, 1.0])
    assert verdict.changed["chosen"].to_list()[:2] == [turn("good 0"), turn("evil 1")]
    assert json.loads(verdict.changed["extra"][1]) == {"flipped": True}
    assert context.facts["flipped"] == 2
    assert context.facts["mean_certainty"] == pytest.approx(np.mean(certainty), abs=1e-4)


def test_weights_of_mean_1_keep_the_size_of_an_epoch() -> None:
    weights = added(SignedWeights())["weight"].to_numpy()
    certainty = added(SignedWeights(mean_one=False))["weight"].to_numpy()
    assert weights.mean() == pytest.approx(1.0)
    assert weights == pytest.approx(certainty / certainty.mean())


@pytest.mark.parametrize("value", [None, 0.5])
def test_a_posterior_that_knows_nothing_never_ends_in_a_division_by_0(value: float | None) -> None:
    """All unknown: labels as they are. All even: no label is worth anything, and none is NaN."""
    pairs = PAIRS.with_columns(pl.lit(value, dtype=pl.Float64).alias("label_em.posterior"))
    weights = added(SignedWeights(), pairs)["weight"].to_list()
    assert weights == [1.0 if value is None else 0.0] * 6


class GivenPosterior(Scorer[Parameters]):
    """A posterior that falls with the position."""

    name = "given"
    summary = "for tests"
    learned: ClassVar[bool] = True
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        return (Column("posterior", "given"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        return pairs.select(posterior=1.0 - pl.int_range(pl.len()) / pl.len())


def pipeline(monkeypatch: pytest.MonkeyPatch, *filters: dict[str, Any]) -> Pipeline:
    monkeypatch.setattr("curate.pipeline.plan.scorer_class", lambda name, where: GivenPosterior)
    return Pipeline({"scorers": [{"type": "given"}], "filters": list(filters), "store": None})


SOFT = {"type": "soft_labels", "column": "given.posterior"}
SIGNED = {"type": "signed_weights", "column": "given.posterior"}


def test_a_run_hands_the_probability_of_each_label_to_the_trainer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = pipeline(monkeypatch, SOFT, {"type": "sample", "rows": 6})
    result = run.run(Pairs(numbered_pairs(10)), output=tmp_path / "out")
    posterior = result.kept.select("pair_id").join(result.scores, on="pair_id", how="left")
    assert result.kept["label_probability"].to_list() == posterior["given.posterior"].to_list()
    assert len(result.kept) == 6


def test_the_posterior_of_a_flipped_label_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    soft = {"type": "soft_labels", "column": "signed_weights.posterior"}
    result = pipeline(monkeypatch, SIGNED, soft).run(Pairs(numbered_pairs(10)))
    expected = [max(1 - i / 10, i / 10) for i in range(10)]
    assert result.kept["label_probability"].to_list() == pytest.approx(expected)


def test_labels_are_not_flipped_behind_their_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CurateError, match="flipped after their probability") as refused:
        pipeline(monkeypatch, SOFT, SIGNED)
    assert "move 'soft_labels' after 'signed_weights'" in str(refused.value)


def test_a_posterior_of_labels_before_a_flip_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    drop = {"type": "drop_wrong", "column": "given.posterior"}
    (notice,) = pipeline(monkeypatch, SIGNED, drop).plan.notices()
    assert "read signed_weights.posterior instead" in notice
    current = drop | {"column": "signed_weights.posterior"}
    assert pipeline(monkeypatch, SIGNED, current).plan.notices() == []
    assert pipeline(monkeypatch, drop, SIGNED).plan.notices() == []
    again = {"type": "flip", "column": "signed_weights.posterior"}
    assert "flip.posterior" in pipeline(monkeypatch, SIGNED, again, current).plan.notices()[0]


def test_scores_of_labels_before_a_flip_are_told_whatever_filter_reads_them() -> None:
    """A rank by suspicion behind the flip would drop the very labels that were mended."""
    scorers = [{"type": "noise_score"}, {"type": "label_em"}, {"type": "lengths"}]
    criteria = {"noise_score.score": "min", "lengths.difference": "max"}
    rank = {"type": "topsis", "keep": 0.9, "criteria": criteria}
    config = {"scorers": scorers, "filters": [{"type": "signed_weights"}, rank]}
    (notice,) = Pipeline(config).plan.notices()
    assert notice.startswith("'topsis' reads noise_score.score of labels before 'signed_weights'")
    assert Pipeline(config | {"filters": [rank, {"type": "signed_weights"}]}).plan.notices() == []
