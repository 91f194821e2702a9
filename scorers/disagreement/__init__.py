"""Why a label disagrees: a flip, another taste, a cycle, or none of these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from pydantic import Field
from scipy.special import log_expit

from curate import HIGHER, Column, Context, Parameters
from curate.scorers.disagreement.label_noise import fit_label_noise
from curate.scorers.disagreement.split_margins import reward_component
from curate.scoring import (
    STATUS,
    HeldOutScorer,
    MeanDifference,
    calibrate,
    group_folds,
    record_learnability,
    vote_mask,
)
from curate.scoring.annotators import (
    MIN_ANNOTATORS,
    AnnotatorVotes,
    PreferenceGroups,
    Train,
    choose_groups,
    fit_groups,
    frequent_annotators,
    member_weights,
    reward_trainer,
)
from curate.scoring.heads import (
    GENERAL_L2,
    answer_features,
    estimate_noise_rate_of_pairs,
    gather_held_out_values,
    record_noise_estimate,
    train_general,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A label is called a flip where it is more likely wrong than right.
_FLIP_BELOW = 0.5
# Values of the column `kind`.
SHARED, TASTE, CYCLE, FLIP = "shared", "taste", "cycle", "flip"


class DisagreementParams(Parameters):
    """Parameters of `disagreement`."""

    groups: int | None = Field(
        None, ge=1, description="Number of groups of annotators; default: chosen as in pal."
    )
    max_groups: int = Field(4, ge=1, description="Largest number of groups to try.")
    least_group: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Smallest share of the annotators whose taste counts as a group's.",
    )
    blocks: int = Field(3, ge=1, description="2 x 2 blocks of a head: each can express one cycle.")
    folds: int = Field(5, ge=2, description="Folds by prompt.")
    repeats: int = Field(3, ge=1, description="Random redraws of the folds; margins are averaged.")
    l2: float = Field(GENERAL_L2, ge=0, description="Precision of the prior on the heads.")


@dataclass(frozen=True)
class _GroupMargins:
    """Margins of the label by the annotator's own group, (pairs,) each.

    Attributes:
        reward: component of the margin that a reward can express.
        cycle: component that no reward can express.
        other_groups: smallest margin by another group; NaN without one.
    """

    reward: NDArray[np.float64]
    cycle: NDArray[np.float64]
    other_groups: NDArray[np.float64]

    @property
    def margin(self) -> NDArray[np.float64]:
        """Return the sum of both components."""
        return self.reward + self.cycle


class Disagreement(HeldOutScorer[DisagreementParams]):
    """Explain why a label disagrees: a shared preference, taste, a cycle or a flip.

    Annotators belong to groups (PAL, arXiv 2406.08469); each group has an antisymmetric head that
    can express cycles (GPM, arXiv 2410.02197), and both are held out. `margin` of the annotator's
    own group is split into `reward` + `cycle` (nats); `others` is the smallest margin of another
    group. A label is a `flip` where its `posterior`, by the fitted flip rate (RE-PO, arXiv
    2509.24159), is below 1/2; else a `cycle` where |cycle| > |reward|, `taste` where another
    group's margin is negative, else `shared`. Taste needs three annotators of five votes or more;
    cycles need general heads that predict held-out votes better than rewards do. Use it when people
    may differ in taste.

    Examples:
        >>> step = Disagreement(groups=2, folds=5)
        >>> [column.name for column in step.columns()]
        ['kind', 'posterior', 'margin', 'reward', 'cycle', 'others', 'status']
    """

    name = "disagreement"
    purpose = "taste, annotators, context"
    when = (
        "When people may differ in taste. With one taste and no cycles it calls nothing taste; "
        "with 3,000 pairs and narrow margins 78 % of the kinds are right."
    )
    summary = "flip, taste, cycle or shared: one model of groups, cycles and flips together"
    reference = "after PAL, arXiv 2406.08469; GPM, arXiv 2410.02197; RE-PO, arXiv 2509.24159"
    Params = DisagreementParams

    def columns(self) -> tuple[Column, ...]:
        """Return the kind and its grounds."""
        group_margin = "held-out margin by the annotator's own group"
        return (
            Column("kind", f"{SHARED}, {TASTE}, {CYCLE} or {FLIP}", "text"),
            Column(
                "posterior",
                "probability that the label is what its annotator's group prefers",
                "float",
                HIGHER,
                "0 to 1",
            ),
            Column("margin", group_margin, "float", HIGHER, "nats"),
            Column("reward", "component of it that a reward can express", "float", HIGHER, "nats"),
            Column("cycle", "component of it that no reward can express", "float", HIGHER, "nats"),
            Column(
                "others",
                "smallest margin of another group that counts; null without any",
                "float",
                HIGHER,
                "nats",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return kinds of all pairs; their shares, the groups and the flip rate are facts."""
        voting = vote_mask(pairs, context)
        general, rewards = self._averaged_margins(pairs, voting, context)
        margins = general if _is_surely_better(general, rewards, voting, context) else rewards
        learnt = record_learnability(margins.margin, pairs, context)
        noise = fit_label_noise(margins.margin[voting])
        estimate = estimate_noise_rate_of_pairs(margins.margin, voting, pairs, context)
        posterior = np.where(voting, noise.posterior(margins.margin), np.nan)
        record_noise_estimate(estimate, posterior, context)
        frame = pl.DataFrame(
            {
                "posterior": posterior,
                "vote": voting,
                "margin": noise.scale * margins.margin,
                "reward": noise.scale * margins.reward,
                "cycle": noise.scale * margins.cycle,
                "others": noise.scale * margins.other_groups,
            }
        ).with_columns(pl.col("others").fill_nan(None))
        frame = frame.with_columns(kind=pl.when("vote").then(_kind_expression()))
        context.facts["shares"] = _kind_shares(frame["kind"].drop_nulls())
        if not learnt.ok:
            # Without learnable labels the fitted posterior is an artefact of the starting point.
            frame = frame.with_columns(posterior=pl.lit(None, dtype=pl.Float64))
        return frame

    def _averaged_margins(
        self, pairs: pl.DataFrame, voting: NDArray[np.bool_], context: Context
    ) -> tuple[_GroupMargins, _GroupMargins]:
        """Return margins of general and of reward heads, averaged over draws of the folds."""
        all_votes, groups, draws = self._votes(pairs, voting, context), self.params.groups, []
        cyclic: bool | None = None
        for repeat in range(self.params.repeats):
            seed = context.step_seed(self.name, repeat)
            folds = group_folds(context.prompt_groups(pairs), self.params.folds, seed)
            fold_votes = replace(all_votes, fold=folds)
            train = self._trainer(fold_votes, seed)
            # Decided once: all draws share their settings, so the answer holds for them too.
            if cyclic is None:
                cyclic = _are_preferences_cyclic(fold_votes, train, seed)
            if not cyclic:
                train = reward_trainer(fold_votes, seed)
            fitted = choose_groups(fold_votes, train, groups, self.params.max_groups, context, seed)
            # The first draw chooses the number of groups: margins of different numbers of groups
            # cannot be averaged.
            groups = len(fitted.sizes)
            draws.append(
                self._both_margins(fold_votes, fitted, seed)
                if cyclic
                else self._reward_margins(fold_votes, fitted)
            )
        general, rewards = zip(*draws, strict=True)
        return _average_draws(general), _average_draws(rewards)

    def _votes(
        self, pairs: pl.DataFrame, voting: NDArray[np.bool_], context: Context
    ) -> AnnotatorVotes:
        """Return votes by annotator, or by one person where too few annotators are known."""
        chosen, rejected = answer_features(pairs, context, "embedding")
        names, annotator = frequent_annotators(pairs["annotator"], voting)
        if len(names) < MIN_ANNOTATORS:
            context.warnings.append(
                f"disagreement: {len(names)} annotators with enough votes (it needs "
                f"{MIN_ANNOTATORS}), so taste and noise cannot be distinguished"
            )
            # One person for all votes, so that no pair can be called taste.
            annotator = np.where(voting, 0, -1)
        prompt = context.prompt_groups(pairs)
        return AnnotatorVotes(chosen, rejected, annotator, np.zeros_like(prompt), prompt)

    def _trainer(self, fold_votes: AnnotatorVotes, seed: int) -> Train:
        p, sides = self.params, (fold_votes.chosen, fold_votes.rejected)
        return lambda weights: train_general(*sides, weights, seed, p.blocks, p.l2)

    def _reward_margins(
        self, fold_votes: AnnotatorVotes, groups: PreferenceGroups
    ) -> tuple[_GroupMargins, _GroupMargins]:
        """Return the margins of reward heads in place of both kinds."""
        margins = self._group_margins(groups.margins, groups.margins, fold_votes, groups)
        return margins, margins

    def _both_margins(
        self, fold_votes: AnnotatorVotes, groups: PreferenceGroups, seed: int
    ) -> tuple[_GroupMargins, _GroupMargins]:
        """Return margins of general heads, and of reward heads that learn the same votes."""
        reward_heads = reward_trainer(fold_votes, seed)(member_weights(fold_votes, groups.members))
        # Heads are ordered by fold, then by group.
        order = torch.from_numpy(fold_votes.fold[:, None] * groups.margins.shape[1])
        order = order + torch.arange(groups.margins.shape[1])
        rewards = gather_held_out_values(
            reward_heads.margins, fold_votes.chosen, fold_votes.rejected, order
        )
        general = self._group_margins(
            reward_component(fold_votes, groups), groups.margins, fold_votes, groups
        )
        return general, self._group_margins(rewards, rewards, fold_votes, groups)

    def _group_margins(
        self,
        reward: NDArray[np.float64],
        margins: NDArray[np.float64],
        fold_votes: AnnotatorVotes,
        groups: PreferenceGroups,
    ) -> _GroupMargins:
        """Split (pairs, K) margins into the reward component and the cyclic rest."""
        member = groups.member_of(fold_votes)
        reward_margin, cyclic_margin = (
            (member * part).sum(axis=1) for part in (reward, margins - reward)
        )
        return _GroupMargins(
            reward_margin,
            cyclic_margin,
            _least_other_margin(margins, member, groups.sizes, self.params.least_group),
        )


def _are_preferences_cyclic(fold_votes: AnnotatorVotes, train: Train, seed: int) -> bool:
    """Return whether general heads predict held-out labels better than reward heads.

    All people are taken as one group. If they do not, general heads would only blur the groups.
    """
    margins = (
        fit_groups(fold_votes, 1, t, seed).margins
        for t in (train, reward_trainer(fold_votes, seed))
    )
    voted = (m[fold_votes.annotator >= 0, 0] for m in margins)
    general, reward = (log_expit(m * calibrate(m).scale).mean() for m in voted)
    return bool(general > reward)


def _average_draws(draws: tuple[_GroupMargins, ...]) -> _GroupMargins:
    """Return the mean over the repeated draws of folds."""
    reward, cycle, other_groups = (
        np.mean([getattr(draw, name) for draw in draws], axis=0)
        for name in ("reward", "cycle", "other_groups")
    )
    return _GroupMargins(reward, cycle, other_groups)


def _is_surely_better(
    general: _GroupMargins, rewards: _GroupMargins, voting: NDArray[np.bool_], context: Context
) -> bool:
    """Return whether general heads predict held-out labels better than chance explains."""
    margins = (group_margins.margin[voting] for group_margins in (general, rewards))
    general_fit, reward_fit = (log_expit(m * calibrate(m).scale) for m in margins)
    gain = MeanDifference.of(general_fit - reward_fit)
    context.facts.update(gain.facts("gain_of_cycles"))
    return gain.sure


def _least_other_margin(
    margins: NDArray[np.float64],
    member: NDArray[np.float64],
    sizes: NDArray[np.float64],
    min_size: float,
) -> NDArray[np.float64]:
    """Return the least margin among other groups large enough to count; NaN for none."""
    counts = (sizes >= min_size) & (np.arange(len(sizes)) != member.argmax(axis=1)[:, None])
    lowest = np.where(counts, margins, np.inf).min(axis=1)
    return np.where(np.isfinite(lowest), lowest, np.nan)


def _kind_expression() -> pl.Expr:
    return (
        pl.when(pl.col("posterior") < _FLIP_BELOW)
        .then(pl.lit(FLIP))
        .when(pl.col("cycle").abs() > pl.col("reward").abs())
        .then(pl.lit(CYCLE))
        .when((pl.col("others") < 0).fill_null(False))
        .then(pl.lit(TASTE))
        .otherwise(pl.lit(SHARED))
    )


def _kind_shares(kinds: pl.Series) -> dict[str, float]:
    counts = dict(kinds.value_counts().rows())
    return {
        kind: round(counts.get(kind, 0) / max(len(kinds), 1), 4)
        for kind in (SHARED, TASTE, CYCLE, FLIP)
    }
