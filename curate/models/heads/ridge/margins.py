"""The held-out margin of every label, from everything that is cheap to see of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from curate.data.duplicates import repeated_rows
from curate.models.heads.noise.calibration import fit_scale
from curate.models.heads.noise.learnability import LearnabilityTest, assess_learnability
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.partitions import pair_partitions
from curate.models.heads.ridge.data import RidgeData
from curate.models.heads.ridge.evidence import Evidence, Ridge
from curate.models.heads.ridge.length_residual import length_residual_margins
from curate.models.heads.ridge.sign_flip_test import sign_flip_p_value
from curate.steps.context import Context
from curate.store.array_blocks import select_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = ("embedding", "counts", "style", "prior", "length")
VIEWS = ((-6.0, -6.0, -6.0, -4.0, -2.0), (-4.0, -4.0, -4.0, -4.0, -4.0))
"""Two beliefs about how strong each block is; like all constants here chosen on
Auto-J and LLMBar only."""
Trait = Literal["length"]
# A scale of 0 would tie all margins, and their order is what is known best.
_MIN_SCALE = 0.01


@dataclass(frozen=True)
class HeldOutMargins:
    """Margins of all pairs, in log odds of the observed label if the labels are informative.

    Attributes:
        margin: (pairs,) of the observed label, by what other prompts' labels teach.
        strengths: mean variance of each of `BLOCKS` over views.
        scale: of greatest likelihood on the labels, by which margins were multiplied; 0 for
            uninformative labels.
        learnability: whether heads learn anything from the labels.
    """

    margin: NDArray[np.float64]
    strengths: dict[str, float]
    scale: float
    learnability: LearnabilityTest


def held_out_margins(
    pairs: pl.DataFrame,
    context: Context,
    style: bool = True,
    within: tuple[Trait, ...] = (),
    target: NDArray[np.float64] | None = None,
) -> HeldOutMargins:
    """Return margins by evidence ridge on the blocks of `PairBlocks`, averaged over two views.

    Strengths are chosen once a view, by all labels; each margin is one without the labels of its
    own prompt, in closed form. Strengths by folds rank no better and take five times as long. They
    are a few numbers, yet enough that margins lean to the label: whether heads learn anything is
    tested by fixed strengths (`sign_flip_p_value`).

    Args:
        pairs: the pair table.
        context: of the scorer.
        style: whether heads see counts, style and length besides embeddings.
        within: traits; margins are compared only among pairs that differ alike in them; see
            `length_residual_margins`.
        target: (pairs,) what heads are taught of each pair; default 1, its label as it is.

    Examples:
        >>> from curate import read_pairs
        >>> from curate.steps.features import Features
        >>> rows = [{"prompt": str(n), "chosen": "yes", "rejected": "no"} for n in range(6)]
        >>> pairs = read_pairs(rows).frame
        >>> index = {"prompt": np.arange(6), "chosen": np.full(6, 6), "rejected": np.full(6, 7)}
        >>> features = Features(np.eye(8, dtype=np.float32), np.zeros((8, 3), np.float32), index)
        >>> context = Context().for_pairs(pairs, features)

        >>> margins = held_out_margins(pairs, context, style=False)
        >>> margins.margin.shape, bool((margins.margin > 0).all())
        ((6,), True)
    """
    digest = "" if target is None else blake2b(target.tobytes(), digest_size=16).hexdigest()
    key = ("held-out margins", style, digest)
    view = context.view(pairs)
    ranked = view.cached(key, lambda: _unscaled_margins(pairs, context, style, target))
    return view.cached((*key, within), lambda: _scale_to_log_odds(pairs, context, ranked, within))


@dataclass(frozen=True)
class _UnscaledMargins:
    """Margins of no fixed scale, the strengths behind them, and whether they may be chance."""

    margin: NDArray[np.float64]
    strengths: dict[str, float]
    p_value: float


def _unscaled_margins(
    pairs: pl.DataFrame, context: Context, style: bool, target: NDArray[np.float64] | None
) -> _UnscaledMargins:
    weights = vote_weights(context.vote_keys(pairs), vote_mask(pairs, context))
    target = np.ones(len(pairs)) if target is None else target
    rows = RidgeData(pair_partitions(pairs, context), pairs, weights, target, style)
    sums, total, strengths = rows.sums(), np.zeros(len(pairs)), []
    for centre in VIEWS:
        evidence = Evidence(rows.widths, centre[: len(rows.widths)])
        # Products too small to share: threads that wait for each other double the time.
        with threadpool_limits(1):
            theta = evidence.strengths(sums)
        view = rows.left_out(Ridge.fit(sums, evidence, theta))
        # To one scale before the mean, or the more confident view would decide the ranking by
        # itself.
        total += view / (float(view[weights > 0].std()) or 1.0)
        strengths.append(np.exp(theta[:-1]))
    means = np.mean(strengths, axis=0)
    named = {name: float(f"{v:.3g}") for name, v in zip(BLOCKS, means, strict=False)}
    p_value = sign_flip_p_value(sums.gram, sums.cross, sums.turned, rows.widths)
    return _UnscaledMargins(
        context.scratch.persist_array("margins", total / len(VIEWS)), named, p_value
    )


def _scale_to_log_odds(
    pairs: pl.DataFrame, context: Context, ranked: _UnscaledMargins, within: tuple[Trait, ...]
) -> HeldOutMargins:
    voting, margin = vote_mask(pairs, context), ranked.margin
    if within:
        margin = length_residual_margins(margin, pairs, voting)
    scale = fit_scale(select_rows(margin, voting))
    # Uninformative labels keep their ranking; the small scale shows that it means little.
    margin = margin * max(scale, _MIN_SCALE)
    groups = select_rows(context.prompt_groups(pairs), voting)
    learnability = assess_learnability(select_rows(margin, voting), groups, ranked.p_value)
    margin = context.scratch.persist_array("held out", margin)
    return HeldOutMargins(margin, ranked.strengths, scale, learnability)


def vote_weights(keys: pl.DataFrame, voting: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weight of each vote: votes on the same two answers weigh 1 together, ties nothing.

    Votes that agree would else look like so many labels without noise, and evidence would choose
    features that repeat them.
    """
    weights = voting.astype(np.float64)
    # Only of answers that stand in several pairs: to group all takes a hundred bytes a pair.
    rows = repeated_rows(keys["pair"])
    some = pl.DataFrame({"pair": keys["pair"].gather(rows), "voting": voting[rows]})
    count = some.select(pl.col("voting").sum().over("pair"))["voting"].to_numpy()
    weights[rows] /= np.maximum(count, 1)
    return weights
