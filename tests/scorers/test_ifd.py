"""Instruction-following difficulty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.scorers.ifd import ABOVE_ONE, IFD
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs


@pytest.mark.slow
def test_ratio_of_perplexities_and_what_is_set_aside(tiny: Path) -> None:
    pairs = random_pairs(10)
    scores = IFD(model=str(tiny)).score(pairs, Context(inference=Inference(device="cpu")))
    conditional, unconditional = plain_loop(tiny, pairs), plain_loop(tiny, pairs, alone=True)
    means = [t[:, :, 0] / t[:, :, 1] for t in (conditional, unconditional)]
    ifd = np.exp(means[1] - means[0])
    np.testing.assert_allclose(scores["chosen"], ifd[:, 0], rtol=1e-4)
    np.testing.assert_allclose(scores["gap"], ifd[:, 0] - ifd[:, 1], atol=1e-4)
    above = ifd[:, 0] > 1
    assert 0 < above.sum() < 10
    assert np.isnan(scores["score"].to_numpy()).tolist() == above.tolist()
    assert (scores["kind"] == ABOVE_ONE).to_list() == above.tolist()
