"""What the reference's log ratio says of DPO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.scorers.ranking_difficulty import RankingDifficulty
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs


@pytest.mark.slow
def test_bound_and_judgements(tiny: Path) -> None:
    pairs = random_pairs(12)
    scorer = RankingDifficulty(reference=str(tiny), beta=0.05, reliability=0.8)
    scores = scorer.score(pairs, Context(inference=Inference(device="cpu")))
    sums = plain_loop(tiny, pairs)[:, :, 0]
    c = sums[:, 1] - sums[:, 0]
    np.testing.assert_allclose(scores["c"], c, atol=1e-4)
    assert scores["ranked"].to_list() == (c < 0).tolist()
    # At a margin exactly beta c the policy ranks both answers alike, and has this loss.
    np.testing.assert_allclose(scores["loss_bound"], np.log1p(np.exp(-0.05 * c)), rtol=1e-4)
    assert scores["learnable"].to_list() == (0.05 * c < np.log(4.0)).tolist()
    assert 0 < scores["learnable"].sum() < 12


def test_the_optimum_of_dpo_ranks_right_exactly_what_is_learnable(tiny: Path) -> None:
    """pi* is in closed form: log pi* ratio = log pi_ref ratio + log(q / (1 - q)) / beta."""
    pairs, beta, q = random_pairs(12), 0.05, 0.8
    scorer = RankingDifficulty(reference=str(tiny), beta=beta, reliability=q)
    scores = scorer.score(pairs, Context(inference=Inference(device="cpu")))
    optimum = -scores["c"].to_numpy() + np.log(q / (1 - q)) / beta
    assert scores["learnable"].to_list() == (optimum > 0).tolist()
