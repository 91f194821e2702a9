"""Ensembles of heads in which no pair is scored by a head that was trained on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from curate.context import Context, batches
from curate.models.features import FeatureKind
from curate.models.folds import group_folds
from curate.models.heads import HeadKind, Heads, HeadSpec, fit_heads, make_heads
from curate.models.losses import LossKind
from curate.pairs import messages_key
from curate.steps import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

HeadValues = Callable[[Tensor, Tensor], Tensor]
_EVALUATION_ROWS = 65_536
MIN_PROMPTS = 2
_LEARNING_RATES: dict[HeadKind, float] = {"linear": 0.1, "mlp": 0.01}


class HeadParameters(Parameters):
    """Parameters of every scorer that trains reward heads on embeddings."""

    head: HeadKind = Field("linear", description="linear, or mlp with one hidden layer.")
    hidden: int = Field(64, ge=1, description="Units of the hidden layer of an mlp head.")
    features: FeatureKind = Field(
        "embedding",
        description="What a head sees of an answer: embedding; both (that, its style and its "
        "closeness to the prompt); or length alone.",
    )
    l2: float = Field(10.0, ge=0, description="Precision of the Gaussian prior on the weights.")
    loss: LossKind = Field(
        "bt", description="Loss of a margin: bt, or robust: cdpo, rdpo, lcpo, holder, ropo, drdpo."
    )
    loss_parameter: float | None = Field(
        None, description="Flip rate (cdpo, rdpo), reliability (lcpo), gamma, alpha or beta'."
    )
    folds: int = Field(
        5, ge=2, description="Folds by prompt; a pair is scored by the others' head."
    )
    steps: int = Field(300, ge=1, description="Optimiser steps at least.")
    learning_rate: float | None = Field(
        None, gt=0, description="Of Adam at the start; default 0.1 for linear heads, 0.01 for mlp."
    )

    def spec(self, dropout: float = 0.0, init: float = 0.1) -> HeadSpec:
        """The head specification of these parameters."""
        return HeadSpec(
            init=init,
            loss=self.loss,
            loss_parameter=self.loss_parameter,
            kind=self.head,
            hidden=self.hidden,
            l2=self.l2,
            dropout=dropout,
            steps=self.steps,
            learning_rate=self.learning_rate or _LEARNING_RATES[self.head],
        )


class RepeatedHeadParameters(HeadParameters):
    """Parameters of scorers that average over several draws of the folds."""

    repeats: int = Field(
        8, ge=1, description="Times the folds are drawn anew; values are averaged."
    )

    def train(self, pairs: pl.DataFrame, context: Context) -> OutOfFold:
        """The heads of these parameters; scorers that ask for the same ones share them."""
        return train_out_of_fold(
            pairs, context, self.spec(), self.repeats, self.folds, self.features
        )


@dataclass(frozen=True)
class OutOfFold:
    """K repeats of F-fold training: heads k * F + f, and which head may score which pair.

    Attributes:
        heads: K * F trained heads.
        chosen: scaled features of the preferred answers, (pairs, dim).
        rejected: scaled features of the other answers, (pairs, dim).
        scorer_of: (pairs, K) index of the head that did not see the pair, one for each repeat.
    """

    heads: Heads
    chosen: Tensor
    rejected: Tensor
    scorer_of: Tensor

    def margins(self) -> NDArray[np.float64]:
        """Held-out margins, (pairs, K)."""
        return self.held_out(self.heads.margins)

    def held_out(self, of: HeadValues) -> NDArray[np.float64]:
        """`of(chosen, rejected)`, (rows, heads), at each pair's held-out heads: (pairs, K)."""
        return at_heads(of, self.chosen, self.rejected, self.scorer_of)


def at_heads(
    of: HeadValues, chosen: Tensor, rejected: Tensor, wanted: Tensor
) -> NDArray[np.float64]:
    """`of(chosen, rejected)`, (rows, heads), at the wanted heads (pairs, K) of each pair."""
    parts = []
    with torch.no_grad():
        for rows in batches(len(chosen), _EVALUATION_ROWS):
            values = of(chosen[rows], rejected[rows])
            parts.append(values.gather(1, wanted[rows]).cpu())
    held: NDArray[np.float64] = torch.cat(parts).double().numpy()
    return held


def train_heads(
    chosen: Tensor, rejected: Tensor, weights: Tensor, spec: HeadSpec, seed: int
) -> Heads:
    """Fresh heads, one for each column of the (pairs, heads) weights, trained as one batch."""
    heads = make_heads(spec, chosen.shape[1], weights.shape[1], seed).to(chosen.device)
    fit_heads(heads, chosen, rejected, weights.to(chosen.device), spec, seed)
    return heads


def trainable(pairs: pl.DataFrame) -> NDArray[np.bool_]:
    """Whether a pair can teach a head: no tie, and answers that differ; (pairs,)."""
    same = messages_key("chosen") == messages_key("rejected")
    mask: NDArray[np.bool_] = pairs.select(~(pl.col("is_tie") | same)).to_series().to_numpy()
    return mask


def votes(pairs: pl.DataFrame, context: Context) -> NDArray[np.bool_]:
    """`trainable` of the run's pairs, computed once."""
    return context.shared("votes", lambda: trainable(pairs))


def status(pairs: pl.DataFrame) -> pl.Series:
    """What keeps each pair from teaching a head: "tie", "identical answers"; else "ok"."""
    same = messages_key("chosen") == messages_key("rejected")
    text = pl.when(pl.col("is_tie")).then(pl.lit("tie"))
    reason = text.when(same).then(pl.lit("identical answers")).otherwise(pl.lit("ok"))
    return pairs.select(status=reason)["status"]


def too_few_prompts(pairs: pl.DataFrame, context: Context) -> bool:
    """Whether there are not prompts enough to train on some and score the others."""
    return len(np.unique(context.prompt_groups(pairs)[votes(pairs, context)])) < MIN_PROMPTS


def train_out_of_fold(
    pairs: pl.DataFrame,
    context: Context,
    spec: HeadSpec,
    repeats: int,
    folds: int,
    features: FeatureKind = "embedding",
) -> OutOfFold:
    """Train `repeats` x `folds` heads as one batch; each repeat splits the prompts anew.

    The same specification asked for twice in a run is trained once.
    """
    key = ("out of fold", spec, repeats, folds, features)
    return context.shared(key, lambda: _train(pairs, context, spec, repeats, folds, features))


def answers(context: Context, features: FeatureKind) -> tuple[Tensor, Tensor]:
    """Scaled features of chosen and rejected answers on the context's device, (pairs, dim)."""
    key = ("answers", features)
    return context.shared(key, lambda: context.features.answers(features, context.device))


def _train(
    pairs: pl.DataFrame,
    context: Context,
    spec: HeadSpec,
    repeats: int,
    folds: int,
    features: FeatureKind,
) -> OutOfFold:
    chosen, rejected = answers(context, features)
    scorer_of, weights = fold_weights(pairs, context, repeats, folds)
    seed = context.step_seed("heads", repeats, folds)
    heads = train_heads(chosen, rejected, weights, spec, seed)
    return OutOfFold(heads, chosen, rejected, scorer_of.to(context.device))


def draw_folds(
    pairs: pl.DataFrame, context: Context, repeats: int, folds: int
) -> NDArray[np.int64]:
    """Fold of each pair in each repeat, (pairs, repeats): by prompt, drawn anew for each."""
    groups = context.prompt_groups(pairs)
    seeds = [context.step_seed("folds", repeat) for repeat in range(repeats)]
    return np.stack([group_folds(groups, folds, seed) for seed in seeds], axis=1)


def fold_weights(
    pairs: pl.DataFrame, context: Context, repeats: int, folds: int
) -> tuple[Tensor, Tensor]:
    """Who scores and who trains: (pairs, repeats) head indices, (pairs, heads) weights 0 or 1."""
    assigned = draw_folds(pairs, context, repeats, folds)
    folds = int(assigned.max()) + 1
    seen = assigned[:, :, None] != np.arange(folds)
    weights = (seen & votes(pairs, context)[:, None, None]).reshape(len(pairs), repeats * folds)
    scorer_of = assigned + np.arange(repeats) * folds
    return torch.from_numpy(scorer_of), torch.from_numpy(weights.astype(np.float32))
