"""Within strata of length, no direction of length is left, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from curate.models.heads.ridge.length_residual import length_residual_margins
from curate.models.heads.ridge.margins import held_out_margins
from tests.helpers import pairs_of, simulate, swapped


def lengths(count: int) -> tuple[object, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 200, (count, 2))
    rows = [
        {"prompt": f"p{i}", "chosen": "x" * a, "rejected": "y" * b}
        for i, (a, b) in enumerate(sizes)
    ]
    return pairs_of(rows), np.log1p(sizes[:, 0]) - np.log1p(sizes[:, 1])


def test_what_length_tells_is_taken_out_and_what_else_tells_is_left() -> None:
    pairs, size = lengths(2000)
    rng = np.random.default_rng(1)
    other = rng.normal(size=2000)
    margin = 2.0 * size + other
    residual = length_residual_margins(margin, pairs, np.ones(2000, dtype=bool))  # type: ignore[arg-type]
    assert abs(np.corrcoef(np.sign(size), residual)[0, 1]) < 0.01
    assert abs(np.corrcoef(size, residual)[0, 1]) < 0.1
    assert np.corrcoef(other, residual)[0, 1] > 0.9


def test_a_swap_negates_it_and_ties_teach_nothing() -> None:
    pairs, size = lengths(300)
    margin = size + np.random.default_rng(1).normal(size=300)
    voting = np.ones(300, dtype=bool)
    there = length_residual_margins(margin, pairs, voting)  # type: ignore[arg-type]
    back = length_residual_margins(-margin, swapped(pairs), voting)  # type: ignore[arg-type]
    np.testing.assert_allclose(there, -back, atol=1e-12)
    none = length_residual_margins(margin, pairs, ~voting)  # type: ignore[arg-type]
    np.testing.assert_array_equal(none, margin)


def test_margins_by_embeddings_alone_and_within_length() -> None:
    sim = simulate(300)
    plain = held_out_margins(sim.pairs, sim.context)
    alone = held_out_margins(sim.pairs, sim.context, style=False)
    assert list(plain.strengths) == ["embedding", "counts", "style", "prior", "length"]
    assert list(alone.strengths) == ["embedding"]
    assert np.corrcoef(plain.margin, alone.margin)[0, 1] > 0.7
    within = held_out_margins(sim.pairs, sim.context, within=("length",))
    # All texts are nearly as long: next to nothing is taken out.
    assert np.corrcoef(plain.margin, within.margin)[0, 1] == pytest.approx(1.0, abs=0.05)
    assert held_out_margins(sim.pairs, sim.context) is plain
