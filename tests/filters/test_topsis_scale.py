"""TOPSIS on criteria of any scale, and on criteria that say nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate import Context
from curate.filters.topsis import TOPSIS, closeness


@pytest.mark.parametrize("scale", [1e-320, 1e-310, 1e-200, 1e200, 1e307])
@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_the_scale_of_a_criterion_does_not_matter(scale: float, shift: float) -> None:
    first, second = np.random.default_rng(0).random((2, 200)) + shift
    signs, weights = np.array([1.0, -1.0]), np.ones(2)
    expected = closeness([first, second], signs, weights)
    # Numbers near 1e-320 have three digits left.
    tolerance = 1e-2 if scale < 1e-310 else 1e-9
    for columns in ([first * scale, second], [first * scale, second * scale]):
        np.testing.assert_allclose(closeness(columns, signs, weights), expected, atol=tolerance)


def test_criteria_that_are_equal_for_all_pairs_are_reported() -> None:
    pairs = pl.DataFrame({"a.x": [1.0, 1.0, 1.0], "b.x": [0.1, 0.2, 0.3]})
    context = Context()
    TOPSIS(criteria={"a.x": "max", "b.x": "max"}, keep=0.5).apply(pairs, context)
    assert context.warnings == ["equal for all pairs, so without effect on the ranking: a.x"]
