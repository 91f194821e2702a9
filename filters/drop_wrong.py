"""Drops labels that are likely wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, as_numeric_column
from curate.scoring.filtering import PosteriorParams, record_remaining_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DropWrongParams(PosteriorParams):
    """Parameters of `drop_wrong`."""

    below: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = Field(
        "auto",
        description="Labels of a smaller posterior are dropped. auto: 0.5, or higher if the other "
        "labels then say more of the truth; no more labels than are expected to be wrong.",
    )


def most_informative_threshold(right: NDArray[np.float64]) -> float:
    """Return the posterior below which labels are dropped, 0.5 to 1.

    A label of posterior p is 2 p - 1 times the truth on average. Labels that are kept and count
    alike say (sum of 2 p - 1)^2 / (their number) of it, in units of one clean label: a doubtful
    label adds less than it dilutes. So labels just above one half go too, unless more would be
    dropped than are expected to be wrong: then most of them would be right.

    Args:
        right: (labels,) posterior of each label, 0 to 1.

    Examples:
        >>> most_informative_threshold(np.array([0.95, 0.95, 0.9, 0.55, 0.5, 0.1]))
        0.55
        >>> most_informative_threshold(np.full(9, 0.7))
        0.7
    """
    ordered = np.sort(right)[::-1]
    sizes = np.arange(1, len(ordered) + 1)
    information = np.square(np.cumsum(2.0 * ordered - 1.0)) / sizes
    # Below one half labels are wrong rather than right, whatever the others say.
    allowed = (ordered >= 0.5) & (len(ordered) - sizes <= (1.0 - right).sum())
    if not allowed.any():
        return 0.5
    return float(ordered[np.argmax(np.where(allowed, information, -1.0))])


class DropWrong(Filter[DropWrongParams]):
    """Drop pairs whose posterior of a right label is below a threshold; keep pairs without one.

    The posterior is that of LCPO / RE-PO (arXiv 2509.24159). The number of dropped pairs follows
    from the data: where the estimated noise is near 0, almost none are dropped, and where nothing
    separates right from wrong labels, none. By default the threshold is one half or higher:
    the one with which the kept labels say most of the truth. Use it after `curate bench` has shown
    that it helps on your data; it can amplify length bias.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Q{p}", "chosen": "a", "rejected": "b", "p": p} for p in (0.9, 0.2)]
        >>> result = Pipeline({"filters": [{"type": "drop_wrong", "column": "extra.p"}]}).run(rows)
        >>> result.dropped["drop_reason"].to_list()
        ['label right with probability 0.2']
    """

    name = "drop_wrong"
    purpose = "keep or drop by label noise"
    when = (
        "After `curate bench` has shown that it helps on your data. It can amplify length "
        "bias: check the report."
    )
    summary = "drop labels whose posterior of being right is low"
    reference = "LCPO / RE-PO, arXiv 2509.24159 (posterior)"
    Params = DropWrongParams
    drop_codes = ("wrong_label",)

    def reads(self) -> tuple[str, ...]:
        """Read the posterior."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep likely labels; the remaining noise goes into the manifest."""
        p = self.params
        posterior = as_numeric_column(pairs[p.column], self.name)
        below = p.below
        if below == "auto":
            below = most_informative_threshold(posterior.drop_nulls().to_numpy())
            context.facts["below"] = round(below, 4)
        # Without a posterior nothing speaks against the label.
        keep = (posterior >= below).fill_null(True)
        # The noise of the kept labels: trainers use it for label smoothing.
        record_remaining_noise(p.column, posterior.filter(keep), context)
        rounded = posterior.round(3).to_frame("v")
        reason = rounded.select(r=pl.format("label right with probability {}", "v"))["r"]
        return FilterResult(keep, reason)
