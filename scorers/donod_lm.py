"""DONOD on the output layer of a language model, under the DPO or the SFT loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.models.heads.probe import norm_change
from curate.models.lm.answers import OK, STATUS, answer_logprobs
from curate.models.lm.gradients import PAIR_SUMS, gradient_pair_sums
from curate.models.lm.pair_values import measure_pairs
from curate.steps.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DONODLMParams(Parameters):
    """Parameters of `donod_lm`."""

    policy: Model = Field(description="Model whose output layer is probed.")
    reference: Model | None = Field(
        None,
        description="DPO's reference. Without one the policy is its own: the margin is 0, and NOD "
        "of the DPO loss is the same for a pair and its flip.",
    )
    beta: float = Field(0.1, gt=0, description="DPO's beta.")
    step: float = Field(1e-4, gt=0, description="Learning rate of the probing step (plain SGD).")
    don_direction: Literal["before_minus_after", "after_minus_before"] = Field(
        "before_minus_after", description="Sign of DON; the paper's is before minus after."
    )


class DONODLM(Scorer[DONODLMParams]):
    """Norm of delta and delta of norm of W after one SGD step on a pair, no gradient formed.

    Under DPO ||G|| = beta s sqrt(S_ww + S_ll - 2 S_wl) and <W, G> = beta s (A_w - A_l) with
    s = sigma(-m); under the SFT loss (mean over the tokens of chosen) ||G|| = sqrt(S_ww) / n and
    <W, G> = A_w / n; see `curate.models.lm.gradients`. Of tied embeddings it is the output side's
    gradient alone. The paper probes SFT; the DPO loss is our extension.
    """

    name = "donod_lm"
    purpose = "difficulty and uncertainty"
    when = "When the policy itself shall say what a pair would change. Costs 1.4 forward passes."
    summary = "DON and NOD of a language model's output layer under DPO and SFT, by ghost norms"
    reference = "DONOD, arXiv 2504.14810; ghost norm: Li et al. 2022, arXiv 2110.05679, sec. 4"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = DONODLMParams

    def columns(self) -> tuple[Column, ...]:
        """Both losses; DON's direction must be found on the data (`curate bench`)."""
        return (
            Column("nod", "||W' - W|| after a step on the DPO loss", "float", LOWER),
            Column("don", "change of ||W|| by that step"),
            Column("margin", "DPO margin m of the label", unit="nats", evidence="named"),
            Column("sensitivity", "NOD / (step sigma(-m)): the part without the label"),
            Column("sft_nod", "||W' - W|| after a step on the SFT loss of chosen", "float", LOWER),
            Column("sft_don", "change of ||W|| by that step"),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """DON and NOD of a batch."""
        p = self.params
        # Inner products of the answers' gradients, by which every value below is told.
        sums, status = measure_pairs(
            pairs, context, p.policy, "donod", PAIR_SUMS, gradient_pair_sums
        )
        margin = np.zeros(len(pairs))
        if p.reference is not None:
            own = answer_logprobs(pairs, context, p.reference)
            status = status.zip_with(status != OK, own.status)
            margin = p.beta * ((sums[:, 7] - own.chosen) - (sums[:, 8] - own.rejected))
        found = probe(sums, margin, p.beta, p.step)
        sign = 1.0 if p.don_direction == "after_minus_before" else -1.0
        found |= {"don": sign * found["don"], "sft_don": sign * found["sft_don"]}
        frame = pl.DataFrame(found).with_columns(status=status)
        return frame.select([c.name for c in self.columns()])


def probe(
    sums: NDArray[np.float64], margin: NDArray[np.float64], beta: float, step: float
) -> dict[str, NDArray[np.float64]]:
    """Return DON (after minus before) and NOD, (pairs,) each, from `gradient_pair_sums`."""
    ww, ll, wl, a_w, a_l, tokens, _, _, _, square = sums.T
    # Rounding can leave a square of -1e-9.
    # |g_w - g_l|^2 = |g_w|^2 + |g_l|^2 - 2 g_w g_l.
    difference = beta * np.sqrt(np.maximum(ww + ll - 2.0 * wl, 0.0))
    s, norm = expit(-margin), np.sqrt(square)
    gradient = s * difference
    sft = np.sqrt(np.maximum(ww, 0.0)) / np.maximum(tokens, 1.0)
    return {
        "nod": step * gradient,
        "don": norm_change(beta * s * (a_w - a_l), gradient, norm, step),
        "margin": margin,
        "sensitivity": difference,
        "sft_nod": step * sft,
        "sft_don": norm_change(a_w / np.maximum(tokens, 1.0), sft, norm, step),
    }
