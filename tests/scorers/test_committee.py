"""Votes of small heads on simulated labels."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.committee import Committee
from tests.helpers import numbered_pairs, simulate


@pytest.mark.slow
def test_voters_doubt_flipped_labels() -> None:
    made = simulate(800, flips=0.2)
    found = Committee().score(made.pairs, made.context)
    agreement = found["agreement"].to_numpy()
    assert agreement[~made.flipped].mean() > agreement[made.flipped].mean() + 0.15
    assert set(np.round(agreement * 6)) <= set(range(7))
    assert np.corrcoef(found["margin"].to_numpy(), made.margin)[0, 1] > 0.5
    assert found["spread"].min() >= 0
    assert set(found["status"]) == {"ok"}


def test_one_prompt_cannot_be_split() -> None:
    made = simulate(4)
    found = Committee().score(numbered_pairs(4, prompts=1), made.context)
    assert found["margin"].null_count() == 4
    assert set(found["status"]) == {"too few prompts"}
