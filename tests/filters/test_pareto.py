from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.filters.pareto import Pareto
from curate.steps.context import Context


def naive(values: np.ndarray) -> np.ndarray:
    """Fronts by peeling, larger is better."""
    front, number = np.zeros(len(values), dtype=int), 1
    while (front == 0).any():
        unranked = np.flatnonzero(front == 0)
        for i in unranked:
            beaten = [
                (values[j] >= values[i]).all() and (values[j] > values[i]).any() for j in unranked
            ]
            if not any(beaten):
                front[i] = -1
        front[front == -1] = number
        number += 1
    return front


@pytest.mark.parametrize("width", [2, 3, 4])
def test_fronts_equal_peeling(width: int) -> None:
    rng = np.random.default_rng(width)
    values = rng.integers(0, 6, size=(60, width)).astype(float)
    frame = pl.DataFrame({f"c{i}": values[:, i] for i in range(width)})
    criteria = {f"c{i}": "max" for i in range(width)}
    verdict = Pareto(criteria=criteria, fronts=2).apply(frame, Context())
    assert verdict.added is not None
    expected = naive(values)
    assert verdict.added["front"].to_list() == expected.tolist()
    assert verdict.keep.to_list() == (expected <= 2).tolist()
    turned = Pareto(criteria=dict.fromkeys(criteria, "min"), fronts=1).apply(
        frame.select(-pl.all()), Context()
    )
    assert turned.keep.to_list() == (expected == 1).tolist()


def test_units_do_not_matter_and_missing_is_said() -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0, None, 0.0], "b": [2.0, 1.0, 5.0, 0.0]})
    pareto = Pareto(criteria={"a": "max", "b": "max"}, keep=0.5)
    verdict = pareto.apply(frame, Context())
    assert verdict.keep.to_list() == [True, True, False, False]
    assert verdict.reason[2] == "a criterion is missing"
    assert "front 2" in verdict.reason[3]
    scaled = frame.with_columns(pl.col("a") * 1e6, pl.col("b").exp())
    assert pareto.apply(scaled, Context()).keep.to_list() == verdict.keep.to_list()
    with pytest.raises(ValueError, match="exactly one"):
        Pareto(criteria={"a": "max", "b": "max"})
