"""Groups of annotators who prefer differently, and the pairs on which they differ."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, logit

from curate import HIGHER, Column, Context, Parameters
from curate.models.heads.folds import group_folds
from curate.models.heads.head_scorer import HeadScorer, record_learnability
from curate.models.heads.out_of_fold import answer_features, training_status, vote_mask
from curate.models.people.group_choice import (
    MIN_ANNOTATORS,
    MIN_VOTES,
    choose_groups,
    frequent_annotators,
)
from curate.models.people.preference_groups import AnnotatorVotes, PreferenceGroups, reward_trainer

NO_ANNOTATORS = "no annotators"
_EDGE = 1e-9


class PALParams(Parameters):
    """Parameters of `pal`."""

    groups: int | None = Field(
        None, ge=1, description="Groups K; default the K of best held-out likelihood."
    )
    max_groups: int = Field(4, ge=1, description="Largest K that is tried.")
    folds: int = Field(5, ge=2, description="Folds by prompt.")


class PAL(HeadScorer[PALParams]):
    """A mixture of K reward heads; annotators belong to groups by how they voted elsewhere.

    A vote that its annotator's group supports is taste, however many others disagree; one that
    speaks against the annotator's own group is suspect. Groups hold a linear reward each: PAL's
    ideal points with a common answer map are the linear case of it. Without three annotators of
    five votes or more it gives no scores and says so.
    """

    name = "pal"
    purpose = "taste, annotators, context"
    when = "When three annotators or more with five votes or more each may form groups."
    summary = "groups of annotators with rewards of their own; controversy of each pair (PAL)"
    reference = "PAL: Pluralistic Alignment, arXiv 2406.08469"
    Params = PALParams

    def columns(self) -> tuple[Column, ...]:
        """What the annotator's own group says, and how far groups differ."""
        return (
            Column(
                "margin",
                "held-out log odds of the label for its annotator, groups weighed by membership",
                "float",
                HIGHER,
                "nats",
            ),
            Column(
                "controversy",
                "standard deviation over groups of the label's probability, weighed by group size",
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
        """Held-out scores of all pairs; sizes of groups and the choice of K are facts."""
        voting = vote_mask(pairs, context)
        names, annotator = frequent_annotators(pairs["annotator"], voting)
        if len(names) < MIN_ANNOTATORS:
            context.warnings.append(
                f"pal: {len(names)} annotators with {MIN_VOTES} votes or more, it needs "
                f"{MIN_ANNOTATORS}: no scores"
            )
            nothing = pl.repeat(None, len(pairs), eager=True)
            return pl.DataFrame({"margin": nothing, "controversy": nothing, "group": nothing})
        chosen, rejected = answer_features(context, "embedding")
        p, seed = self.params, context.step_seed(self.name)
        prompt = context.prompt_groups(pairs)
        given = AnnotatorVotes(
            chosen, rejected, annotator, group_folds(prompt, p.folds, seed), prompt
        )
        found = choose_groups(
            given, reward_trainer(given, seed), p.groups, p.max_groups, context, seed
        )
        frame = _frame(found, given)
        record_learnability(frame["margin"].fill_null(float("nan")).to_numpy(), pairs, context)
        return frame

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """As the contract says; pairs whose annotator is not known get no scores."""
        scores = super().score(pairs, context)
        known = scores["margin"].is_not_null() | (training_status(pairs, context) != "ok")
        said = pl.when(pl.Series(known)).then("status").otherwise(pl.lit(NO_ANNOTATORS))
        return scores.with_columns(said.alias("status"))


def _frame(found: PreferenceGroups, given: AnnotatorVotes) -> pl.DataFrame:
    known = given.annotator >= 0
    member = found.member_of(given)
    probability, sizes = expit(found.margins), found.sizes
    own = np.clip((member * probability).sum(axis=1), _EDGE, 1.0 - _EDGE)
    centre = (sizes * probability).sum(axis=1, keepdims=True)
    spread = np.sqrt((sizes * np.square(probability - centre)).sum(axis=1))
    group = pl.Series(member.argmax(axis=1)).to_frame("g").with_columns(k=pl.Series(known))
    return pl.DataFrame(
        {
            "margin": pl.Series(np.where(known, logit(own), np.nan)).fill_nan(None),
            "controversy": pl.Series(np.where(known, spread, np.nan)).fill_nan(None),
            "group": group.select(g=pl.when("k").then("g"))["g"],
        }
    )
