"""TRL's trainers with weights: the loss of a naive loop, and steps on a tiny model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from curate.errors import CurateError
from curate.trl import WeightedDPOTrainer, WeightedRewardTrainer, two_sided
from curate.write.as_dataset import to_dataset
from curate.write.exports import get_export
from curate.write.weighing import resolve_weighing
from tests.helpers import numbered_pairs
from tests.models import tiny_causal, tiny_classifier

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 4
WEIGHTS = [0.0, 0.5, 1.0, 2.5]
RIGHT = [0.9, 0.6, 0.75, 1.0]
BETA = 0.3


def softplus(value: float) -> float:
    return math.log1p(math.exp(-abs(value))) + max(value, 0.0)


def naive_loss(
    margins: list[float], *, robust: bool = False, taken_off: list[float] | None = None
) -> float:
    """The mean over rows of the two-sided loss, term by term."""
    total = 0.0
    for row, margin in enumerate(margins):
        off = 0.0 if taken_off is None else taken_off[row]
        weight, right = WEIGHTS[row], RIGHT[row]
        written, other = softplus(off - margin), softplus(off + margin)
        if robust:
            total += weight * (right * written - (1 - right) * other) / (2 * right - 1)
        else:
            total += weight * (right * written + (1 - right) * other)
    return total / len(margins)


def data(form: str = "trl", **columns: Any) -> Any:
    pairs = numbered_pairs(ROWS).with_columns(
        weight=pl.Series(WEIGHTS), label_probability=pl.Series(RIGHT), **columns
    )
    return to_dataset(pairs, form, weighing=resolve_weighing(get_export(form), "column"))


def settings(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "log"),
        "per_device_train_batch_size": ROWS,
        "max_steps": 2,
        "learning_rate": 1e-2,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
    }


def dpo(folder: Path, rows: Any = None, robust: bool = False, **changes: Any) -> WeightedDPOTrainer:
    from trl import DPOConfig

    place = tiny_causal(folder / "model")
    trainer = WeightedDPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(place),
        ref_model=AutoModelForCausalLM.from_pretrained(place),
        args=DPOConfig(**settings(folder), beta=BETA, **changes),
        train_dataset=data() if rows is None else rows,
        processing_class=AutoTokenizer.from_pretrained(place),
        robust=robust,
    )
    # A policy that is no longer its reference, so that margins are not 0.
    torch.manual_seed(1)
    with torch.no_grad():
        for values in trainer.model.parameters():
            values.add_(torch.randn_like(values), alpha=0.05)
    return trainer


def reward(folder: Path, form: str = "trl", robust: bool = False) -> WeightedRewardTrainer:
    from trl import RewardConfig

    place = tiny_classifier(folder / "model")
    strength = pl.Series([0.5, 1.0, 0.0, 2.0], dtype=pl.Float32)
    return WeightedRewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(place),
        args=RewardConfig(**settings(folder)),
        train_dataset=data(form, strength=strength),
        processing_class=AutoTokenizer.from_pretrained(place),
        robust=robust,
    )


def batch_of(trainer: Any) -> dict[str, Any]:
    trainer._set_signature_columns_if_needed()
    columns = [c for c in trainer._signature_columns if c in trainer.train_dataset.column_names]
    rows = trainer.train_dataset.select_columns(columns)
    return dict(trainer.data_collator([rows[i] for i in range(ROWS)]))


def loss_and_gradient(trainer: Any) -> tuple[float, np.ndarray[Any, Any]]:
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch_of(trainer))
    trainer.model.zero_grad()
    loss.backward()
    parameter = next(p for n, p in trainer.model.named_parameters() if "q_proj" in n)
    return float(loss.detach()), parameter.grad.double().numpy().copy()


def log_probability(model: Any, prompt: list[int], answer: list[int]) -> torch.Tensor:
    logits = model(torch.tensor([prompt + answer])).logits[0].double()
    total = torch.zeros((), dtype=torch.float64)
    for place, token in enumerate(answer, start=len(prompt)):
        total = total + torch.log_softmax(logits[place - 1], dim=-1)[token]
    return total


def dpo_margins(trainer: Any) -> list[torch.Tensor]:
    policy, reference = trainer.model.double(), trainer.ref_model.double()
    margins = []
    for row in trainer.train_dataset:
        ratios = []
        for side in ("chosen_ids", "rejected_ids"):
            policy_log_probability = log_probability(policy, row["prompt_ids"], row[side])
            ratios.append(
                policy_log_probability
                - log_probability(reference, row["prompt_ids"], row[side]).detach()
            )
        margins.append(BETA * (ratios[0] - ratios[1]))
    return margins


def reward_margins(trainer: Any) -> list[torch.Tensor]:
    model = trainer.model.double()
    return [
        model(torch.tensor([row["chosen_ids"]])).logits[0, 0]
        - model(torch.tensor([row["rejected_ids"]])).logits[0, 0]
        for row in trainer.train_dataset
    ]


def naive_gradient(trainer: Any, margins: list[torch.Tensor], robust: bool) -> np.ndarray[Any, Any]:
    """Slope of the naive loss at each margin, by differences, times the margin's own gradient."""
    parameter = next(p for n, p in trainer.model.named_parameters() if "q_proj" in n)
    values, step = [float(m.detach()) for m in margins], 1e-6
    total = np.zeros(parameter.shape)
    for row, margin in enumerate(margins):
        sides = []
        for sign in (1, -1):
            moved = list(values)
            moved[row] += sign * step
            sides.append(naive_loss(moved, robust=robust))
        slope = (sides[0] - sides[1]) / (2 * step)
        (margin_gradient,) = torch.autograd.grad(margin, parameter, retain_graph=True)
        total += slope * margin_gradient.numpy()
    return total


@pytest.mark.parametrize("robust", [False, True])
def test_dpo_has_the_loss_and_gradient_of_a_naive_loop(robust: bool, tmp_path: Path) -> None:
    trainer = dpo(tmp_path, robust=robust)
    loss, gradient = loss_and_gradient(trainer)
    margins = dpo_margins(trainer)
    assert max(abs(float(m.detach())) for m in margins) > 0.05
    assert loss == pytest.approx(naive_loss([float(m) for m in margins], robust=robust), rel=1e-5)
    expected = naive_gradient(trainer, margins, robust)
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("robust", [False, True])
def test_reward_has_the_loss_and_gradient_of_a_naive_loop(robust: bool, tmp_path: Path) -> None:
    trainer = reward(tmp_path, robust=robust)
    loss, gradient = loss_and_gradient(trainer)
    margins = reward_margins(trainer)
    assert loss == pytest.approx(naive_loss([float(m) for m in margins], robust=robust), rel=1e-5)
    expected = naive_gradient(trainer, margins, robust)
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


def test_the_other_label_has_the_margin_of_the_data_too(tmp_path: Path) -> None:
    trainer = reward(tmp_path, form="trl_reward")
    loss, _ = loss_and_gradient(trainer)
    margins = [float(m) for m in reward_margins(trainer)]
    taken_off = [float(m) for m in trainer.train_dataset["margin"]]
    assert max(taken_off) == 2.0
    assert loss == pytest.approx(naive_loss(margins, taken_off=taken_off), rel=1e-5)


@pytest.mark.parametrize("make", [dpo, reward])
def test_training_steps_change_the_model(make: Any, tmp_path: Path) -> None:
    trainer = make(tmp_path)
    before = [p.detach().clone() for p in trainer.model.parameters()]
    assert math.isfinite(trainer.train().training_loss)
    after = list(trainer.model.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_rows_without_a_weight_count_as_rows_of_trl(tmp_path: Path) -> None:
    """Columns of ones, or of nothing, leave TRL's own loss."""
    from trl import DPOTrainer

    rows = data().remove_columns("label_probability")
    trainer = dpo(tmp_path, rows.remove_columns("weight").add_column("weight", [None] * ROWS))
    batch = batch_of(trainer)
    weighted = trainer.compute_loss(trainer.model, batch)
    plain = {k: v for k, v in batch.items() if k not in ("weight", "label_probability")}
    trl_loss = DPOTrainer.compute_loss(trainer, trainer.model, plain)
    assert float(trl_loss) == pytest.approx(float(weighted), rel=1e-6)


def test_what_cannot_be_weighed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no weights"):
        dpo(tmp_path / "a", data().remove_columns(["weight", "label_probability"]))
    for number, kind in enumerate(("hinge", "robust", "ipo")):
        trainer = dpo(tmp_path / str(number), loss_type=kind)
        with pytest.raises(CurateError, match="cannot be weighed"):
            trainer.compute_loss(trainer.model, batch_of(trainer))
    pairs = numbered_pairs(ROWS).with_columns(label_probability=0.5)
    rows = to_dataset(pairs, "trl", weighing=resolve_weighing(get_export("trl"), "column"))
    trainer = dpo(tmp_path / "b", rows, robust=True)
    with pytest.raises(CurateError, match="label_probability with robust"):
        trainer.compute_loss(trainer.model, batch_of(trainer))


def test_the_loss_in_float64() -> None:
    margins = torch.linspace(-4, 4, ROWS, dtype=torch.float64)
    weight, right = (torch.tensor(v, dtype=torch.float64) for v in (WEIGHTS, RIGHT))
    for robust in (False, True):
        loss = -two_sided(margins, -margins, weight, right, robust).mean()
        assert float(loss) == pytest.approx(naive_loss(margins.tolist(), robust=robust), rel=1e-12)
