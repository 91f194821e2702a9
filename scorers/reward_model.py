"""Rewards by one or several reward models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from curate import HIGHER, LOWER, Column, Context, CurateError, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model
from curate.scoring.lm import OK, Classifier, classify_answers

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Values of the column `advice`.
KEEP, FLIP, DROP = "keep", "flip", "drop"


class RewardModelParams(Parameters):
    """Parameters of `reward_model`."""

    models: tuple[Model, ...] = Field(
        min_length=1, description="One or several reward models, the most trusted first."
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each output of a model with several, by its label."
    )

    @field_validator("models", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return [value] if isinstance(value, (str, dict)) else value


class RewardModel(Scorer[RewardModelParams]):
    """Compute the margin r(chosen) - r(rejected) of sequence-classification reward models.

    `margin`, `chosen` and `rejected` are means over the models, `spread` is the standard deviation
    of the margin, `agreement` the share of models with a positive margin, 0 to 1. `advice` is the
    rule of Skywork-Reward-V2 (arXiv 2507.01352): keep what the first model ranks as labelled; flip
    what all models (two or more) rank the other way; drop the remaining pairs. Margins are averaged
    unscaled: give models of one scale, or use `agreement`. Use it when large reward models are
    available: they never saw these labels.

    Examples:
        >>> advise_on_labels(np.array([[1.0, -1.0], [-1.0, -2.0], [-1.0, 2.0]]))
        ['keep', 'flip', 'drop']
    """

    name = "reward_model"
    purpose = "rewards and models"
    when = "When large reward models are available: they never saw these labels."
    summary = "rewards and margin by one or several reward models, with agreement and advice"
    reference = "Skywork-Reward-V2, arXiv 2507.01352 (advice); RewardBench, arXiv 2403.13787"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    single_answer_columns = ("chosen", "status")
    Params = RewardModelParams

    def columns(self) -> tuple[Column, ...]:
        """Return the rewards and how the models agree with the label."""
        return (
            Column(
                "margin",
                "mean over models of chosen minus rejected",
                "float",
                HIGHER,
                evidence="auto",
            ),
            Column("chosen", "mean reward of the chosen answer"),
            Column("rejected", "mean reward of the rejected answer"),
            Column("spread", "standard deviation of the margin over models", "float", LOWER),
            Column(
                "agreement", "share of models with a positive margin", "float", HIGHER, "0 to 1"
            ),
            Column("advice", f"{KEEP}, {FLIP} or {DROP}", "text"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return rewards of a batch."""
        rewards, status = [], pl.repeat(OK, len(pairs), dtype=pl.String, eager=True)
        for spec in self.params.models:
            model, outputs, model_status = classify_answers(pairs, context, spec)
            rewards.append(outputs @ self._output_weights(model))
            status = status.zip_with(status != OK, model_status)
        # (pairs, models, 2): chosen, then rejected.
        table = np.stack(rewards, axis=1)
        margins = table[:, :, 0] - table[:, :, 1]
        frame = pl.DataFrame(
            {
                "margin": margins.mean(axis=1),
                "chosen": table[:, :, 0].mean(axis=1),
                "rejected": table[:, :, 1].mean(axis=1),
                "spread": margins.std(axis=1),
                "agreement": (margins > 0).mean(axis=1),
                "advice": advise_on_labels(margins),
            }
        )
        # Without a value of every model, agreement and advice would describe only some of them.
        missing = pl.Series(np.isnan(margins).any(axis=1))
        frame = frame.with_columns(
            pl.when(~missing).then(pl.col("agreement", "advice")), status=status
        )
        return frame.select([c.name for c in self.columns()])

    def _output_weights(self, model: Classifier) -> NDArray[np.float64]:
        """Return the weight of each output of a model."""
        weights = self.params.weights
        if len(model.labels) == 1:
            return np.ones(1)
        if weights is None or not set(weights) <= set(model.labels):
            raise CurateError(
                "a reward model with several outputs needs weights for them",
                where=f"scorer 'reward_model', {model.spec.name}",
                found="no weights" if weights is None else f"weights of {', '.join(weights)}",
                expected=f"weights among {', '.join(model.labels)}",
            )
        return np.array([weights.get(label, 0.0) for label in model.labels])


def advise_on_labels(margins: NDArray[np.float64]) -> list[str]:
    """Return keep, flip or drop for each row of (pairs, models) margins."""
    all_against = (margins < 0).all(axis=1) & (margins.shape[1] > 1)
    # A flip needs two models or more; with one model a doubted pair is dropped.
    decisions = np.where(margins[:, 0] > 0, KEEP, np.where(all_against, FLIP, DROP))
    return [str(word) for word in decisions]
