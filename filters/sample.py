"""Keeps a random sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import (
    Context,
    CurateError,
    Filter,
    FilterResult,
    Parameters,
    as_numeric_column,
    same_reason,
)
from curate.scoring import messages_text, select_in_batches
from curate.scoring.filtering import has_single_answers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH_BINS = 20
_EVEN_ODDS = 0.01
"""Standard deviation of odds over their mean below which a draw is as good as random."""


class SampleParams(Parameters):
    """Parameters of `sample`: exactly one of `share` and `rows`, or at most one with `balance`."""

    share: float | None = Field(None, ge=0, le=1, description="Share of the pairs to keep.")
    rows: int | None = Field(None, ge=0, description="Number of pairs to keep.")
    weights: str | None = Field(
        None,
        description="Column of odds, such as mc_dropout.easy_weight; pairs without one are not "
        "drawn. Default: equal odds.",
    )
    balance: Literal["length"] | None = Field(
        None,
        description="length: draw so that the chosen answer is as often the longer one as the "
        "shorter one, among large differences as among small ones; without share and rows, draw as "
        "many pairs as that allows.",
    )
    seed: int | None = Field(None, description="Random seed; default from the run's seed.")

    @model_validator(mode="after")
    def _one(self) -> SampleParams:
        sizes = (self.share is not None) + (self.rows is not None)
        if sizes > 1 or (sizes == 0 and self.balance is None):
            raise ValueError("give exactly one of share and rows")
        if self.balance is not None and self.weights is not None:
            raise ValueError("balance and weights do not go together")
        return self


class Sample(Filter[SampleParams]):
    """Draw a random sample of the pairs without replacement; their order stays.

    With `weights` pairs are drawn one after the other in proportion to that column (Efraimidis and
    Spirakis 2006; UPO's sampling, arXiv 2409.11212). A warning says when the odds are so even that
    the draw is random. Use it as the control that every other filter must beat. With `balance:
    length` each pair whose chosen answer is longer is matched with one whose chosen answer is
    shorter by about the same factor (in twentieths of the data by |log(length ratio)|), and matches
    are drawn: a model cannot learn from them that longer is
    better. `share` is then a share of the pairs that reach the filter.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{i}", "chosen": "a", "rejected": "b"} for i in range(4)]
        >>> len(Pipeline({"filters": [{"type": "sample", "share": 0.5}]}).run(rows).kept)
        2
    """

    name = "sample"
    purpose = "keep the best"
    when = "As the control that every other filter must beat."
    summary = "keep a random sample, the control that every other filter must beat"
    reference = "weights: Efraimidis and Spirakis 2006; UPO's sampling, arXiv 2409.11212"
    single_answers = True
    Params = SampleParams
    drop_codes = ("not_sampled",)

    def reads(self) -> tuple[str, ...]:
        """Read the odds if a column of odds is named, and the answers to balance lengths."""
        if self.params.balance is not None:
            return ("chosen", "rejected")
        return () if self.params.weights is None else (self.params.weights,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the sampled pairs."""
        p = self.params
        rows = round(p.share * len(pairs)) if p.share is not None else len(pairs)
        rows = rows if p.rows is None else min(p.rows, len(pairs))
        # A seed of the step allows several samples within one run.
        rng = context.rng("sample") if p.seed is None else np.random.default_rng(p.seed)
        keep, order = np.zeros(len(pairs), dtype=bool), context.row_order(pairs)
        # By the order of ids: the sample must not depend on the order of the file.
        if p.balance is not None:
            ratios = _length_ratios(pairs)
            matches = rng.permutation(order[_match_lengths(ratios[order], rng)])
            keep[matches[: rows // 2].ravel()] = True
            context.facts["chosen_longer"] = {
                "before": int((ratios > 0).sum()),
                "after": int((ratios[keep] > 0).sum()),
            }
        elif p.weights is None:
            keep[order[rng.permutation(len(pairs))[:rows]]] = True
        else:
            odds = as_numeric_column(pairs[p.weights], self.name).fill_null(0.0).to_numpy()
            odds = np.asarray(odds, dtype=np.float64)[order]
            _warn_if_even(odds, p.weights, context)
            keep[order[_sample_by_odds(odds, rows, rng, p.weights)]] = True
        reason = f"not among the {int(keep.sum())} drawn of {len(pairs)}"
        return same_reason(pl.Series(keep), reason)


def _warn_if_even(odds: NDArray[np.float64], column: str, context: Context) -> None:
    """Warn if odds differ so little between pairs that the sample is as good as random."""
    drawable = odds[odds > 0]
    spread = float(drawable.std() / drawable.mean()) if len(drawable) > 1 else 1.0
    if spread < _EVEN_ODDS:
        context.warnings.append(
            f"sample: the odds in {column} lie between {drawable.min():.6g} and "
            f"{drawable.max():.6g}: nearly the same for all pairs, so this is a random draw"
        )


def _length_ratios(pairs: pl.DataFrame) -> NDArray[np.float64]:
    """Return log((characters of chosen + 1) / (characters of rejected + 1)), (pairs,)."""
    if has_single_answers(pairs):
        raise CurateError(
            "single answers have no lengths to balance", where="sample, balance: length"
        )
    chosen, rejected = (messages_text(c).str.len_chars() + 1 for c in ("chosen", "rejected"))
    ratios = select_in_batches(pairs, r=chosen.log() - rejected.log())["r"].to_numpy()
    return np.asarray(ratios, dtype=np.float64)


def _match_lengths(ratios: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return matches of two rows, (matches, 2): one whose chosen answer is longer, one shorter.

    Rows of equal lengths are matched with each other; what has no counterpart is left out.
    """
    size = np.abs(ratios)
    unequal = size[size > 0]
    inner = np.linspace(0, 1, _LENGTH_BINS + 1)[1:-1]
    edges = np.quantile(unequal, inner) if len(unequal) else np.empty(0)
    bins = np.where(size > 0, np.searchsorted(edges, size), -1)
    matches = []
    for number in np.unique(bins):
        rows = rng.permutation(np.flatnonzero(bins == number))
        longer, shorter = rows[ratios[rows] > 0], rows[ratios[rows] < 0]
        if number < 0:
            longer, shorter = rows[::2], rows[1::2]
        count = min(len(longer), len(shorter))
        matches.append(np.stack([longer[:count], shorter[:count]], axis=1))
    return np.concatenate(matches) if matches else np.empty((0, 2), dtype=np.int64)


def _sample_by_odds(
    odds: NDArray[np.float64], rows: int, rng: np.random.Generator, column: str
) -> NDArray[np.int64]:
    """Draw rows one after the other, in proportion to the odds of the rows not drawn yet.

    By Efraimidis and Spirakis (2006): the largest log(u) / odds; at most as many as have odds.
    """
    if (odds < 0).any():
        raise CurateError(
            "odds are negative", where=f"sample, weights: {column}", found=f"{odds.min():g}"
        )
    drawable = np.flatnonzero(odds > 0)
    # Sorting by log(u) / w equals drawing one by one with odds w (Efraimidis and Spirakis 2006).
    keys = np.log(rng.random(len(drawable))) / odds[drawable]
    sampled_rows: NDArray[np.int64] = drawable[np.argsort(-keys, kind="stable")[:rows]]
    return sampled_rows
