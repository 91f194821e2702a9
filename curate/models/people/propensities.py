"""How likely feedback is at all, from what was shown and what was voted on."""

from __future__ import annotations

import polars as pl

_PRIOR = 10.0
"""Showings' worth of belief that a user, or a place in the list, is like all the others."""


def feedback_propensity(user: str, position: str, item: str, voted: str, liked: str) -> pl.Expr:
    """Return P(vote) of each showing, within 0.001 and 1.

    An item's is (n / n_max)^0.5, with n the votes for it and n_max those for the most popular item
    (the estimate of arXiv 1909.03601, section 5, as in its released code); the user's rate is left
    out, as there. Answers that are no items have the user's rate of voting instead. Both are
    multiplied by the rate of the place over the rate of all showings: that the two act
    independently is an assumption (the examination model of click models). Rates are shrunk towards
    that of all showings by 10 showings' worth; a place that is not known counts as the average one.

    Args:
        user: column of the user.
        position: column of the place in the list; nulls for unknown.
        item: column of the item; nulls for answers to a prompt.
        voted: bool column: a vote for or against.
        liked: bool column: a vote for.
    """
    overall = pl.col(voted).mean()

    def rate(column: str) -> pl.Expr:
        votes, showings = pl.col(voted).sum().over(column), pl.len().over(column)
        return (votes + _PRIOR * overall) / (showings + _PRIOR)

    # Without a place the second factor is 1, so only the user's rate counts.
    place = pl.when(pl.col(position).is_null()).then(overall).otherwise(rate(position))
    votes_for = pl.when(pl.col(item).is_not_null()).then(pl.col(liked).sum().over(item))
    popularity = (votes_for / votes_for.max()).sqrt()
    return (pl.coalesce(popularity, rate(user)) * place / overall).fill_nan(1.0).clip(1e-3, 1.0)
