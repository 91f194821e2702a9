"""Whether judges that are models prefer their own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curate.auditing.trait_share import TraitShare, binomial_share
from curate.data.hashes import content_keys
from curate.models.heads.noise.label_rules import author_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_JUDGES = 20
"""Judges that are reported, those with most answers first."""


def audit_self_preference(voted: pl.DataFrame) -> tuple[TraitShare, ...]:
    """Return how often each judge preferred its own answer, and how often others did.

    A judge is an annotator with the name of a model that wrote answers (`extra` names the models).
    Pairs with one answer by the judge are counted; for the other annotators only pairs that the
    judge voted on too, without which the difference may lie in the pairs. A judge whose share is
    above that of the others favours itself, if the others have no share in its taste.

    Args:
        voted: pairs without ties and identical answers.
    """
    for _, chosen, rejected in author_columns(voted["extra"]):
        votes = voted.select(
            _name_key(chosen).alias("chosen"),
            _name_key(rejected).alias("rejected"),
            _name_key(pl.col("annotator")).alias("judge"),
        )
        keys = content_keys(voted)
        votes = votes.with_columns(keys.select(task=pl.struct("prompt", "low", "high"))["task"])
        authors = pl.concat([votes["chosen"], votes["rejected"]]).drop_nulls()
        is_author = pl.col("judge").is_in(authors.unique().implode())
        counts = votes.filter(is_author).group_by("judge").len().sort("len", "judge")
        if len(counts):
            judges = counts["judge"].reverse().head(_MOST_JUDGES)
            return tuple(share for judge in judges for share in _shares(votes, judge))
    return ()


def _name_key(name: pl.Expr) -> pl.Expr:
    return name.str.strip_chars().str.to_lowercase()


def _shares(votes: pl.DataFrame, judge: str) -> Iterator[TraitShare]:
    """Yield the shares of one judge and of the others; those without any pair are left out."""
    wins, loses, is_judge = (
        (votes[column] == judge).fill_null(False) for column in ("chosen", "rejected", "judge")
    )
    has_one_answer = wins != loses
    tasks = votes.filter(is_judge & has_one_answer)["task"]
    same_tasks = votes["task"].is_in(tasks.implode())
    for name, counted in (
        (f"written by {judge}, by its own votes", has_one_answer & is_judge),
        (f"written by {judge}, by others' votes", has_one_answer & ~is_judge & same_tasks),
    ):
        share = binomial_share(name, wins.to_numpy(), counted.to_numpy())
        if share.pairs:
            yield share
