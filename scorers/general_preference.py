"""Does a preference that may hold cycles explain a pair that a reward cannot?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, log_expit

from curate import HIGHER, Column, Context, Parameters
from curate.models.heads.at_heads import gather_held_out_values
from curate.models.heads.calibration import calibrate
from curate.models.heads.general_heads import GENERAL_L2, train_general
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.heads import HeadSpec
from curate.models.heads.mean_gain import MeanDifference
from curate.models.heads.out_of_fold import fold_weights, head_inputs, train_heads, vote_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GeneralPreferenceParams(Parameters):
    """Parameters of `general_preference`."""

    blocks: int = Field(3, ge=1, description="2 x 2 blocks: each can hold one kind of cycle.")
    repeats: int = Field(4, ge=1, description="Times the folds are drawn anew.")
    folds: int = Field(5, ge=2, description="Folds by prompt.")
    l2: float = Field(GENERAL_L2, ge=0, description="Precision of the prior on general heads.")


class GeneralPreference(HeadScorer[GeneralPreferenceParams]):
    """Held-out margins of general preference heads beside those of Bradley-Terry heads.

    A reward puts answers in an order; a general head need not. A pair that the reward heads call
    wrong and the general heads call right (`kind` cycle) is preference structure, not a flip; one
    that neither explains (`wrong`) is suspect. The general head is fixed over prompts, so that a
    cycle is found where it returns over prompts; single ones are the scorer `tournament`'s.
    """

    name = "general_preference"
    purpose = "taste, annotators, context"
    when = (
        "When preferences may hold cycles that return over prompts. It finds noise worse "
        "than the margin; none of our six sets held such cycles."
    )
    summary = "what an antisymmetric head explains that Bradley-Terry cannot: cycles (GPM)"
    reference = "General Preference Model, arXiv 2410.02197"
    Params = GeneralPreferenceParams

    def columns(self) -> tuple[Column, ...]:
        """Margins of both kinds of heads and what follows."""
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
                "right (both say so), cycle (general heads alone), order (reward heads alone), "
                "wrong (neither)",
                "text",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Out-of-fold margins of all pairs; the share of intransitive preference is a fact."""
        p, voting = self.params, vote_mask(pairs, context)
        scorer_of, weights = fold_weights(pairs, context, p.repeats, p.folds)
        plain = HeadSpec()
        _, chosen, rejected = head_inputs(pairs, context, plain, "embedding")
        seed, order = context.step_seed(self.name), context.row_order(pairs)
        reward = train_heads(chosen, rejected, weights, plain, seed, order)
        general = train_general(chosen, rejected, weights, seed, p.blocks, p.l2, order)
        both = [
            gather_held_out_values(h.margins, chosen, rejected, scorer_of)
            for h in (general, reward)
        ]
        # Both at the temperature that fits them, or shrunken margins would decide.
        margin, linear = (
            m * calibrate(m[voting]).scale for m in (values.mean(axis=1) for values in both)
        )
        record_learnability(margin, pairs, context)
        # In nats a label: what a general preference explains beyond any reward.
        gain = log_expit(margin) - log_expit(linear)
        kind = np.select(
            [(margin > 0) & (linear > 0), margin > 0, linear > 0],
            ["right", "cycle", "order"],
            "wrong",
        )
        self._tell(context, gain[voting], margin[voting], linear[voting])
        named = pl.DataFrame({"k": kind.tolist(), "v": voting})
        return pl.DataFrame(
            {
                "margin": margin,
                "reward_margin": linear,
                "gain": gain,
                "kind": named.select(k=pl.when("v").then("k"))["k"],
            }
        )

    def _tell(
        self,
        context: Context,
        gain: NDArray[np.float64],
        margin: NDArray[np.float64],
        linear: NDArray[np.float64],
    ) -> None:
        told = MeanDifference.of(gain)
        # Weighted by how far apart both are: hardly different probabilities are no cycle.
        apart = np.abs(expit(margin) - expit(linear))[(margin > 0) & (linear <= 0)]
        context.facts |= told.facts("gain")
        # Where the general heads do not predict better, what they see in pairs is chance.
        context.facts["intransitive_share"] = round(float(apart.sum() / len(gain)), 4) * told.sure
        if not told.sure:
            context.warnings.append(
                "general_preference: the general heads do not predict held-out labels better than "
                "rewards do, so 'cycle' means little in this data"
            )
