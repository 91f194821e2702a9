"""Groups of annotators who prefer differently, and the pairs on which they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, logit

from curate.context import Context
from curate.models.folds import group_folds
from curate.models.head_scorer import HeadScorer
from curate.models.heads import HeadSpec
from curate.models.out_of_fold import answers, status, votes
from curate.models.preference_groups import Groups, Votes, fit_groups
from curate.pairs import dense_numbers
from curate.steps import HIGHER, Column, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ANNOTATORS = "no annotators"
_FEWEST_PEOPLE, _FEWEST_VOTES = 4, 5
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
    ideal points with a common answer map are the linear case of it. Without four annotators of five
    votes or more it gives no scores and says so.
    """

    name = "pal"
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
        voting = votes(pairs, context)
        names, annotator = _people(pairs["annotator"], voting)
        if len(names) < _FEWEST_PEOPLE:
            context.warnings.append(
                f"pal: {len(names)} annotators with {_FEWEST_VOTES} votes or more, it needs "
                f"{_FEWEST_PEOPLE}: no scores"
            )
            nothing = pl.repeat(None, len(pairs), eager=True)
            return pl.DataFrame({"margin": nothing, "controversy": nothing, "group": nothing})
        chosen, rejected = answers(context, "embedding")
        folds = group_folds(
            context.prompt_groups(pairs), self.params.folds, context.step_seed(self.name)
        )
        given = Votes(chosen, rejected, annotator, folds)
        found = self._best(given, context)
        return _frame(found, annotator)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """As the contract says; pairs whose annotator is not known get no scores."""
        scores = super().score(pairs, context)
        known = scores["margin"].is_not_null() | (status(pairs, context) != "ok")
        said = pl.when(pl.Series(known)).then("status").otherwise(pl.lit(NO_ANNOTATORS))
        return scores.with_columns(said.alias("status"))

    def _best(self, given: Votes, context: Context) -> Groups:
        """The mixture of the K asked for, or of the smallest K that none beats surely."""
        p, spec, seed = self.params, HeadSpec(), context.step_seed(self.name)
        if p.groups is not None:
            found = fit_groups(given, p.groups, spec, seed)
            self._tell(found, given, context)
            return found
        best: Groups | None = None
        tried = {}
        with context.progress.task("groups of annotators", p.max_groups) as task:
            for groups in range(1, p.max_groups + 1):
                found = fit_groups(given, groups, spec, seed)
                tried[groups] = round(float(np.nanmean(found.log_likelihood)), 4)
                task.advance()
                if best is not None and not _better(found, best, given.annotator):
                    break
                best = found
        assert best is not None
        context.facts["held_out_log_likelihood"] = tried
        self._tell(best, given, context)
        return best

    def _tell(self, found: Groups, given: Votes, context: Context) -> None:
        sizes = found.membership.mean(axis=0)
        context.facts["groups"] = len(sizes)
        context.facts["sizes"] = [round(float(size), 4) for size in sizes]
        context.facts["annotators"] = len(found.membership)
        signs = np.sign(found.margins[given.annotator >= 0])
        context.facts["pairs_on_which_groups_differ"] = int(
            (np.abs(signs.sum(axis=1)) < signs.shape[1]).sum()
        )


def _people(names: pl.Series, voting: NDArray[np.bool_]) -> tuple[list[str], NDArray[np.int64]]:
    """Annotators with votes enough, and who of them gave each vote (-1: none of them)."""
    counts = names.filter(pl.Series(voting)).drop_nulls().value_counts()
    people = counts.filter(pl.col("count") >= _FEWEST_VOTES)[names.name].sort()
    inside = names.is_in(people.implode()).fill_null(False).to_numpy() & voting
    found = np.full(len(names), -1, dtype=np.int64)
    if inside.any():
        found[inside] = dense_numbers(names.filter(pl.Series(inside)))
    return people.to_list(), found


def _better(new: Groups, old: Groups, annotator: NDArray[np.int64]) -> bool:
    """Whether the held-out likelihood rose by more than two standard errors over annotators."""
    gain = new.log_likelihood - old.log_likelihood
    known = annotator >= 0
    sums = np.bincount(annotator[known], gain[known])
    error = float(sums.std(ddof=1)) * np.sqrt(len(sums))
    return bool(sums.sum() > 2.0 * error)


def _frame(found: Groups, annotator: NDArray[np.int64]) -> pl.DataFrame:
    known = annotator >= 0
    member = found.membership[np.maximum(annotator, 0)]
    probability, sizes = expit(found.margins), found.membership.mean(axis=0)
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
