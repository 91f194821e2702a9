"""How likely each user is to give feedback at all, from what was shown and what was voted on."""

from __future__ import annotations

import polars as pl

_PRIOR = 10.0
"""Showings' worth of belief that a user, or a place in the list, is like all the others."""


def feedback_propensity(user: str, position: str, voted: str) -> pl.Expr:
    """Return P(vote) of each showing: the user's rate times the place's rate over the rate of all.

    Rates are shrunk towards that of all showings by 10 showings' worth, and the product is kept
    within 0.001 and 1. A place that is not known counts as the average one. That the two act
    independently is an assumption (the examination model of click models).

    Args:
        user: column of the user.
        position: column of the place in the list; nulls for unknown.
        voted: bool column.
    """
    overall = pl.col(voted).mean()

    def rate(column: str) -> pl.Expr:
        votes, showings = pl.col(voted).sum().over(column), pl.len().over(column)
        return (votes + _PRIOR * overall) / (showings + _PRIOR)

    # Without a place the second factor is 1, so only the user's rate counts.
    place = pl.when(pl.col(position).is_null()).then(overall).otherwise(rate(position))
    return (rate(user) * place / overall).fill_nan(1.0).clip(1e-3, 1.0)
