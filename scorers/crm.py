"""CRM: two reward heads review each other; losses over epochs tell noisy pairs from good ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import polars as pl
import torch
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.held_out_margins import held_out_margins
from curate.models.heads.noise_rate import estimate_noise_rate_of_pairs
from curate.models.heads.out_of_fold import HeadParameters, fold_weights, head_inputs, vote_mask
from curate.models.heads.peer_review import PeerReview, Schedule, train_peers

if TYPE_CHECKING:
    from numpy.typing import NDArray

# At 0 peers would hand over all, above one half they learn from noise.
_MIN_RATE, _MAX_RATE = 0.01, 0.45
# The lower end of what is reported of public sets, 20 to 40 %.
_ASSUMED = 0.2
ROBUST, AMBIGUOUS, NOISY = "robust", "ambiguous", "noisy"


class CRMParams(HeadParameters):
    """Parameters of `crm`."""

    noise_rate: Annotated[float, Field(ge=0, lt=0.5)] | Literal["auto"] = Field(
        "auto",
        description="Share of wrong labels; auto: by votes on the same pairs where there are some, "
        "else 0.2 as assumed, since nothing else tells it.",
    )
    epochs: int = Field(10, ge=2, description="Passes over the pairs.")
    ramp: int = Field(
        5, ge=0, description="Epochs over which selection tightens to the noise rate."
    )
    curriculum: bool = Field(False, description="Show easy pairs first from the second epoch on.")


class CRM(HeadScorer[CRMParams]):
    """Collaborative reward modelling: held-out loss of both peers over epochs.

    Losses are those of the fold's peers that did not see the pair; `selected` is a statistic of
    training. Keep schedule and curriculum follow co-teaching, since the paper's are not published;
    the classes read dataset cartography (arXiv 2009.10795) onto losses by our own rule.
    """

    name = "crm"
    purpose = "label noise"
    when = (
        "When labels are symmetric noise and the set is large. On our six sets it found "
        "flips no better than the margin, except on HH at 40 %."
    )
    summary = "peer review by two reward heads: held-out loss mean and variance over epochs (CRM)"
    reference = "CRM, arXiv 2505.10597; co-teaching, arXiv 1804.06872"
    Params = CRMParams

    def columns(self) -> tuple[Column, ...]:
        """Loss statistics, the peers' selections and the class."""
        return (
            Column("loss_mean", "mean held-out loss over epochs and peers", "float", LOWER, "nats"),
            Column(
                "loss_variance",
                "variance over epochs of the peers' mean held-out loss",
                "float",
                LOWER,
                "nats squared",
            ),
            Column(
                "disagreement",
                "mean absolute difference of the peers' losses",
                "float",
                LOWER,
                "nats",
            ),
            Column(
                "selected",
                "share of training batches in which the peer selected the pair",
                "float",
                HIGHER,
                "0 to 1",
            ),
            Column(
                "kind",
                "noisy: the noise rate's share of highest mean loss; robust: of the "
                "others, mean below ln 2 and variance at most the median; ambiguous: the rest",
                "text",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Peer review of all pairs."""
        p = self.params
        rate = self._noise_rate(pairs, context)
        held_by, weights = fold_weights(pairs, context, 1, p.folds)
        # Peers must start apart, or their selections are the same from the first batch on.
        spec, chosen, rejected = head_inputs(pairs, context, p.spec(init=1.0), p.features)
        seen = train_peers(
            chosen,
            rejected,
            weights,
            held_by[:, 0],
            spec,
            Schedule(p.epochs, rate, p.ramp, p.curriculum),
            context.step_seed("crm"),
            context.progress,
            context.row_order(pairs),
        )
        # A mean loss below that of a coin's toss sides with the label.
        side = math.log(2) - seen.losses.mean(dim=(1, 2)).double().cpu().numpy()
        record_learnability(side, pairs, context)
        context.facts["share_dropped_by_peers"] = rate
        context.facts["noise_rate_given"] = p.noise_rate != "auto"
        context.facts["overlap"] = [round(float(o), 4) for o in seen.overlap]
        return self._frame(seen, rate, vote_mask(pairs, context))

    def _noise_rate(self, pairs: pl.DataFrame, context: Context) -> float:
        p = self.params
        if p.noise_rate != "auto":
            return p.noise_rate
        held_out = held_out_margins(pairs, context)
        voting, learnt = vote_mask(pairs, context), held_out.learnability
        told = estimate_noise_rate_of_pairs(held_out.margin, voting, pairs, context, learnt=learnt)
        if told.rate is not None:
            return min(max(told.rate, _MIN_RATE), _MAX_RATE)
        # Peers keep the share that the rate says: one near 0 would switch peer review off.
        context.warnings.append(
            f"crm: the noise rate {told.text}; peers drop {_ASSUMED:.0%} as assumed: give "
            "noise_rate if you know it"
        )
        return _ASSUMED

    def _frame(self, seen: PeerReview, rate: float, votes: NDArray[np.bool_]) -> pl.DataFrame:
        losses = seen.losses.double().cpu()
        per_epoch = losses.mean(dim=2)
        mean, variance = per_epoch.mean(dim=1).numpy(), per_epoch.var(dim=1, correction=0).numpy()
        selected = pl.Series("selected", seen.selected.cpu().numpy()).fill_nan(None)
        return pl.DataFrame(
            {
                "loss_mean": mean,
                "loss_variance": variance,
                "disagreement": torch.abs(losses[:, :, 0] - losses[:, :, 1]).mean(dim=1).numpy(),
                "selected": selected,
                "kind": classes(mean, variance, rate, votes),
            }
        )


def classes(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    rate: float,
    votes: NDArray[np.bool_],
) -> list[str | None]:
    """Robust, ambiguous or noisy for each pair; null where the pair holds no vote.

    Args:
        mean: (pairs,) mean loss.
        variance: (pairs,) variance of the loss over epochs.
        rate: share of the voting pairs that is called noisy.
        votes: (pairs,) whether the pair is a vote (no tie, differing answers).
    """
    out = np.full(len(mean), AMBIGUOUS, dtype=object)
    out[(mean < math.log(2)) & (variance <= np.median(variance[votes]))] = ROBUST
    rows = np.flatnonzero(votes)
    worst = rows[np.argsort(-mean[rows], kind="stable")][: round(rate * len(rows))]
    out[worst] = NOISY
    out[~votes] = None
    return list(out)
