from __future__ import annotations

import math

from curate.scorers.lengths import Lengths
from curate.steps.context import Context
from tests.helpers import pairs_of, swapped

PAIRS = pairs_of([{"prompt": "hé", "chosen": "one two  three", "rejected": "👩‍🚀"}])


def test_characters_words_and_differences() -> None:
    row = Lengths().score(PAIRS, Context()).row(0, named=True)
    assert (row["prompt"], row["chosen"], row["rejected"]) == (2, 14, 3)
    assert (row["chosen_words"], row["rejected_words"], row["turns"]) == (3, 1, 1)
    assert row["difference"] == 11
    assert math.isclose(row["log_ratio"], math.log(15 / 4))


def test_a_swap_negates_the_differences() -> None:
    one = Lengths().score(PAIRS, Context()).row(0, named=True)
    two = Lengths().score(swapped(PAIRS), Context()).row(0, named=True)
    assert (two["difference"], two["log_ratio"]) == (-one["difference"], -one["log_ratio"])
