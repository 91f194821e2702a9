"""Whether a preference with cycles explains a pair that a reward cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, log_expit

from curate import HIGHER, Column, Context, Parameters, Standing
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    MeanDifference,
    calibrate,
    record_learnability,
    vote_mask,
)
from curate.scoring.heads import (
    GENERAL_L2,
    HeadSpec,
    fold_weights,
    gather_held_out_values,
    head_inputs,
    train_general,
    train_heads,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GeneralPreferenceParams(Parameters):
    """Parameters of `general_preference`."""

    blocks: int = Field(3, ge=1, description="2 x 2 blocks: each can express one kind of cycle.")
    repeats: int = Field(4, ge=1, description="Random redraws of the folds.")
    folds: int = Field(5, ge=2, description="Folds by prompt.")
    l2: float = Field(GENERAL_L2, ge=0, description="Precision of the prior on general heads.")


class GeneralPreference(HeldOutScorer[GeneralPreferenceParams]):
    """Compare general preference heads, which can express cycles, with Bradley-Terry heads.

    `margin` and `reward_margin` are held-out margins of both in nats, each at its best temperature;
    `gain` is the difference of the log likelihood of the label. `kind` is `right` where both agree
    with the label, `cycle` where only the general head does, `order` where only the reward does,
    `wrong` where neither does. A `cycle` is preference structure, not a flip (GPM, arXiv
    2410.02197); a `wrong` one is suspect. It deviates from GPM: a head on embeddings, with
    a constant in each block and the same scales for all prompts, so it finds cycles that recur over
    prompts; `tournament` finds single ones.

    Examples:
        >>> [column.name for column in GeneralPreference(blocks=3).columns()]
        ['margin', 'reward_margin', 'gain', 'kind', 'status']
    """

    name = "general_preference"
    purpose = "taste, annotators, context"
    standing = Standing.RESEARCH
    when = (
        "When preferences may contain cycles that recur over prompts; none of our six datasets had "
        "such cycles. It finds flips worse than the margin (mean AUROC .605 and .657 at 20 % "
        "flips)."
    )
    summary = "what an antisymmetric head explains that Bradley-Terry cannot: cycles (GPM)"
    reference = "General Preference Model, arXiv 2410.02197"
    Params = GeneralPreferenceParams

    def columns(self) -> tuple[Column, ...]:
        """Return margins of both kinds of heads, and the kind of the pair."""
        return (
            Column(
                "margin", "scaled held-out margin of the general heads", "float", HIGHER, "nats"
            ),
            Column("reward_margin", "the same of Bradley-Terry heads", "float", HIGHER, "nats"),
            Column(
                "gain",
                "held-out log likelihood of the label: general minus Bradley-Terry heads",
                unit="nats",
            ),
            Column(
                "kind",
                "right (by both heads), cycle (by general heads only), order (by reward heads "
                "only), wrong (by neither)",
                "text",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return out-of-fold margins of all pairs; the intransitive share is a fact."""
        p, voting = self.params, vote_mask(pairs, context)
        scorer_of, weights = fold_weights(pairs, context, p.repeats, p.folds)
        reward_spec = HeadSpec()
        _, chosen, rejected = head_inputs(pairs, context, reward_spec, "embedding")
        seed, order = context.step_seed(self.name), context.row_order(pairs)
        reward = train_heads(chosen, rejected, weights, reward_spec, seed, order)
        general = train_general(chosen, rejected, weights, seed, p.blocks, p.l2, order)
        head_margins = [
            gather_held_out_values(h.margins, chosen, rejected, scorer_of)
            for h in (general, reward)
        ]
        # Both at their best temperature, or the more strongly shrunken margins would lose.
        margin, linear = (
            m * calibrate(m[voting]).scale for m in (values.mean(axis=1) for values in head_margins)
        )
        record_learnability(margin, pairs, context)
        # Nats per label that a general preference explains beyond a reward.
        gain = log_expit(margin) - log_expit(linear)
        # A tie of the heads (margin 0) counts as a wrong label.
        kind = np.select(
            [(margin > 0) & (linear > 0), margin > 0, linear > 0],
            ["right", "cycle", "order"],
            "wrong",
        )
        self._record_gain(context, gain[voting], margin[voting], linear[voting])
        named = pl.DataFrame({"k": kind.tolist(), "v": voting})
        return pl.DataFrame(
            {
                "margin": margin,
                "reward_margin": linear,
                "gain": gain,
                "kind": named.select(k=pl.when("v").then("k"))["k"],
            }
        )

    def _record_gain(
        self,
        context: Context,
        gain: NDArray[np.float64],
        margin: NDArray[np.float64],
        linear: NDArray[np.float64],
    ) -> None:
        gain_estimate = MeanDifference.of(gain)
        # Weighted by the distance of both probabilities: nearly equal ones are no cycle.
        distance = np.abs(expit(margin) - expit(linear))[(margin > 0) & (linear <= 0)]
        context.facts.update(gain_estimate.facts("gain"))
        # Without better held-out prediction, single pairs called cycles are chance.
        context.facts["intransitive_share"] = (
            round(float(distance.sum() / len(gain)), 4) * gain_estimate.sure
        )
        if not gain_estimate.sure:
            context.warnings.append(
                "general_preference: the general heads do not predict held-out labels better than "
                "rewards do, so the kind 'cycle' means little in this dataset"
            )
