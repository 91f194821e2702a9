"""DONOD on the output layer of a language model, under the DPO or the SFT loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import LOWER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scorers.donod_lm.gradients import PAIR_SUMS, gradient_pair_sums
from curate.scorers.donod_lm.pair_values import measure_pairs
from curate.scoring import MODEL_STATUS, Model, answer_logprobs
from curate.scoring.heads import norm_change
from curate.scoring.lm import OK

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DONODLMParams(Parameters):
    """Parameters of `donod_lm`."""

    policy: Model = Field(description="Model whose output layer is probed.")
    reference: Model | None = Field(
        None,
        description="DPO's reference. Without one the policy is its own reference: the margin is 0 "
        "and NOD of the DPO loss is the same for a pair and its flip.",
    )
    beta: float = Field(0.1, gt=0, description="DPO's beta.")
    step: float = Field(1e-4, gt=0, description="Learning rate of the probing step (plain SGD).")
    don_direction: Literal["before_minus_after", "after_minus_before"] = Field(
        "before_minus_after", description="Sign of DON; the paper's is before minus after."
    )


class DONODLM(Scorer[DONODLMParams]):
    """Compute DON and NOD of a language model's output layer W after one SGD step on a pair.

    Under DPO ||G|| = beta s sqrt(S_ww + S_ll - 2 S_wl) and <W, G> = beta s (A_w - A_l), s =
    sigma(-m); under SFT (mean over the tokens of chosen) ||G|| = sqrt(S_ww) / n and <W, G> = A_w /
    n. S and A are inner products of the answers' gradients with each other and with W (ghost norms,
    arXiv 2110.05679, sec. 4). `nod` is step ||G||, `don` the change of ||W||, `margin` the DPO
    margin m in nats. With tied embeddings only the output side's gradient counts. DONOD (arXiv
    2504.14810) probes SFT; the DPO loss is our extension. It costs 1.4 forward passes.

    Examples:
        >>> step = DONODLM(policy="org/policy", reference="org/base", beta=0.1)
        >>> [column.name for column in step.columns()][:4]
        ['nod', 'don', 'margin', 'sensitivity']
    """

    name = "donod_lm"
    purpose = "difficulty and uncertainty"
    when = "To measure on the policy itself what a pair would change. Costs 1.4 forward passes."
    summary = "DON and NOD of a language model's output layer under DPO and SFT, by ghost norms"
    reference = "DONOD, arXiv 2504.14810; ghost norm: Li et al. 2022, arXiv 2110.05679, sec. 4"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    single_answer_columns = ("sft_nod", "sft_don", "status")
    Params = DONODLMParams

    def columns(self) -> tuple[Column, ...]:
        """Return statistics of both losses; DON's direction must be measured (`curate bench`)."""
        return (
            Column("nod", "||W' - W|| after a step on the DPO loss", "float", LOWER),
            Column("don", "change of ||W|| by that step"),
            Column("margin", "DPO margin m of the label", unit="nats", evidence="named"),
            Column(
                "sensitivity",
                "NOD / (step sigma(-m)): the factor that does not depend on the label",
            ),
            Column("sft_nod", "||W' - W|| after a step on the SFT loss of chosen", "float", LOWER),
            Column("sft_don", "change of ||W|| by that step"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return DON and NOD of a batch."""
        p = self.params
        # Inner products of the answers' gradients: all values below follow from them.
        sums, status = measure_pairs(
            pairs, context, p.policy, "donod", PAIR_SUMS, gradient_pair_sums
        )
        margin = np.zeros(len(pairs))
        if p.reference is not None:
            reference_logprobs = answer_logprobs(pairs, context, p.reference)
            status = status.zip_with(status != OK, reference_logprobs.status)
            margin = p.beta * (
                (sums[:, 7] - reference_logprobs.chosen)
                - (sums[:, 8] - reference_logprobs.rejected)
            )
        statistics = probe_gradients(sums, margin, p.beta, p.step)
        # `norm_change` is after minus before; the paper's DON is before minus after.
        sign = 1.0 if p.don_direction == "after_minus_before" else -1.0
        statistics |= {"don": sign * statistics["don"], "sft_don": sign * statistics["sft_don"]}
        frame = pl.DataFrame(statistics).with_columns(status=status)
        return frame.select([c.name for c in self.columns()])


def probe_gradients(
    sums: NDArray[np.float64], margin: NDArray[np.float64], beta: float, step: float
) -> dict[str, NDArray[np.float64]]:
    """Return DON (after minus before) and NOD by `pair_sums` (pairs, 10) and DPO margins."""
    ww, ll, wl, a_w, a_l, tokens, _, _, _, square = sums.T
    # ||g_w - g_l||^2 = S_ww + S_ll - 2 S_wl; rounding can make it slightly negative.
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
