"""Two rounds of held-out heads: the second learns what the first believes, without a leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.models.heads.heads import Heads, HeadSpec
from curate.models.heads.out_of_fold import answers, at_heads, draw_folds, train_heads, votes
from curate.models.heads.row_access import Rows, one_below_the_other
from curate.steps.context import Context
from curate.steps.features import FeatureKind

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NestedFolds:
    """Folds of K repeats, and heads that leave out one or two of them.

    Attributes:
        assigned: (pairs, K) fold of each pair in each repeat.
        left_out: (C, 2) folds that each of the C heads of a repeat leaves out; the two are equal
            where only one is left out.
        head_of: (F, F) position in `left_out` of the head that leaves out both.
        votes: (pairs,) whether a pair may teach.
    """

    assigned: NDArray[np.int64]
    left_out: NDArray[np.int64]
    head_of: NDArray[np.int64]
    votes: NDArray[np.bool_]


@dataclass(frozen=True)
class FirstRound:
    """Margins of heads that learnt the labels.

    Attributes:
        held_out: (pairs,) mean over repeats of the margin by the head that left out the pair.
        nested: (pairs, K, F) margin by the head that left out the pair's own fold and fold f.
    """

    held_out: NDArray[np.float64]
    nested: NDArray[np.float64]


def make_nested(pairs: pl.DataFrame, context: Context, repeats: int, folds: int) -> NestedFolds:
    """Folds by prompt, drawn anew for each repeat."""
    assigned = draw_folds(pairs, context, repeats, folds)
    folds = int(assigned.max()) + 1
    left_out = np.array([(f, g) for f in range(folds) for g in range(f, folds)])
    head_of = np.zeros((folds, folds), dtype=np.int64)
    for position, (f, g) in enumerate(left_out):
        head_of[f, g] = head_of[g, f] = position
    return NestedFolds(assigned, left_out, head_of, votes(pairs, context))


def first_round(context: Context, folds: NestedFolds, kind: FeatureKind, l2: float) -> FirstRound:
    """Train all heads of all repeats as one batch on the labels."""
    own = folds.assigned[:, :, None]
    seen = (own != folds.left_out[:, 0]) & (own != folds.left_out[:, 1])
    weights = (seen & folds.votes[:, None, None]).reshape(len(own), -1)
    chosen, rejected = answers(context, kind)
    heads = _fit(context, kind, l2, chosen, rejected, torch.from_numpy(weights))
    # Head (k, own fold, f) for every f; where f is the own fold, one fold alone is left out.
    count = len(folds.left_out)
    offsets = np.arange(folds.assigned.shape[1])[None, :, None] * count
    wanted = folds.head_of[folds.assigned] + offsets
    nested = _margins(heads, chosen, rejected, wanted.reshape(len(own), -1)).reshape(wanted.shape)
    alone = np.take_along_axis(nested, own, axis=2)[:, :, 0]
    return FirstRound(alone.mean(axis=1), nested)


def second_round(
    context: Context,
    folds: NestedFolds,
    kind: FeatureKind,
    l2: float,
    belief: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Held-out margins (pairs,) of heads that learnt soft labels: w l(m) + (1 - w) l(-m).

    Args:
        context: of the run.
        folds: as in the first round.
        kind: what a head sees.
        l2: of the heads.
        belief: (pairs, K, F) posterior of the label, by heads that left out the pair and fold f.
    """
    repeats, count = belief.shape[1:]
    seen = (folds.assigned[:, :, None] != np.arange(count)) & folds.votes[:, None, None]
    right = np.where(seen, belief, 0.0).reshape(len(belief), -1)
    wrong = np.where(seen, 1.0 - belief, 0.0).reshape(len(belief), -1)
    columns = torch.from_numpy(np.concatenate([right, wrong]).astype(np.float32))
    chosen, rejected = answers(context, kind)
    both = one_below_the_other(chosen, rejected), one_below_the_other(rejected, chosen)
    heads = _fit(context, kind, l2, *both, columns)
    wanted = folds.assigned + np.arange(repeats) * count
    margins: NDArray[np.float64] = _margins(heads, chosen, rejected, wanted).mean(axis=1)
    return margins


def _fit(
    context: Context,
    kind: FeatureKind,
    l2: float,
    chosen: Rows,
    rejected: Rows,
    columns: Tensor,
) -> Heads:
    seed = context.step_seed("nested", kind, str(l2))
    return train_heads(chosen, rejected, columns, HeadSpec(l2=l2), seed)


def _margins(
    heads: Heads, chosen: Rows, rejected: Rows, wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Margins (pairs, columns) by the wanted head of each pair and column."""
    return at_heads(heads.margins, chosen, rejected, torch.from_numpy(wanted))
