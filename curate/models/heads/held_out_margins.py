"""The held-out margin of every label, from everything that is cheap to see of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from curate.data.duplicates import repeated_rows
from curate.models.heads.calibration import fit_scale
from curate.models.heads.evidence_ridge import Evidence, Ridge, sum_of
from curate.models.heads.identification import Identification, identify, silenced
from curate.models.heads.label_noise import fit_label_noise
from curate.models.heads.noise_rate import vote_evidence
from curate.models.heads.out_of_fold import votes
from curate.models.heads.prompt_order import PromptOrder
from curate.models.heads.ridge_rows import RidgeRows, RidgeRowsHere
from curate.models.heads.within_length import within_length
from curate.steps.context import Context
from curate.store.row_blocks import some_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = ("embedding", "counts", "style", "prior", "length")
VIEWS = ((-6.0, -6.0, -6.0, -4.0, -2.0), (-4.0, -4.0, -4.0, -4.0, -4.0))
"""Two beliefs about how strong each block is; chosen, as all here, on Auto-J and LLMBar alone."""
Trait = Literal["length"]
# A scale of 0 would tie all margins, and their order is what is known best.
_LEAST_SCALE = 0.01
# Labels that heads predict no better than a coin fit no noise model.
_MOST_ERROR = 0.49


@dataclass(frozen=True)
class HeldOut:
    """Margins of all pairs, in log odds of the observed label where labels tell anything.

    Attributes:
        margin: (pairs,) of the observed label, by what other prompts' labels teach.
        votes: (pairs,) what other votes on the same two answers say for it, nats; see
            `vote_evidence`.
        right: (pairs,) log odds that the label is right where votes on the same answers tell how
            often one is wrong: both together. Else `margin`.
        strengths: mean variance of each of `BLOCKS` over folds and views.
        scale: of greatest likelihood on the labels, by which margins were multiplied; 0 where the
            labels tell nothing.
        learnt: whether heads learn anything from the labels.
    """

    margin: NDArray[np.float64]
    votes: NDArray[np.float64]
    right: NDArray[np.float64]
    strengths: dict[str, float]
    scale: float
    learnt: Identification

    @property
    def tells(self) -> NDArray[np.bool_]:
        """Whether heads, or other votes on the same answers, tell anything of each label."""
        found: NDArray[np.bool_] = self.learnt.ok | (self.votes != 0.0)
        return found

    def status(self, status: pl.Series) -> pl.Series:
        """The status of each pair; where heads learn nothing it says so, but for pairs of votes."""
        return silenced(status, pl.Series(~self.tells))


def held_out_margins(
    pairs: pl.DataFrame, context: Context, style: bool = True, within: tuple[Trait, ...] = ()
) -> HeldOut:
    """Margins by evidence ridge on the blocks of `PairBlocks`, averaged over two views.

    Strengths for the pairs of a fold are chosen without the fold's labels, and each margin without
    the labels of its own prompt, in closed form. Folds go by the prompts' hashes: the order of
    rows does not matter. No gold label is used.

    Args:
        pairs: the pair table.
        context: of the scorer.
        style: whether heads see counts, style and length, and not embeddings alone.
        within: traits of which pairs that differ alike are compared with each other alone; see
            `within_length`.
    """
    key = ("held-out margins", style)
    ranked = context.shared(key, lambda: _ranked(pairs, context, style))
    return context.shared((*key, within), lambda: _scaled(pairs, context, ranked, within))


@dataclass(frozen=True)
class _Ranked:
    """Margins of no fixed scale, the strengths behind them, and the keys of the pairs."""

    margin: NDArray[np.float64]
    strengths: dict[str, float]
    keys: pl.DataFrame


def _ranked(pairs: pl.DataFrame, context: Context, style: bool) -> _Ranked:
    keys = context.vote_keys(pairs)
    weights = _weights(keys, votes(pairs, context))
    rows = _rows(pairs, context, weights, style)
    parts, total, strengths = rows.sums(), np.zeros(len(pairs)), []
    whole = sum_of(parts)
    for centre in VIEWS:
        evidence, ridges = Evidence(rows.widths, centre[: len(rows.widths)]), []
        for part in parts:
            # Products too small to share: threads that wait for each other double the time.
            with threadpool_limits(1):
                theta = evidence.strengths(whole.without(part))
            ridges.append(Ridge.fit(whole, evidence, theta))
            strengths.append(np.exp(theta[:-1]))
        view = rows.left_out(ridges)
        total += view / (float(view[weights > 0].std()) or 1.0)
    means = np.mean(strengths, axis=0)
    named = {name: float(f"{v:.3g}") for name, v in zip(BLOCKS, means, strict=False)}
    return _Ranked(context.workspace.kept("margins", total / len(VIEWS)), named, keys)


def _rows(
    pairs: pl.DataFrame, context: Context, weights: NDArray[np.float64], style: bool
) -> RidgeRows:
    """The pairs with the workers of the run, where it has any, or here."""
    if context.workers is not None:
        from curate.models.heads.pair_parts import pair_parts
        from curate.models.heads.part_ridge import RidgeRowsInParts

        return RidgeRowsInParts(pair_parts(pairs, context), pairs, weights, style)
    keys = pairs["pair_id"], context.vote_keys(pairs)["prompt"]
    order = PromptOrder.of(*keys, context.workspace)
    return RidgeRowsHere(pairs, context.features, order, weights, style)


def _scaled(
    pairs: pl.DataFrame, context: Context, ranked: _Ranked, within: tuple[Trait, ...]
) -> HeldOut:
    voting, margin = votes(pairs, context), ranked.margin
    if within:
        margin = within_length(margin, pairs, voting)
    scale = fit_scale(some_of(margin, voting))
    # A ranking stays where the labels tell nothing; its size then says so.
    margin = margin * max(scale, _LEAST_SCALE)
    others = vote_evidence(pairs, ranked.keys)
    right = margin
    if others.error is not None:
        # Of the label that is right, not of the one that was given: flips make margins small.
        noise = fit_label_noise(some_of(margin, voting), 1.0 - min(others.error, _MOST_ERROR))
        right = noise.scale * margin + others.nats
    groups = some_of(context.prompt_groups(pairs), voting)
    learnt = identify(some_of(margin, voting), groups)
    margin, nats, right = (
        context.workspace.kept("held out", values) for values in (margin, others.nats, right)
    )
    return HeldOut(margin, nats, right, ranked.strengths, scale, learnt)


def _weights(keys: pl.DataFrame, voting: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each vote; all votes on the same two answers weigh 1 together, ties nothing.

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
