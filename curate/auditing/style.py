"""Style-controlled Bradley-Terry: how far length, lists, code and the like move the vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.json_fields import SLOT_KEY, extra_value
from curate.data.json_result import JsonResult
from curate.models.heads.folds import group_folds
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.regression import (
    estimable_columns,
    explained_bits,
    fit_vote_regression,
    held_out_log_odds,
)
from curate.models.text.traits import LENGTH, TRAIT_NAMES, trait_difference
from curate.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POSITION = "first slot"
_FOLDS = 5
# With fewer votes the models of five folds learn nothing about style.
_MIN_VOTES = 100


@dataclass(frozen=True)
class StyleEffect(JsonResult):
    """What a standard deviation more of a trait does to the vote, the other traits held fixed.

    Attributes:
        trait: name of the trait.
        coefficient: change of the log odds, in nats.
        low: lower end of its 95 % interval.
        high: upper end.
        p_value: two-sided p value that it is 0.
    """

    trait: str
    coefficient: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class StyleEffects(JsonResult):
    """How far style moves the vote.

    Attributes:
        pairs: votes that are explained.
        explained: share of a bit that style explains of a held-out vote.
        explained_by_length: share that length alone explains.
        coefficients: the effect of each trait.
    """

    pairs: int
    explained: float
    explained_by_length: float
    coefficients: tuple[StyleEffect, ...]


def audit_style(
    pairs: pl.DataFrame, context: Context, columns: tuple[str, ...] = ()
) -> StyleEffects | None:
    """Return the coefficients of differences of style, together, and how much of the vote they
    explain.

    As in Chatbot Arena's style control, the log odds of a vote are linear in the differences of
    log counts, chosen minus rejected, all traits side by side: a coefficient says what a standard
    deviation more of a trait does with the others held fixed. Errors are robust for pairs of one
    prompt. `explained` is 1 - log loss / ln 2 of held-out pairs (folds by prompt): the share of a
    bit that style explains of a vote.

    Args:
        pairs: the pair table.
        context: the audit's context.
        columns: keys of `extra` whose value is a number, larger where it speaks for the preferred
            answer; they join the style traits.

    Returns:
        None where fewer than 100 pairs hold a vote.
    """
    is_voted = vote_mask(pairs, context)
    if is_voted.sum() < _MIN_VOTES:
        return None
    names, differences = _style_differences(pairs.filter(pl.Series(is_voted)), columns)
    groups = np.unique(context.prompt_groups(pairs)[is_voted], return_inverse=True)[1]
    # Length is always reported: every other trait is compared with it.
    is_reported = estimable_columns(differences, groups) | (np.array(names) == LENGTH)
    names = [n for n, t in zip(names, is_reported, strict=True) if t]
    differences = differences[:, is_reported]
    fit = fit_vote_regression(differences, groups)
    # Folds by prompt: answers to one prompt share a style that would leak into held-out pairs.
    folds = group_folds(groups, _FOLDS, context.step_seed("style"))
    return StyleEffects(
        int(is_voted.sum()),
        explained_bits(held_out_log_odds(differences, groups, folds)),
        explained_bits(held_out_log_odds(differences[:, :1], groups, folds)),
        tuple(StyleEffect(name, **fit.row(i)) for i, name in enumerate(names)),
    )


def _style_differences(
    pairs: pl.DataFrame, columns: tuple[str, ...]
) -> tuple[list[str], NDArray[np.float64]]:
    """Return names, and differences chosen minus rejected, (pairs, names)."""
    differences: dict[str, NDArray[np.float64]] = {}
    for name in TRAIT_NAMES:
        differences[name] = select_in_batches(pairs, d=trait_difference(name))["d"].to_numpy()
    slot = _extra_numbers(pairs, SLOT_KEY)
    if np.isfinite(slot).any():
        # A pair without slots says nothing of position: 0 moves no coefficient.
        differences[_POSITION] = np.where(np.isfinite(slot), np.where(slot == 1, 1.0, -1.0), 0.0)
    for key in columns:
        # A missing number takes no side.
        differences[f"extra.{key}"] = np.nan_to_num(_extra_numbers(pairs, key))
    return list(differences), np.column_stack(list(differences.values()))


def _extra_numbers(pairs: pl.DataFrame, key: str) -> NDArray[np.float64]:
    value = extra_value(key).cast(pl.Float64, strict=False)
    return pairs.select(v=value)["v"].to_numpy()
