"""Style-controlled Bradley-Terry: how far length, lists, code and the like move the vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.extra_column import SLOT_KEY, extra_value
from curate.data.hashes import select_in_batches
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
# Of fewer pairs the heads of five folds learn nothing of style.
_FEWEST = 100


def audit_style(
    pairs: pl.DataFrame, context: Context, columns: tuple[str, ...] = ()
) -> dict[str, Any] | None:
    """Coefficients of differences of style, together, and how much of the vote they explain.

    As in Chatbot Arena's style control, the log odds of a vote are linear in the differences of
    log counts, chosen minus rejected, all traits side by side: a coefficient says what a standard
    deviation more of a trait does with the others held fixed. Errors are robust for pairs of one
    prompt. `explained` is 1 - log loss / ln 2 of held-out pairs (folds by prompt): the share of a
    bit that style alone tells of a vote.

    Args:
        pairs: the pair table.
        context: of the audit.
        columns: keys of `extra` whose value is a number, larger where it speaks for the preferred
            answer; they stand beside the traits.

    Returns:
        None where fewer than 100 pairs hold a vote.
    """
    voting = vote_mask(pairs, context)
    if voting.sum() < _FEWEST:
        return None
    names, differences = _differences(pairs.filter(pl.Series(voting)), columns)
    groups = np.unique(context.prompt_groups(pairs)[voting], return_inverse=True)[1]
    # Length is always told: it is what every other trait is held against.
    told = estimable_columns(differences, groups) | (np.array(names) == LENGTH)
    names, differences = [n for n, t in zip(names, told, strict=True) if t], differences[:, told]
    fit = fit_vote_regression(differences, groups)
    folds = group_folds(groups, _FOLDS, context.step_seed("style"))
    return {
        "pairs": int(voting.sum()),
        "explained": explained_bits(held_out_log_odds(differences, groups, folds)),
        "explained_by_length": explained_bits(held_out_log_odds(differences[:, :1], groups, folds)),
        "coefficients": [{"trait": name} | fit.row(i) for i, name in enumerate(names)],
    }


def _differences(
    pairs: pl.DataFrame, columns: tuple[str, ...]
) -> tuple[list[str], NDArray[np.float64]]:
    """Names, and differences chosen minus rejected, (pairs, names)."""
    found: dict[str, NDArray[np.float64]] = {}
    for name in TRAIT_NAMES:
        found[name] = select_in_batches(pairs, d=trait_difference(name))["d"].to_numpy()
    slot = _extra(pairs, SLOT_KEY)
    if np.isfinite(slot).any():
        # A pair without slots says nothing of position: 0 moves no coefficient.
        found[_POSITION] = np.where(np.isfinite(slot), np.where(slot == 1, 1.0, -1.0), 0.0)
    for key in columns:
        found[f"extra.{key}"] = np.nan_to_num(_extra(pairs, key))
    return list(found), np.column_stack(list(found.values()))


def _extra(pairs: pl.DataFrame, key: str) -> NDArray[np.float64]:
    value = extra_value(key).cast(pl.Float64, strict=False)
    return pairs.select(v=value)["v"].to_numpy()
