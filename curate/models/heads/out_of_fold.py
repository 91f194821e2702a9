"""Ensembles of heads in which no pair is scored by a head that was trained on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from pydantic import Field, model_validator
from torch import Tensor

from curate.data.hashes import same_answers
from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.heads.answer_features import answer_feature_matrices
from curate.models.heads.build import initialise_heads
from curate.models.heads.feature_matrix import FeatureMatrix
from curate.models.heads.folds import fold_weight_matrix, folds_of_groups
from curate.models.heads.held_out_values import AnswerFeatures, HeadValues, LocalAnswerFeatures
from curate.models.heads.linear import solve_from_losses, solve_heads
from curate.models.heads.losses import LossKind
from curate.models.heads.modules import HeadKind, Heads, HeadSpec, LinearHeads, fit_heads
from curate.models.heads.partitioned_heads import DifferenceRows, PartitionedLosses
from curate.models.heads.partitions import FeatureColumns, pair_partitions
from curate.steps.context import Context
from curate.steps.contracts import Parameters
from curate.steps.features import FeatureKind
from curate.steps.models import Model
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

# One to train on and another to score.
MIN_PROMPTS = 2
# Adam's rates: a deeper model needs smaller steps.
_LEARNING_RATES: dict[HeadKind, float] = {"linear": 0.1, "mlp": 0.01, "lora": 1e-3}
# Features have differences of norm 1, so that one prior serves sets of any size.
# Lora batches are small, since activations of a whole language model have to fit.
_L2, _STEPS, _LORA_BATCH = 10.0, 300, 32


class HeadParameters(Parameters):
    """Parameters of every scorer that trains reward heads on embeddings.

    Examples:
        >>> HeadParameters(head="mlp").spec().learning_rate
        0.01
    """

    head: HeadKind = Field(
        "linear", description="linear; mlp with one hidden layer; lora: adapters of `model`."
    )
    model: Model | None = Field(
        None, description="Causal model that lora heads adapt; the section inference runs it."
    )
    rank: int = Field(8, ge=1, description="Rank of the adapters of lora heads.")
    hidden: int = Field(64, ge=1, description="Units of the hidden layer of an mlp head.")
    features: FeatureKind = Field(
        "embedding",
        description="What a head sees of an answer: embedding; both (that, its style and its "
        "closeness to the prompt); or length.",
    )
    l2: float | None = Field(
        None,
        ge=0,
        description="Precision of the Gaussian prior on the weights; default 10, lora 0.",
    )
    loss: LossKind = Field(
        "bt", description="Loss of a margin: bt, or robust: cdpo, rdpo, lcpo, holder, ropo, drdpo."
    )
    loss_parameter: float | None = Field(
        None, description="Flip rate (cdpo, rdpo), reliability (lcpo), gamma, alpha or beta'."
    )
    folds: int = Field(
        5, ge=2, description="Folds by prompt; a pair is scored by the others' head."
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="Optimiser steps at least; default 300, lora three epochs. Linear heads of "
        "loss bt are solved, and need none.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Of Adam at the start; default 0.1 (linear), 0.01 (mlp), 0.001 (lora).",
    )

    @model_validator(mode="after")
    def _adapts(self) -> HeadParameters:
        if (self.head == "lora") != (self.model is not None):
            raise ValueError("head: lora and model: NAME go together")
        return self

    def spec(self, dropout: float = 0.0, init: float = 0.1) -> HeadSpec:
        """Return the head specification of these parameters."""
        lora = self.head == "lora"
        return HeadSpec(
            init=init,
            loss=self.loss,
            loss_parameter=self.loss_parameter,
            kind=self.head,
            hidden=self.hidden,
            l2=self.l2 if self.l2 is not None else 0.0 if lora else _L2,
            dropout=dropout,
            steps=self.steps or (1 if lora else _STEPS),
            batch=_LORA_BATCH if lora else HeadSpec.batch,
            model=self.model,
            rank=self.rank,
            learning_rate=self.learning_rate or _LEARNING_RATES[self.head],
        )

    @property
    def in_parts(self) -> bool:
        """Return whether heads are solved from sums, to which each part of the pairs adds its own.

        Dropout of a single feature needs masks, and these the answers themselves.
        """
        return is_solved(self.spec()) and self.features != "length"


class RepeatedHeadParameters(HeadParameters):
    """Parameters of scorers that average over several draws of the folds.

    Examples:
        >>> params = RepeatedHeadParameters(repeats=4, features="both")
        >>> params.repeats, params.folds, params.spec().kind
        (4, 5, 'linear')
    """

    repeats: int = Field(
        8, ge=1, description="Times the folds are drawn anew; values are averaged."
    )

    def train(self, pairs: pl.DataFrame, context: Context) -> OutOfFold:
        """Return the heads of these parameters; scorers that ask for the same ones share them."""
        return train_out_of_fold(
            pairs, context, self.spec(), self.repeats, self.folds, self.features
        )


@dataclass(frozen=True)
class OutOfFold:
    """K repeats of F-fold training: heads k * F + f, and which head may score which pair.

    Attributes:
        heads: K * F trained heads.
        answer_features: what they see of the pairs.
        scorer_of: (pairs, K) index of the head that did not see the pair, one for each repeat.

    Examples:
        >>> from curate import read_pairs
        >>> from curate.steps.features import Features
        >>> rows = [{"prompt": str(n), "chosen": "yes", "rejected": "no"} for n in range(6)]
        >>> pairs = read_pairs(rows).frame
        >>> index = {"prompt": np.arange(6), "chosen": np.full(6, 6), "rejected": np.full(6, 7)}
        >>> features = Features(np.eye(8, dtype=np.float32), np.zeros((8, 3), np.float32), index)
        >>> context = Context().for_pairs(pairs, features)

        >>> heads = RepeatedHeadParameters(repeats=2, folds=3).train(pairs, context)
        >>> heads.scorer_of.shape, heads.margins().shape
        (torch.Size([6, 2]), (6, 2))
    """

    heads: Heads
    answer_features: AnswerFeatures
    scorer_of: Tensor

    def margins(self) -> NDArray[np.float64]:
        """Return held-out margins, (pairs, K)."""
        return self.held_out_values(self.heads.margins)

    def held_out_values(self, compute_values: HeadValues) -> NDArray[np.float64]:
        """Return `compute_values(chosen, rejected)` at each pair's held-out heads, (pairs, K)."""
        return self.answer_features.held_out_values(compute_values, self.scorer_of)


def is_solved(spec: HeadSpec) -> bool:
    """Return whether heads of a specification are solved, so that no start or seed matters."""
    return spec.kind == "linear" and spec.loss == "bt"


def train_heads(
    chosen: FeatureMatrix,
    rejected: FeatureMatrix,
    weights: Tensor,
    spec: HeadSpec,
    seed: int,
    row_order: NDArray[np.int64] | None = None,
) -> Heads:
    """Return fresh heads, one for each column of the (pairs, heads) weights.

    Linear heads of the plain loss are solved, the others trained as one batch; see `fit_heads`.
    """
    if is_solved(spec):
        return LinearHeads(solve_heads(chosen, rejected, weights, spec.l2, spec.dropout))
    heads = initialise_heads(spec, chosen.shape[1], weights.shape[1], seed).to(chosen.device)
    fit_heads(heads, chosen, rejected, weights, spec, seed, row_order)
    return heads


def trainable_mask(pairs: pl.DataFrame) -> NDArray[np.bool_]:
    """Return whether a pair can teach a head: no tie, and answers that differ; (pairs,)."""
    mask: NDArray[np.bool_] = (~(pairs["is_tie"] | same_answers(pairs))).to_numpy()
    return mask


def vote_mask(pairs: pl.DataFrame, context: Context) -> NDArray[np.bool_]:
    """Return `trainable_mask` of the pairs, computed once.

    Examples:
        >>> from curate import read_pairs
        >>> rows = [
        ...     {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"},
        ...     {"prompt": "3 + 3?", "chosen": "6", "rejected": "6"},
        ... ]
        >>> pairs = read_pairs(rows).frame

        >>> vote_mask(pairs, Context()).tolist()
        [True, False]
    """
    view, ties = context.view(pairs), pairs["is_tie"].to_numpy()
    return view.cached("votes", lambda: ~(ties | view.same_answers))


def training_status(pairs: pl.DataFrame, context: Context) -> pl.Series:
    """Return what keeps each pair from teaching a head: "tie", "identical answers"; else "ok".

    Examples:
        >>> from curate import read_pairs
        >>> rows = [
        ...     {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"},
        ...     {"prompt": "3 + 3?", "chosen": "6", "rejected": "6"},
        ... ]
        >>> pairs = read_pairs(rows).frame

        >>> training_status(pairs, Context()).to_list()
        ['ok', 'identical answers']
    """
    same = pl.Series(context.same_answers(pairs))
    text = pl.when(pl.col("is_tie")).then(pl.lit("tie"))
    reason = text.when(same).then(pl.lit("identical answers")).otherwise(pl.lit("ok"))
    return pairs.select(status=reason)["status"]


def has_too_few_prompts(pairs: pl.DataFrame, context: Context) -> bool:
    """Return whether there are not prompts enough to train on some and score the others."""
    groups, voting = context.prompt_groups(pairs), vote_mask(pairs, context)
    prompt_numbers = set[int]()
    # The first few pairs usually have two prompts, so the others need not be read.
    for rows in batch_slices(len(pairs), BATCH_ROWS):
        prompt_numbers.update(groups[rows][voting[rows]].tolist())
        if len(prompt_numbers) >= MIN_PROMPTS:
            return False
    return True


def insufficient_prompts_reason(pairs: pl.DataFrame, context: Context) -> str | None:
    """Return why no head can be held out: no pair votes, or all are on too few prompts; else
    None."""
    if not vote_mask(pairs, context).any():
        return "no pair has two different answers and a preferred one"
    if has_too_few_prompts(pairs, context):
        return "too few prompts to train on some and judge the others"
    return None


def train_out_of_fold(
    pairs: pl.DataFrame,
    context: Context,
    spec: HeadSpec,
    repeats: int,
    folds: int,
    features: FeatureKind = "embedding",
) -> OutOfFold:
    """Train `repeats` x `folds` heads as one batch; each repeat splits the prompts anew.

    The same specification asked for twice on the same pairs is trained once.

    Examples:
        >>> from curate import read_pairs
        >>> from curate.steps.features import Features
        >>> rows = [{"prompt": str(n), "chosen": "yes", "rejected": "no"} for n in range(6)]
        >>> pairs = read_pairs(rows).frame
        >>> index = {"prompt": np.arange(6), "chosen": np.full(6, 6), "rejected": np.full(6, 7)}
        >>> features = Features(np.eye(8, dtype=np.float32), np.zeros((8, 3), np.float32), index)
        >>> context = Context().for_pairs(pairs, features)

        >>> spec = HeadParameters().spec()
        >>> margins = train_out_of_fold(pairs, context, spec, repeats=2, folds=3).margins()
        >>> margins.shape, bool((margins > 0).all())
        ((6, 2), True)
    """
    # Scorers with the same settings share the heads: training is the larger part of a run.
    key = ("out of fold", spec, repeats, folds, features)
    return context.view(pairs).cached(
        key, lambda: _train(pairs, context, spec, repeats, folds, features)
    )


def answer_features(
    pairs: pl.DataFrame, context: Context, features: FeatureKind
) -> tuple[FeatureMatrix, FeatureMatrix]:
    """Return scaled features of chosen and rejected answers on the context's device, (pairs,
    dim)."""
    view = context.view(pairs)
    return view.cached(
        ("answers", features),
        lambda: answer_feature_matrices(view.features, features, context.device),
    )


def head_inputs(
    pairs: pl.DataFrame, context: Context, spec: HeadSpec, features: FeatureKind
) -> tuple[HeadSpec, FeatureMatrix, FeatureMatrix]:
    """Return what heads of a specification see of chosen and rejected answers.

    Features (pairs, dim); of lora heads token ids (pairs, T), and the specification gains the
    loaded model.
    """
    if spec.model is None:
        return spec, *answer_features(pairs, context, features)
    from curate.models.lm.lora import lora_inputs

    network, chosen, rejected = lora_inputs(pairs, context, spec.model)
    return replace(spec, network=network), chosen, rejected


def _train(
    pairs: pl.DataFrame,
    context: Context,
    spec: HeadSpec,
    repeats: int,
    folds: int,
    features: FeatureKind,
) -> OutOfFold:
    if is_solved(spec):
        return _solve(pairs, context, spec, repeats, folds, features)
    spec, chosen, rejected = head_inputs(pairs, context, spec, features)
    scorer_of, weights = fold_weights(pairs, context, repeats, folds)
    seed = context.step_seed("heads", repeats, folds)
    heads = train_heads(chosen, rejected, weights, spec, seed, context.row_order(pairs))
    return OutOfFold(heads, LocalAnswerFeatures(chosen, rejected), scorer_of)


def _solve(
    pairs: pl.DataFrame,
    context: Context,
    spec: HeadSpec,
    repeats: int,
    folds: int,
    features: FeatureKind,
) -> OutOfFold:
    """Solve linear heads with workers, none of whom needs all pairs."""
    partitions = pair_partitions(pairs, context)
    assigned = draw_folds(pairs, context, repeats, folds)
    rows = DifferenceRows(partitions, FeatureColumns.of(partitions, features))
    voting, fold_count = vote_mask(pairs, context), int(assigned.max()) + 1
    losses = PartitionedLosses(rows, assigned, voting, fold_count)
    heads = LinearHeads(solve_from_losses(losses, spec.l2, spec.dropout)).to(partitions.device)
    return OutOfFold(heads, rows, held_out_head_index(assigned, context.scratch))


def draw_folds(
    pairs: pl.DataFrame, context: Context, repeats: int, folds: int
) -> NDArray[np.integer]:
    """Return fold of each pair in each repeat, (pairs, repeats): by prompt, drawn anew for each."""
    groups = context.prompt_groups(pairs)
    seeds = [context.step_seed("folds", repeat) for repeat in range(repeats)]
    prompts = int(groups.max(initial=-1)) + 1
    # A byte a pair and repeat: with millions of pairs these are among the largest arrays.
    small = np.int8 if folds <= np.iinfo(np.int8).max else np.int64
    # By prompt: another pair of the prompt would reveal the label of the one that is held out.
    fold_table = context.scratch.array("folds", (len(groups), repeats), small)
    for repeat, seed in enumerate(seeds):
        fold_table[:, repeat] = folds_of_groups(prompts, folds, seed).astype(small)[groups]
    return fold_table


def held_out_head_index(assigned: NDArray[np.integer], scratch: ScratchSpace) -> Tensor:
    """Return which head may score each pair in each repeat, (pairs, repeats); a head a repeat and
    fold."""
    repeats, folds = assigned.shape[1], int(assigned.max()) + 1
    heads = np.arange(repeats) * folds
    # The smallest type that holds every head: a 64-bit index would be eight times as large.
    head_index = assigned + heads.astype(np.min_scalar_type(-repeats * folds))
    return torch.from_numpy(scratch.persist_array("heads of pairs", head_index))


def fold_weights(
    pairs: pl.DataFrame, context: Context, repeats: int, folds: int
) -> tuple[Tensor, Tensor]:
    """Return who scores and who trains: (pairs, repeats) head indices, (pairs, heads) bool."""
    assigned = draw_folds(pairs, context, repeats, folds)
    weights = fold_weight_matrix(assigned, vote_mask(pairs, context), int(assigned.max()) + 1)
    return held_out_head_index(assigned, context.scratch), torch.from_numpy(weights)
