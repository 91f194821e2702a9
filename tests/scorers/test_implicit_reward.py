"""DPO's and SimPO's implicit rewards on tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from curate.scorers.implicit_reward import ImplicitReward
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs
from tests.helpers import swapped

CONTEXT = Context(inference=Inference(device="cpu"))


def test_dpo_margin_and_its_swap(tiny: Path, tiny_other: Path) -> None:
    pairs = random_pairs(6)
    scorer = ImplicitReward(policy=str(tiny), reference=str(tiny_other), beta=0.5)
    scores = scorer.score(pairs, CONTEXT)
    ratio = 0.5 * (plain_loop(tiny, pairs) - plain_loop(tiny_other, pairs))[:, :, 0]
    np.testing.assert_allclose(scores["chosen"], ratio[:, 0], atol=1e-4)
    np.testing.assert_allclose(scores["margin"], ratio[:, 0] - ratio[:, 1], atol=1e-4)
    np.testing.assert_allclose(scores["probability"], 1 / (1 + np.exp(-scores["margin"])))
    back = scorer.score(swapped(pairs), CONTEXT)
    np.testing.assert_allclose(back["margin"], -scores["margin"], atol=1e-4)


def test_a_policy_that_is_its_reference_has_no_margin(tiny: Path) -> None:
    scorer = ImplicitReward(policy=str(tiny), reference=str(tiny))
    assert scorer.score(random_pairs(3), CONTEXT)["margin"].abs().max() == 0.0


def test_simpo_is_the_mean_over_tokens(tiny: Path) -> None:
    pairs = random_pairs(5)
    scores = ImplicitReward(policy=str(tiny), loss="simpo", gamma=1.0).score(pairs, CONTEXT)
    truth = plain_loop(tiny, pairs)
    means = 2.0 * truth[:, :, 0] / truth[:, :, 1]
    np.testing.assert_allclose(scores["margin"], means[:, 0] - means[:, 1], atol=1e-4)
    np.testing.assert_allclose(scores["probability"], 1 / (1 + np.exp(1 - scores["margin"])))


def test_which_loss_needs_a_reference() -> None:
    with pytest.raises(ValidationError, match="dpo needs a reference"):
        ImplicitReward(policy="x")
    with pytest.raises(ValidationError, match="simpo has none"):
        ImplicitReward(policy="x", reference="y", loss="simpo")
