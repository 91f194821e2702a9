from __future__ import annotations

import numpy as np
import pytest

from curate.scorers.tournament import TOO_FEW_ANSWERS, Tournament
from curate.steps.context import Context
from tests.helpers import pairs_of


def votes(*edges: str, prompt: str = "p") -> list[dict[str, str]]:
    return [{"prompt": prompt, "chosen": e[0], "rejected": e[1]} for e in edges]


def test_a_cycle_has_full_entropy_and_an_order_has_less() -> None:
    pairs = pairs_of(
        votes("ab", "bc", "ca") + votes("ab", "bc", "ac", prompt="q") + votes("ab", prompt="r")
    )
    context = Context()
    scores = Tournament().score(pairs, context)
    assert scores["on_cycle"].to_list() == [True] * 3 + [False] * 4
    assert scores["component"].to_list() == [3] * 3 + [1] * 4
    # In the order a > b > c the lost votes are 0, 1 and 2 of 3.
    order = -(1 / 3 * np.log(1 / 3) + 2 / 3 * np.log(2 / 3)) / np.log(3)
    assert scores["entropy"].to_list()[:6] == pytest.approx([1.0] * 3 + [order] * 3)
    assert scores["status"].to_list() == ["ok"] * 6 + [TOO_FEW_ANSWERS]
    assert context.facts["clarity"] == pytest.approx(1 - (1 + order) / 2, abs=1e-4)
    assert context.facts["pairs_on_cycles"] == 3


def test_a_longer_cycle_and_what_leads_into_it() -> None:
    pairs = pairs_of(votes("ab", "bc", "cd", "da", "xa", "dy"))
    scores = Tournament().score(pairs, Context())
    assert scores["on_cycle"].to_list() == [True] * 4 + [False] * 2
    assert scores["component"].to_list() == [4, 4, 4, 4, 1, 4]
