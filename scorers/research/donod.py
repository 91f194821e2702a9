"""DONOD: how one gradient step on a pair would change the reward head's norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import LOWER, Column, Context, Standing
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    RepeatedHeadParameters,
    compute_in_blocks,
    record_learnability,
)
from curate.scoring.heads import norm_change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DONODParams(RepeatedHeadParameters):
    """Parameters of `donod`."""

    step: float = Field(0.01, gt=0, description="Learning rate of the probing step (plain SGD).")
    don_direction: Literal["before_minus_after", "after_minus_before"] = Field(
        "before_minus_after",
        description="Sign of DON. The paper calls a shrinking norm (high before_minus_after) good; "
        "for a Bradley-Terry head this prefers pairs that the head ranks wrongly.",
    )


class DONOD(HeldOutScorer[DONODParams]):
    """Compute DON and NOD of the output layer after one SGD step on a pair.

    For the loss -log sigma(m), m = w.(h_chosen - h_rejected) and s = sigma(-m) the gradient is -s
    (h_chosen - h_rejected). `nod`, the norm of the change, is step * s * ||h_chosen - h_rejected||;
    `don` is the change of ||w||; `sensitivity` is ||h_chosen - h_rejected||. The heads are trained
    and out-of-fold: at m = 0 a pair and its flip have the same NOD, a flip multiplies NOD by e^m.
    DONOD (arXiv 2504.14810) probes a fine-tuned language model; the preference head is our setting.
    NOD is near chance for flips on our datasets, and DON's stated direction prefers wrong labels.

    Examples:
        >>> import numpy as np
        >>> one = np.ones(1)
        >>> nod, growth = don_nod(margin=2.0 * one, difference_norm=one, weight_norm=one, step=0.01)
        >>> nod.round(5).tolist(), growth.round(5).tolist()
        ([0.00119], [0.00238])
    """

    name = "donod"
    purpose = "label noise"
    standing = Standing.RESEARCH
    when = (
        "To try the paper's signal on a head. It gains nothing over the margin (mean AUROC .657 "
        "at 20 % flips): NOD is near chance for flips, DON's stated direction prefers wrong "
        "labels, and the opposite one ranks as the margin does."
    )
    summary = "norm of delta and delta of norm of the head after one step on the pair (DONOD)"
    reference = "DONOD, arXiv 2504.14810; closed form for the Bradley-Terry head derived here"
    Params = DONODParams
    margins_alone = True

    def columns(self) -> tuple[Column, ...]:
        """Return NOD, DON and sensitivity; DON's direction must be measured (`curate bench`)."""
        return (
            Column("nod", "norm of the weight change: ||W' - W||", "float", LOWER),
            Column(
                "don",
                f"change of the weight norm, {self.params.don_direction.replace('_', ' ')}",
                "float",
                "neither",
            ),
            Column(
                "sensitivity",
                "||h_chosen - h_rejected||, factor of NOD that does not depend on the label",
                "float",
                "neither",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return out-of-fold DON and NOD of all pairs, averaged over repeats."""
        p = self.params
        trained = p.train(pairs, context)
        margins = trained.margins()
        record_learnability(margins.mean(axis=1), pairs, context)
        norms = trained.held_out_values(trained.heads.seen_norm)
        weight_norm = trained.heads.output_norm().detach().double().cpu().numpy()
        # `norm_change` is after minus before; the paper's DON is before minus after.
        sign = 1.0 if p.don_direction == "after_minus_before" else -1.0

        def score_block(
            margin: NDArray[np.float64], norm: NDArray[np.float64], head: NDArray[np.integer]
        ) -> dict[str, NDArray[np.float64]]:
            nod, norm_growth = don_nod(margin, norm, weight_norm[head], p.step)
            return {
                "nod": nod.mean(axis=1),
                "don": sign * norm_growth.mean(axis=1),
                "sensitivity": norm.mean(axis=1),
            }

        heads = trained.scorer_of.cpu().numpy()
        return compute_in_blocks(context.scratch, score_block, margins, norms, heads)


def don_nod(
    margin: NDArray[np.float64],
    difference_norm: NDArray[np.float64],
    weight_norm: NDArray[np.float64],
    step: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return NOD and ||W'|| - ||W|| of one SGD step on -log sigma(margin), elementwise.

    With s = sigma(-m) and d = h_chosen - h_rejected the gradient is -s d, so <W, G> = -s m.
    """
    # Gradient -s d, so ||G|| = s ||d|| and <W, G> = -s m: no backward pass is needed.
    s = expit(-margin)
    gradient = s * difference_norm
    return step * gradient, norm_change(-s * margin, gradient, weight_norm, step)
