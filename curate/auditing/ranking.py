"""How often a language model ranks the pairs as their labels do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
from scipy.special import logit

from curate.data.json_result import JsonResult
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.regression import Z95
from curate.models.lm.answer_logprobs import answer_logprobs
from curate.steps.context import Context
from curate.steps.models import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A reliability of 1 would ask for an infinite margin.
_MAX_RELIABILITY = 1.0 - 1e-6


@dataclass(frozen=True)
class RankedShare(JsonResult):
    """The share of pairs that are ranked as their labels say.

    Attributes:
        share: share of the pairs.
        low: lower end of its 95 % interval, robust for repeated prompts.
        high: upper end.
    """

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class IdealisedShare(RankedShare):
    """The share that the optimum of DPO ranks as the labels say.

    Attributes:
        beta: DPO's beta.
        reliability: probability that a label is right.
    """

    beta: float
    reliability: float


@dataclass(frozen=True)
class RankingAccuracy(JsonResult):
    """How often a language model ranks the pairs as their labels do.

    Attributes:
        model: name of the model.
        pairs: pairs that it can rank.
        problem: why nothing is measured; None where it is.
        by_sum: by the answers' log-probabilities.
        by_token: by their means a token, which do not punish length.
        idealised: by the policy that minimises DPO's loss exactly; None where the share of right
            labels is not known.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(
        ("problem", "by_sum", "by_token", "idealised")
    )

    model: str
    pairs: int
    problem: str | None = None
    by_sum: RankedShare | None = None
    by_token: RankedShare | None = None
    idealised: IdealisedShare | None = None


def audit_ranking(
    pairs: pl.DataFrame,
    context: Context,
    model: ModelSpec,
    beta: float = 0.1,
    reliability: float | None = None,
) -> RankingAccuracy:
    """Return the ranking accuracy of a model (arXiv 2405.19534): how often log pi(y_w|x) > log
    pi(y_l|x).

    `by_sum` compares the answers' log-probabilities, `by_token` their means a token, which do not
    punish length. `idealised` is the accuracy of the policy that minimises DPO's loss exactly from
    this model as reference, on labels that are right with the probability q = `reliability`:
    pi*(y_w) / pi*(y_l) = pi(y_w) / pi(y_l) (q / (1 - q))^(1 / beta).

    Args:
        pairs: the pair table; ties and identical answers are left out.
        context: the audit's context.
        model: the language model that ranks.
        beta: DPO's beta.
        reliability: probability that a label is right; without it nothing is idealised.
    """
    is_voted = vote_mask(pairs, context)
    voted = pairs.filter(pl.Series(is_voted))
    groups = context.prompt_groups(pairs)[is_voted]
    answers = answer_logprobs(voted, context, model)
    # An answer that does not fit the model's context has no log-probability.
    is_finite = np.isfinite(answers.chosen) & np.isfinite(answers.rejected)
    groups, count = groups[is_finite], int(is_finite.sum())
    if count == 0:
        return RankingAccuracy(model.name, count, str(answers.status[0]))
    gap = (answers.chosen - answers.rejected)[is_finite]
    chosen, rejected = answers.means()
    return RankingAccuracy(
        model.name,
        count,
        by_sum=_clustered_share(gap > 0, groups),
        by_token=_clustered_share((chosen - rejected)[is_finite] > 0, groups),
        idealised=_idealised_accuracy(gap, groups, beta, reliability),
    )


def _idealised_accuracy(
    gap: NDArray[np.float64], groups: NDArray[np.int64], beta: float, reliability: float | None
) -> IdealisedShare | None:
    """Return the ranking accuracy of DPO's optimum, with the settings that it rests on."""
    if reliability is None:
        return None
    # pi* ranks right where log pi(y_w) - log pi(y_l) > -logit(q) / beta.
    min_gap = -float(logit(min(reliability, _MAX_RELIABILITY))) / beta
    ranked = _clustered_share(gap > min_gap, groups)
    return IdealisedShare(**asdict(ranked), beta=beta, reliability=round(reliability, 4))


def _clustered_share(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> RankedShare:
    """Return the share with its interval, residuals summed within prompts."""
    share = float(right.mean())
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], right - share)
    # Cluster-robust: residuals of one prompt are summed before they are squared.
    error = float(np.sqrt(np.square(sums).sum())) / len(right)
    return RankedShare(
        round(share, 4),
        round(max(share - Z95 * error, 0.0), 4),
        round(min(share + Z95 * error, 1.0), 4),
    )
