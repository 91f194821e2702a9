"""Votes of small heads on simulated labels."""

from __future__ import annotations

import numpy as np
import pytest

from curate.scorers.committee import Committee
from tests.helpers import numbered_pairs, simulate


@pytest.mark.slow
def test_voters_doubt_flipped_labels() -> None:
    simulated = simulate(800, flips=0.2)
    scores = Committee().score(simulated.pairs, simulated.context)
    agreement = scores["agreement"].to_numpy()
    assert agreement[~simulated.flipped].mean() > agreement[simulated.flipped].mean() + 0.15
    assert set(np.round(agreement * 6)) <= set(range(7))
    assert np.corrcoef(scores["margin"].to_numpy(), simulated.margin)[0, 1] > 0.5
    assert scores["spread"].min() >= 0
    assert set(scores["status"]) == {"ok"}


def test_one_prompt_cannot_be_split() -> None:
    simulated = simulate(4)
    scores = Committee().score(numbered_pairs(4, prompts=1), simulated.context)
    assert scores["margin"].null_count() == 4
    assert set(scores["status"]) == {"too few prompts"}
