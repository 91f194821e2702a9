"""How far the aspects of a pair's ratings contradict its label (preference divergence)."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import LOWER, Column, Context, Parameters, Scorer, Standing
from curate.scoring.heads import Attribute, attribute_margins

MISSING = "fewer than two aspects are rated"


class PreferenceDivergenceParams(Parameters):
    """Parameters of `preference_divergence`."""

    aspects: dict[str, Attribute] = Field(
        min_length=2,
        description="Names of the aspects, and where their values are: {honesty: {rating: "
        "honesty}}; as `rewards` of multi_reward.",
    )
    weights: dict[str, float] | None = Field(
        None, description="Weight of each aspect; default all alike. They are divided by their sum."
    )
    labelled_by: str | None = Field(
        None, description="Aspect that gave the labels, which is left out; default none of them."
    )

    @model_validator(mode="after")
    def _names_are_aspects(self) -> PreferenceDivergenceParams:
        for name in [*(self.weights or {}), *([self.labelled_by] if self.labelled_by else [])]:
            if name not in self.aspects:
                raise ValueError(f"'{name}' is none of the aspects {', '.join(self.aspects)}")
        return self


class PreferenceDivergence(Scorer[PreferenceDivergenceParams]):
    """Compute the conflict of aspect ratings with the label, PD = - sum_j w_j d_j / s_j.

    d_j is the rating of the chosen answer by aspect j minus that of the rejected one, s_j the root
    mean square of d_j over the pairs, and w_j the weights, which add up to 1 over the aspects that
    rate the pair, without the aspect that gave the label. The most negative `divergence` is where
    all others agree with the label: these pairs are to be kept (arXiv 2508.07638: DMPO's term of
    inter-aspect conflict, estimated there by a reward model of each aspect and with a penalty on
    length, here by the ratings). `agree` is the share of aspects that agree, ties counting one
    half. Use it on sets rated by aspect, with {type: quantile, column:
    preference_divergence.divergence, prefer: min, keep: 0.3}.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "Q", "chosen": "a", "rejected": "b", "true": 2.0, "kind": -1.0}
        >>> aspects = {"true": {"margin": "true"}, "kind": {"margin": "kind"}}
        >>> frame = score([row], "preference_divergence", aspects=aspects).frame
        >>> frame.select("preference_divergence.divergence", "preference_divergence.agree").row(0)
        (0.0, 0.5)
    """

    name = "preference_divergence"
    purpose = "taste, annotators, context"
    standing = Standing.RESEARCH
    when = (
        "On sets rated by aspect: pairs whose aspects agree with the label. Measured on simulated "
        "ratings only: 31 % of the labels were wrong, 2 % among the 30 % of lowest divergence."
    )
    summary = "conflict of ratings by aspect with the label (preference divergence)"
    reference = "arXiv 2508.07638 (preference divergence); ratings instead of reward models"
    Params = PreferenceDivergenceParams

    def columns(self) -> tuple[Column, ...]:
        """Return the divergence, the share of aspects that agree, and the status."""
        return (
            Column("divergence", "weighted margins of the other aspects, negated", "float", LOWER),
            Column("agree", "share of the other aspects that agree with the label", unit="0 to 1"),
            Column("status", f"ok, or '{MISSING}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return values of all pairs; null where fewer than two aspects rate the pair."""
        p = self.params
        margins = attribute_margins(pairs, context, p.aspects, f"scorer '{self.name}', aspects")
        is_rated = np.isfinite(margins)
        enough = is_rated.sum(axis=1) > 1
        scale = np.sqrt(np.nanmean(np.square(margins), axis=0))
        # An aspect that never differs has no unit, and adds nothing.
        steps = np.nan_to_num(margins) / np.where(scale > 0, scale, 1.0)
        weights = [(p.weights or {}).get(a, 0.0 if p.weights else 1.0) for a in p.aspects]
        used = np.array([w * (a != p.labelled_by) for a, w in zip(p.aspects, weights, strict=True)])
        shares = is_rated * used
        total = shares.sum(axis=1)
        shares = np.divide(
            shares, total[:, None], out=np.zeros_like(shares), where=total[:, None] > 0
        )
        agrees = np.where(steps > 0, 1.0, np.where(steps < 0, 0.0, 0.5))
        counted = is_rated & (used > 0)
        values = {
            # Minus zero would be written as such.
            "divergence": 0.0 - (shares * steps).sum(axis=1),
            "agree": (counted * agrees).sum(axis=1) / np.maximum(counted.sum(axis=1), 1),
        }
        has_value = enough & (total > 0)
        context.facts["conflicts"] = int((values["divergence"][has_value] > 0).sum())
        frame = pl.DataFrame(values | {"k": has_value})
        status = pl.when("k").then(pl.lit("ok")).otherwise(pl.lit(MISSING))
        columns = (pl.when("k").then(name).alias(name) for name in values)
        return frame.select(*columns, status=status)
