"""CRM: two reward heads review each other; losses over epochs separate noisy from good pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import polars as pl
import torch
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Standing
from curate.scorers.research.crm.peer_review import PeerReview, Schedule, train_peers
from curate.scoring import (
    STATUS,
    HeadParameters,
    HeldOutScorer,
    held_out_margins,
    record_learnability,
    vote_mask,
)
from curate.scoring.heads import estimate_noise_rate_of_pairs, fold_weights, head_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

# At a rate of 0 peers would exchange all pairs; above one half they would learn from noise.
_MIN_RATE, _MAX_RATE = 0.01, 0.45
# The lower end of the 20 to 40 % that are reported for public preference datasets.
_ASSUMED_RATE = 0.2
# Values of the column `kind`, named as in dataset cartography (arXiv 2009.10795).
ROBUST, AMBIGUOUS, NOISY = "robust", "ambiguous", "noisy"


class CRMParams(HeadParameters):
    """Parameters of `crm`."""

    noise_rate: Annotated[float, Field(ge=0, lt=0.5)] | Literal["auto"] = Field(
        "auto",
        description="Share of wrong labels; auto: from repeated votes on the same pairs if any, "
        "else an assumed 0.2.",
    )
    epochs: int = Field(10, ge=2, description="Passes over the pairs.")
    ramp: int = Field(
        5, ge=0, description="Epochs over which the selected share falls to 1 - noise rate."
    )
    curriculum: bool = Field(False, description="Show easy pairs first from the second epoch on.")


class CRM(HeldOutScorer[CRMParams]):
    """Let two reward heads review each other, and read noise from their held-out losses (CRM).

    `loss_mean` is the mean held-out loss -log sigma(margin) over epochs and peers, in nats;
    `loss_variance` its variance over epochs; `disagreement` the mean absolute difference of the
    peers; `selected` the share of training batches in which the peer kept the pair, 0 to 1. `kind`
    is `noisy` for the pairs of highest mean loss (as many as the noise rate says), `robust` for
    others with mean loss below ln 2 and at most median variance, else `ambiguous`. The source is
    arXiv 2505.10597; its schedule is not published and follows co-teaching (arXiv 1804.06872), the
    kinds follow dataset cartography (arXiv 2009.10795) by our own rule.

    Examples:
        >>> mean, variance = np.array([0.2, 0.6, 3.0]), np.array([0.01, 0.30, 0.20])
        >>> classify_losses(mean, variance, rate=1 / 3, votes=np.ones(3, dtype=bool))
        ['robust', 'ambiguous', 'noisy']
    """

    name = "crm"
    purpose = "label noise"
    standing = Standing.RESEARCH
    when = (
        "For a trained reward model, where it gained 6.1 points. On features that stay as they are "
        "it gains nothing: mean AUROC .627 at 20 % flips and .558 at 40 %, the margin .657 and "
        ".562; only on HH at 40 % it found more (.648, .608)."
    )
    summary = "peer review by two reward heads: held-out loss mean and variance over epochs (CRM)"
    reference = "CRM, arXiv 2505.10597; co-teaching, arXiv 1804.06872"
    Params = CRMParams

    def columns(self) -> tuple[Column, ...]:
        """Return loss statistics, the peers' selections and the class."""
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
                "noisy: the highest mean losses, as many as the noise rate says; robust: of "
                "the others, mean below ln 2 and at most median variance; ambiguous: all others",
                "text",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return the peers' statistics of all pairs."""
        p = self.params
        rate = self._noise_rate(pairs, context)
        head_index, weights = fold_weights(pairs, context, 1, p.folds)
        # Peers need different initial weights, or they select the same pairs from the start.
        spec, chosen, rejected = head_inputs(pairs, context, p.spec(init=1.0), p.features)
        peers = train_peers(
            chosen,
            rejected,
            weights,
            head_index[:, 0],
            spec,
            Schedule(p.epochs, rate, p.ramp, p.curriculum),
            context.step_seed("crm"),
            context.progress,
            context.row_order(pairs),
        )
        # A mean loss below ln 2, that of a coin toss, agrees with the label.
        mean_margin = math.log(2) - peers.losses.mean(dim=(1, 2)).double().cpu().numpy()
        record_learnability(mean_margin, pairs, context)
        context.facts["share_dropped_by_peers"] = rate
        context.facts["noise_rate_given"] = p.noise_rate != "auto"
        context.facts["overlap"] = [round(float(o), 4) for o in peers.overlap]
        return self._score_columns(peers, rate, vote_mask(pairs, context))

    def _noise_rate(self, pairs: pl.DataFrame, context: Context) -> float:
        p = self.params
        if p.noise_rate != "auto":
            return p.noise_rate
        held_out = held_out_margins(pairs, context)
        voting, learnt = vote_mask(pairs, context), held_out.learnability
        estimate = estimate_noise_rate_of_pairs(
            held_out.margin, voting, pairs, context, learnability=learnt
        )
        if estimate.rate is not None:
            return min(max(estimate.rate, _MIN_RATE), _MAX_RATE)
        # Peers keep 1 - rate of each batch: a default near 0 would switch peer review off.
        context.warnings.append(
            f"crm: the noise rate {estimate.text}; assuming {_ASSUMED_RATE:.0%}: set noise_rate to "
            "override"
        )
        return _ASSUMED_RATE

    def _score_columns(
        self, peers: PeerReview, rate: float, votes: NDArray[np.bool_]
    ) -> pl.DataFrame:
        losses = peers.losses.double().cpu()
        per_epoch = losses.mean(dim=2)
        mean, variance = per_epoch.mean(dim=1).numpy(), per_epoch.var(dim=1, correction=0).numpy()
        selected = pl.Series("selected", peers.selected.cpu().numpy()).fill_nan(None)
        return pl.DataFrame(
            {
                "loss_mean": mean,
                "loss_variance": variance,
                "disagreement": torch.abs(losses[:, :, 0] - losses[:, :, 1]).mean(dim=1).numpy(),
                "selected": selected,
                "kind": classify_losses(mean, variance, rate, votes),
            }
        )


def classify_losses(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    rate: float,
    votes: NDArray[np.bool_],
) -> list[str | None]:
    """Return robust, ambiguous or noisy for each pair; null where the pair has no vote.

    Args:
        mean: (pairs,) mean loss.
        variance: (pairs,) variance of the loss over epochs.
        rate: share of the voting pairs that is called noisy.
        votes: (pairs,) whether the pair is a vote (no tie, differing answers).
    """
    kinds = np.full(len(mean), AMBIGUOUS, dtype=object)
    kinds[(mean < math.log(2)) & (variance <= np.median(variance[votes]))] = ROBUST
    rows = np.flatnonzero(votes)
    noisy_rows = rows[np.argsort(-mean[rows], kind="stable")][: round(rate * len(rows))]
    kinds[noisy_rows] = NOISY
    kinds[~votes] = None
    return list(kinds)
