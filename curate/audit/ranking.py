"""How often a language model ranks the pairs as their labels do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import logit

from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.regression import Z95
from curate.models.lm.answer_logprobs import answer_logprobs
from curate.steps.context import Context
from curate.steps.models import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A reliability of 1 would ask for an infinite margin.
_MOST = 1.0 - 1e-6


def audit_ranking(
    pairs: pl.DataFrame,
    context: Context,
    model: ModelSpec,
    beta: float = 0.1,
    reliability: float | None = None,
) -> dict[str, Any]:
    """Ranking accuracy of a model (arXiv 2405.19534): how often log pi(y_w|x) > log pi(y_l|x).

    `by_sum` compares the answers' log-probabilities, `by_token` their means a token, which do not
    punish length. `idealised` is the accuracy of the policy that minimises DPO's loss exactly from
    this model as reference, on labels that are right with the probability q = `reliability`:
    pi*(y_w) / pi*(y_l) = pi(y_w) / pi(y_l) (q / (1 - q))^(1 / beta). Intervals are 95 %, robust for
    repeated prompts.

    Args:
        pairs: the pair table; ties and identical answers are left out.
        context: of the audit.
        model: whose ranking it is.
        beta: of DPO.
        reliability: probability that a label is right; without it nothing is idealised.
    """
    voting = vote_mask(pairs, context)
    own = pairs.filter(pl.Series(voting))
    groups = context.prompt_groups(pairs)[voting]
    answers = answer_logprobs(own, context, model)
    known = np.isfinite(answers.chosen) & np.isfinite(answers.rejected)
    found: dict[str, Any] = {"model": model.name, "pairs": int(known.sum())}
    if not known.any():
        return found | {"problem": str(answers.status[0])}
    gap = (answers.chosen - answers.rejected)[known]
    chosen, rejected = answers.means()
    found["by_sum"] = _share(gap > 0, groups[known])
    found["by_token"] = _share((chosen - rejected)[known] > 0, groups[known])
    if reliability is not None:
        least = -float(logit(min(reliability, _MOST))) / beta
        found["idealised"] = _share(gap > least, groups[known]) | {
            "beta": beta,
            "reliability": round(reliability, 4),
        }
    return found


def _share(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> dict[str, float]:
    """Share with its interval, residuals summed within prompts."""
    share = float(right.mean())
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], right - share)
    error = float(np.sqrt(np.square(sums).sum())) / len(right)
    return {
        "share": round(share, 4),
        "low": round(max(share - Z95 * error, 0.0), 4),
        "high": round(min(share + Z95 * error, 1.0), 4),
    }
