"""Rewards by one or several reward models."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from curate import HIGHER, LOWER, Column, Context, CurateError, Parameters, Scorer
from curate.models.lm.answers import OK, STATUS
from curate.models.lm.classifier import Classifier, classify_answers
from curate.steps.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEEP, FLIP, DROP = "keep", "flip", "drop"


class RewardModelParams(Parameters):
    """Parameters of `reward_model`."""

    models: tuple[Model, ...] = Field(
        min_length=1, description="Reward models, the most trusted first; one may stand alone."
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each attribute of a model with several outputs, by its label."
    )

    @field_validator("models", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return [value] if isinstance(value, (str, dict)) else value


class RewardModel(Scorer[RewardModelParams]):
    """Margin r(chosen) - r(rejected) of sequence-classification reward models.

    `advice` is Skywork-Reward-V2's rule: keep what the first model ranks as labelled; flip what all
    models (two or more) rank the other way; drop the rest. Margins of several models are averaged
    as they are: give models of one scale, or use `agreement`.
    """

    name = "reward_model"
    purpose = "rewards and models"
    when = "When large reward models are at hand: votes that never saw these labels."
    summary = "rewards and margin by one or several reward models, with agreement and advice"
    reference = "Skywork-Reward-V2, arXiv 2507.01352 (advice); RewardBench, arXiv 2403.13787"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = RewardModelParams

    def columns(self) -> tuple[Column, ...]:
        """Rewards and what the models say of the label."""
        return (
            Column(
                "margin",
                "mean over models of chosen minus rejected",
                "float",
                HIGHER,
                evidence="auto",
            ),
            Column("chosen", "mean reward of the preferred answer"),
            Column("rejected", "mean reward of the other answer"),
            Column("spread", "standard deviation of the margin over models", "float", LOWER),
            Column(
                "agreement", "share of models with a positive margin", "float", HIGHER, "0 to 1"
            ),
            Column("advice", f"{KEEP}, {FLIP} or {DROP}", "text"),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Rewards of a batch."""
        rewards, status = [], pl.repeat(OK, len(pairs), dtype=pl.String, eager=True)
        for spec in self.params.models:
            model, outputs, own = classify_answers(pairs, context, spec)
            rewards.append(outputs @ self._weights(model))
            status = status.zip_with(status != OK, own)
        table = np.stack(rewards, axis=1)
        margins = table[:, :, 0] - table[:, :, 1]
        frame = pl.DataFrame(
            {
                "margin": margins.mean(axis=1),
                "chosen": table[:, :, 0].mean(axis=1),
                "rejected": table[:, :, 1].mean(axis=1),
                "spread": margins.std(axis=1),
                "agreement": (margins > 0).mean(axis=1),
                "advice": advice(margins),
            }
        )
        # Where one model has no value a share or an advice would be of the others alone.
        missing = pl.Series(np.isnan(margins).any(axis=1))
        frame = frame.with_columns(
            pl.when(~missing).then(pl.col("agreement", "advice")), status=status
        )
        return frame.select([c.name for c in self.columns()])

    def _weights(self, model: Classifier) -> NDArray[np.float64]:
        """Weight of each output of a model."""
        given = self.params.weights
        if len(model.labels) == 1:
            return np.ones(1)
        if given is None or not set(given) <= set(model.labels):
            raise CurateError(
                "a reward model with several outputs needs a weight for those that count",
                where=f"scorer 'reward_model', {model.spec.name}",
                found="no weights" if given is None else f"weights of {', '.join(given)}",
                expected=f"weights among {', '.join(model.labels)}",
            )
        return np.array([given.get(label, 0.0) for label in model.labels])


def advice(margins: NDArray[np.float64]) -> list[str]:
    """Keep, flip or drop for each row of (pairs, models) margins."""
    all_against = (margins < 0).all(axis=1) & (margins.shape[1] > 1)
    # A single model contradicts nobody: its doubt drops, and flips nothing.
    found = np.where(margins[:, 0] > 0, KEEP, np.where(all_against, FLIP, DROP))
    return [str(word) for word in found]
