"""Why a label disagrees: a flip, another taste, a cycle, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from pydantic import Field
from scipy.special import log_expit

from curate import HIGHER, Column, Context, Parameters
from curate.models.heads.at_heads import gather_held_out_values
from curate.models.heads.calibration import calibrate
from curate.models.heads.folds import group_folds
from curate.models.heads.general_heads import GENERAL_L2, train_general
from curate.models.heads.head_scorer import STATUS, HeadScorer, record_learnability
from curate.models.heads.label_noise import fit_label_noise
from curate.models.heads.mean_gain import MeanDifference
from curate.models.heads.noise_rate import estimate_noise_rate_of_pairs, record_noise_estimate
from curate.models.heads.out_of_fold import answer_features, vote_mask
from curate.models.heads.split_margins import reward_component
from curate.models.people.group_choice import MIN_ANNOTATORS, choose_groups, frequent_annotators
from curate.models.people.preference_groups import (
    AnnotatorVotes,
    PreferenceGroups,
    Train,
    fit_groups,
    member_weights,
    reward_trainer,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EVEN = 0.5
SHARED, TASTE, CYCLE, FLIP = "shared", "taste", "cycle", "flip"


class DisagreementParams(Parameters):
    """Parameters of `disagreement`."""

    groups: int | None = Field(
        None, ge=1, description="Groups of annotators; default found as by pal."
    )
    max_groups: int = Field(4, ge=1, description="Largest number of groups that is tried.")
    least_group: float = Field(
        0.1, ge=0, lt=1, description="Share of the annotators from which on a group's taste counts."
    )
    blocks: int = Field(3, ge=1, description="2 x 2 blocks of a head: each can hold one cycle.")
    folds: int = Field(5, ge=2, description="Folds by prompt.")
    repeats: int = Field(
        3, ge=1, description="Times the folds are drawn anew; margins are averaged."
    )
    l2: float = Field(GENERAL_L2, ge=0, description="Precision of the prior on the heads.")


@dataclass(frozen=True)
class _Own:
    """What the annotator's own group says of the label, (pairs,) each.

    Attributes:
        reward: part of the margin that a reward holds.
        cycle: part that no reward holds.
        others: least margin by another group; NaN for none.
    """

    reward: NDArray[np.float64]
    cycle: NDArray[np.float64]
    others: NDArray[np.float64]

    @property
    def margin(self) -> NDArray[np.float64]:
        """Both parts."""
        return self.reward + self.cycle


class Disagreement(HeadScorer[DisagreementParams]):
    """Splits pairs into shared preference, taste, cycles and flips, by one model of all three.

    Annotators belong to groups (PAL), and each group has an antisymmetric head that may hold cycles
    (GPM), both held out; the head's margin is split into what a reward holds and what none can. A
    label that its own group's margin makes improbable, at the rate of flips that fits (RE-PO), is a
    flip. What is left is a cycle where the cyclic part is the larger one, taste where another
    group's margin says the opposite, else shared. Without three annotators of five votes or more
    all are one group, and nothing is called taste; where general heads do not surely predict better
    than rewards, nothing is called a cycle.
    """

    name = "disagreement"
    purpose = "taste, annotators, context"
    when = (
        "When people may differ in taste. With one taste and no cycles it calls nothing "
        "taste. With 3,000 pairs and narrow margins kinds are right in .78 of the cases."
    )
    summary = "flip, taste, cycle or shared: one model of groups, cycles and flips together"
    reference = "after PAL, arXiv 2406.08469; GPM, arXiv 2410.02197; RE-PO, arXiv 2509.24159"
    Params = DisagreementParams

    def columns(self) -> tuple[Column, ...]:
        """The kind and what it rests on."""
        own = "held-out margin by the annotator's own group"
        return (
            Column("kind", f"{SHARED}, {TASTE}, {CYCLE} or {FLIP}", "text"),
            Column(
                "posterior",
                "probability that the label is what its annotator's group meant",
                "float",
                HIGHER,
                "0 to 1",
            ),
            Column("margin", own, "float", HIGHER, "nats"),
            Column("reward", "the part of it that a reward holds", "float", HIGHER, "nats"),
            Column("cycle", "the part of it that no reward holds", "float", HIGHER, "nats"),
            Column(
                "others",
                "least margin by another group that counts; null without any",
                "float",
                HIGHER,
                "nats",
            ),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Kinds of all pairs; their shares, the groups and the rate of flips are facts."""
        voting = vote_mask(pairs, context)
        given, groups, known = self._votes(pairs, voting, context), self.params.groups, []
        cyclic: bool | None = None
        for repeat in range(self.params.repeats):
            seed = context.step_seed(self.name, repeat)
            folds = group_folds(context.prompt_groups(pairs), self.params.folds, seed)
            drawn = replace(given, fold=folds)
            train = self._trainer(drawn, seed)
            # Asked once: the answer holds for all draws, which share their settings.
            if cyclic is None:
                cyclic = _cyclic(drawn, train, seed)
            if not cyclic:
                train = reward_trainer(drawn, seed)
            found = choose_groups(drawn, train, groups, self.params.max_groups, context, seed)
            # The first draw chooses how many groups there are; margins of other numbers could not
            # be averaged.
            groups = len(found.sizes)
            known.append(self._margins(drawn, found, seed) if cyclic else self._plain(drawn, found))
        general, plain = (_averaged([draw[i] for draw in known]) for i in (0, 1))
        own = general if _surely_better(general, plain, voting, context) else plain
        learnt = record_learnability(own.margin, pairs, context)
        noise = fit_label_noise(own.margin[voting])
        told = estimate_noise_rate_of_pairs(own.margin, voting, pairs, context)
        right = np.where(voting, noise.posterior(own.margin), np.nan)
        record_noise_estimate(told, right, context)
        scaled = {name: noise.scale * value for name, value in vars(own).items()}
        frame = pl.DataFrame(
            {"posterior": right, "vote": voting} | {"margin": noise.scale * own.margin} | scaled
        ).with_columns(pl.col("others").fill_nan(None))
        frame = frame.with_columns(kind=pl.when("vote").then(_kind()))
        context.facts["shares"] = _shares(frame["kind"].drop_nulls())
        if not learnt.ok:
            # It would be where the fit of the noise started or ended.
            frame = frame.with_columns(posterior=pl.lit(None, dtype=pl.Float64))
        return frame

    def _votes(
        self, pairs: pl.DataFrame, voting: NDArray[np.bool_], context: Context
    ) -> AnnotatorVotes:
        """Votes by annotator, or by one person where too few annotators are known."""
        chosen, rejected = answer_features(context, "embedding")
        names, annotator = frequent_annotators(pairs["annotator"], voting)
        if len(names) < MIN_ANNOTATORS:
            context.warnings.append(
                f"disagreement: {len(names)} annotators with votes enough (it needs "
                f"{MIN_ANNOTATORS}), so that taste cannot be told from noise"
            )
            # One person for all votes: then nothing can be called taste.
            annotator = np.where(voting, 0, -1)
        prompt = context.prompt_groups(pairs)
        return AnnotatorVotes(chosen, rejected, annotator, np.zeros_like(prompt), prompt)

    def _trainer(self, given: AnnotatorVotes, seed: int) -> Train:
        p, sides = self.params, (given.chosen, given.rejected)
        return lambda weights: train_general(*sides, weights, seed, p.blocks, p.l2)

    def _plain(self, given: AnnotatorVotes, groups: PreferenceGroups) -> tuple[_Own, _Own]:
        """Of reward heads alone, in the place of both."""
        found = self._own(groups.margins, groups.margins, given, groups)
        return found, found

    def _margins(
        self, given: AnnotatorVotes, groups: PreferenceGroups, seed: int
    ) -> tuple[_Own, _Own]:
        """Of general heads, and of reward heads that learn the same votes."""
        plain = reward_trainer(given, seed)(member_weights(given, groups.members))
        # Heads stand by fold and within it by group.
        order = torch.from_numpy(given.fold[:, None] * groups.margins.shape[1])
        order = order + torch.arange(groups.margins.shape[1])
        rewards = gather_held_out_values(plain.margins, given.chosen, given.rejected, order)
        general = self._own(reward_component(given, groups), groups.margins, given, groups)
        return general, self._own(rewards, rewards, given, groups)

    def _own(
        self,
        reward: NDArray[np.float64],
        whole: NDArray[np.float64],
        given: AnnotatorVotes,
        groups: PreferenceGroups,
    ) -> _Own:
        """Of (pairs, K) margins and the part of them that is reward."""
        member = groups.member_of(given)
        own, rest = ((member * part).sum(axis=1) for part in (reward, whole - reward))
        return _Own(own, rest, _others(whole, member, groups.sizes, self.params.least_group))


def _cyclic(given: AnnotatorVotes, train: Train, seed: int) -> bool:
    """Whether general heads rank held-out labels better than reward heads, all people as one.

    If not they would but blur the groups.
    """
    margins = (fit_groups(given, 1, t, seed).margins for t in (train, reward_trainer(given, seed)))
    first, second = (m[given.annotator >= 0, 0] for m in margins)
    fits = (log_expit(m * calibrate(m).scale).mean() for m in (first, second))
    return bool(next(fits) > next(fits))


def _averaged(draws: list[_Own]) -> _Own:
    """The mean over draws of the folds."""
    reward, cycle, others = (
        np.mean([getattr(draw, name) for draw in draws], axis=0)
        for name in ("reward", "cycle", "others")
    )
    return _Own(reward, cycle, others)


def _surely_better(general: _Own, plain: _Own, voting: NDArray[np.bool_], context: Context) -> bool:
    """Whether general heads predict held-out labels surely better than rewards do."""
    margins = (own.margin[voting] for own in (general, plain))
    first, second = (log_expit(m * calibrate(m).scale) for m in margins)
    gain = MeanDifference.of(first - second)
    context.facts |= gain.facts("gain_of_cycles")
    return gain.sure


def _others(
    margins: NDArray[np.float64],
    member: NDArray[np.float64],
    sizes: NDArray[np.float64],
    least: float,
) -> NDArray[np.float64]:
    """Least margin among the groups that count and are not the annotator's own; NaN for none."""
    counts = (sizes >= least) & (np.arange(len(sizes)) != member.argmax(axis=1)[:, None])
    lowest = np.where(counts, margins, np.inf).min(axis=1)
    return np.where(np.isfinite(lowest), lowest, np.nan)


def _kind() -> pl.Expr:
    return (
        pl.when(pl.col("posterior") < _EVEN)
        .then(pl.lit(FLIP))
        .when(pl.col("cycle").abs() > pl.col("reward").abs())
        .then(pl.lit(CYCLE))
        .when((pl.col("others") < 0).fill_null(False))
        .then(pl.lit(TASTE))
        .otherwise(pl.lit(SHARED))
    )


def _shares(kinds: pl.Series) -> dict[str, float]:
    counts = dict(kinds.value_counts().rows())
    return {
        kind: round(counts.get(kind, 0) / max(len(kinds), 1), 4)
        for kind in (SHARED, TASTE, CYCLE, FLIP)
    }
