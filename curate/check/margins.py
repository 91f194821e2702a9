"""Margins of implicit rewards in a run, as DPO and SimPO see them when training starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.json_types import JsonObject
from curate.pipeline.config import StepConfig, parse_config
from curate.steps.registry import scorer_class
from curate.steps.relabel import flipped_mask

if TYPE_CHECKING:
    from curate.write.run_files import RunFiles

_SCORER = "implicit_reward"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class RewardMargins:
    """Margins of the kept pairs by one step `implicit_reward`.

    The policy's margin reaches SimPO's target where beta / |y_w| log pi(y_w) - beta / |y_l| log
    pi(y_l) >= gamma (arXiv 2405.14734). A mean log-probability is at most 0, so that the
    chosen answer alone can reach it only where -beta / |y_l| log pi(y_l) >= gamma.

    Attributes:
        name: name of the step.
        loss: "dpo" or "simpo".
        gamma: target margin in nats, as the step's; 0 where it gives none.
        pairs: kept pairs with a margin.
        quantiles: the margin's at `QUANTILES`, in nats, scaled by beta.
        above_zero: share of pairs whose chosen answer has the higher reward.
        reached: share of pairs whose margin is at least gamma.
        by_chosen_alone: share that could reach gamma while the rejected answer stays as likely as
            it is; None for dpo, whose limit no column gives.
    """

    name: str
    loss: str
    gamma: float
    pairs: int
    quantiles: tuple[float, ...]
    above_zero: float
    reached: float
    by_chosen_alone: float | None

    def to_json(self) -> JsonObject:
        """Return it as plain data."""
        return asdict(self) | {
            "quantiles": dict(zip(map(str, QUANTILES), self.quantiles, strict=True))
        }


def measure_margins(run: RunFiles) -> tuple[RewardMargins, ...]:
    """Return the margins of each step `implicit_reward` of a run, in the labels it kept."""
    steps = [s for s in parse_config(dict(run.manifest.config)).scorers if s.type == _SCORER]
    if not steps:
        return ()
    labels = [
        part.select("pair_id", flipped_mask(part).alias("flipped")) for part in run.kept_batches()
    ]
    if not labels:
        return ()
    measured = (_margins_of_step(run, pl.concat(labels), step) for step in steps)
    return tuple(margins for margins in measured if margins is not None)


def _margins_of_step(run: RunFiles, labels: pl.DataFrame, step: StepConfig) -> RewardMargins | None:
    """Return one step's margins; None where no kept pair has any."""
    name = step.name or step.type
    settings = scorer_class(_SCORER).Params(**step.parameters).model_dump()
    sides = [f"{name}.chosen", f"{name}.rejected"]
    # Scores are of the labels as read.
    rewards = labels.join(run.scores(["pair_id", *sides]), on="pair_id").select(
        chosen=pl.when("flipped").then(sides[1]).otherwise(sides[0]),
        rejected=pl.when("flipped").then(sides[0]).otherwise(sides[1]),
    )
    rewards = rewards.fill_nan(None).drop_nulls()
    if rewards.is_empty():
        return None
    chosen, rejected = (rewards[side].to_numpy() for side in ("chosen", "rejected"))
    margin, gamma = chosen - rejected, float(settings["gamma"])
    is_simpo = settings["loss"] == "simpo"
    return RewardMargins(
        name=name,
        loss=settings["loss"],
        gamma=gamma,
        pairs=len(rewards),
        quantiles=tuple(np.quantile(margin, QUANTILES).tolist()),
        above_zero=float(np.mean(margin > 0)),
        reached=float(np.mean(margin >= gamma)),
        by_chosen_alone=float(np.mean(-rejected >= gamma)) if is_simpo else None,
    )
