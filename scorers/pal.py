"""Groups of annotators with different preferences, and the pairs on which they differ."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, logit

from curate import HIGHER, Column, Context, Parameters
from curate.scoring import (
    HeldOutScorer,
    group_folds,
    record_learnability,
    training_status,
    vote_mask,
)
from curate.scoring.annotators import (
    MIN_ANNOTATORS,
    MIN_VOTES,
    AnnotatorVotes,
    PreferenceGroups,
    choose_groups,
    frequent_annotators,
    reward_trainer,
)
from curate.scoring.heads import answer_features

NO_ANNOTATORS = "no annotators"
# Keeps the log odds finite where all heads are certain.
_PROBABILITY_MARGIN = 1e-9


class PALParams(Parameters):
    """Parameters of `pal`."""

    groups: int | None = Field(
        None, ge=1, description="Groups K; default the K of best held-out likelihood."
    )
    max_groups: int = Field(4, ge=1, description="Largest K to try.")
    folds: int = Field(5, ge=2, description="Folds by prompt.")


class PAL(HeldOutScorer[PALParams]):
    """Fit a mixture of K reward heads, to which annotators belong by how they voted elsewhere.

    `margin` is the held-out log odds of the label for its annotator in nats, `controversy` the
    standard deviation of the label's probability over groups, 0 to 0.5, `group` the annotator's
    most likely group, from 0. A vote that its annotator's group supports is taste, however many
    others disagree; one against its own group is suspect. It deviates from PAL (arXiv 2406.08469):
    reward heads of groups, to one of which an annotator mostly belongs, instead of ideal points in
    a learned map of answers and mixtures of them. It needs three annotators with five votes or more
    each.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": f"Is {i} odd?", "chosen": "yes", "rejected": "no"} for i in range(6)]
        >>> scores = score(rows, "pal")
        >>> scores.frame["pal.status"].unique().to_list()
        ['no annotators']
    """

    name = "pal"
    purpose = "taste, annotators, context"
    when = "When three annotators or more, with five votes or more each, may form groups."
    summary = "groups of annotators with separate rewards; controversy of each pair (PAL)"
    reference = "PAL: Pluralistic Alignment, arXiv 2406.08469"
    Params = PALParams

    def columns(self) -> tuple[Column, ...]:
        """Return the margin of the annotator's own group, and how much groups differ."""
        return (
            Column(
                "margin",
                "held-out log odds of the label for its annotator, groups weighted by membership",
                "float",
                HIGHER,
                "nats",
            ),
            Column(
                "controversy",
                "standard deviation over groups of the label's probability, weighted by group size",
                unit="0 to 0.5",
            ),
            Column("group", "the group to which the annotator most likely belongs, from 0", "int"),
            Column(
                "status",
                f"ok; tie, identical answers, too few prompts, or '{NO_ANNOTATORS}'",
                "text",
            ),
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return held-out scores of all pairs; group sizes and the choice of K are facts."""
        voting = vote_mask(pairs, context)
        names, annotator = frequent_annotators(pairs["annotator"], voting)
        if len(names) < MIN_ANNOTATORS:
            context.warnings.append(
                f"pal: {len(names)} annotators with {MIN_VOTES} votes or more, but it needs "
                f"{MIN_ANNOTATORS}; no scores"
            )
            nulls = pl.repeat(None, len(pairs), eager=True)
            return pl.DataFrame({"margin": nulls, "controversy": nulls, "group": nulls})
        chosen, rejected = answer_features(pairs, context, "embedding")
        p, seed = self.params, context.step_seed(self.name)
        prompt = context.prompt_groups(pairs)
        member_votes = AnnotatorVotes(
            chosen, rejected, annotator, group_folds(prompt, p.folds, seed), prompt
        )
        groups = choose_groups(
            member_votes, reward_trainer(member_votes, seed), p.groups, p.max_groups, context, seed
        )
        frame = _group_scores(groups, member_votes)
        record_learnability(frame["margin"].fill_null(float("nan")).to_numpy(), pairs, context)
        return frame

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs; those of unknown annotators get no scores."""
        scores = super().score(pairs, context)
        # A tie or too few prompts is the better reason, where both apply.
        has_status = scores["margin"].is_not_null() | (training_status(pairs, context) != "ok")
        reason = pl.when(pl.Series(has_status)).then("status").otherwise(pl.lit(NO_ANNOTATORS))
        return scores.with_columns(reason.alias("status"))


def _group_scores(groups: PreferenceGroups, member_votes: AnnotatorVotes) -> pl.DataFrame:
    has_group = member_votes.annotator >= 0
    member = groups.member_of(member_votes)
    probability, sizes = expit(groups.margins), groups.sizes
    # A mixture: each group votes by its weight in the annotator's membership.
    label_probability = np.clip(
        (member * probability).sum(axis=1), _PROBABILITY_MARGIN, 1.0 - _PROBABILITY_MARGIN
    )
    # Controversy: spread of the groups' probabilities around the population's mean.
    centre = (sizes * probability).sum(axis=1, keepdims=True)
    spread = np.sqrt((sizes * np.square(probability - centre)).sum(axis=1))
    group = pl.Series(member.argmax(axis=1)).to_frame("g").with_columns(k=pl.Series(has_group))
    return pl.DataFrame(
        {
            "margin": pl.Series(np.where(has_group, logit(label_probability), np.nan)).fill_nan(
                None
            ),
            "controversy": pl.Series(np.where(has_group, spread, np.nan)).fill_nan(None),
            "group": group.select(g=pl.when("k").then("g"))["g"],
        }
    )
