"""The page of `curate worth`: learning curves, and what a pair is worth."""

from __future__ import annotations

import numpy as np

from curate.benchmark.worth import NoisyPairWorth, Worth
from curate.data.json_types import JsonObject
from curate.report.page import render_page

_CURVE_POINTS = 60


def worth_html(worth: Worth) -> str:
    """Return the results of `curate worth` as HTML."""
    means, spreads = worth.errors.mean(axis=0), _spread(worth)
    table = [
        (size, [f"{m:.3f} ±{s:.3f}" for m, s in zip(means[:, i], spreads[:, i], strict=True)])
        for i, size in enumerate(worth.sizes.tolist())
    ]
    sentences = [worth_sentence(row) for row in worth.findings.worth or ()]
    return render_page(
        "worth.html.j2",
        title=f"Value of more data: {worth.dataset}",
        worth=worth,
        text=worth.findings.text[:1].upper() + worth.findings.text[1:],
        sentences=sentences,
        names=[_rate_name(rate) for rate in worth.rates],
        table=table,
        data={"curves": _curves(worth)},
    )


def worth_sentence(row: NoisyPairWorth) -> str:
    """Return how many noisy pairs equal one clean pair, if the curves allow an estimate."""
    estimate, noisy = row.one_clean_pair, f"pairs with {row.rate:.0%} flips"
    low = "less" if estimate.low is None else f"{estimate.low:.1f}"
    high = "more" if estimate.high is None else f"{estimate.high:.1f}"
    interval = f"({low} to {high}; {row.theory:g} in theory)"
    if estimate.value is None:
        return f"These curves do not show how many {noisy} equal one clean pair {interval}."
    return f"One clean pair equals {estimate.value:.1f} {noisy} {interval}."


def _curves(worth: Worth) -> list[JsonObject]:
    """Return mean errors with standard errors by number of pairs, and the fitted law."""
    means, errors = worth.errors.mean(axis=0), _spread(worth) / np.sqrt(len(worth.errors))
    # Up to twice the data: the question is what more of it would bring.
    grid = np.geomspace(worth.sizes[0], 2 * worth.sizes[-1], _CURVE_POINTS)
    return [
        {
            "name": _rate_name(rate),
            "pairs": worth.sizes.tolist(),
            "error": means[i].round(4).tolist(),
            "spread": errors[i].round(4).tolist(),
            "fit_pairs": grid.round(1).tolist(),
            "fit": None if worth.law is None else worth.law.error(grid, i).round(4).tolist(),
        }
        for i, rate in enumerate(worth.rates)
    ]


def _rate_name(rate: float) -> str:
    return f"{rate:.0%} flipped" if rate else "clean"


def _spread(worth: Worth) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the standard deviation of the errors over the seeds, (rates, sizes)."""
    spread: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = worth.errors.std(axis=0, ddof=1)
    return spread
