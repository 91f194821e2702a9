from __future__ import annotations

from curate.steps.context import Context
from scorers.duplicates import Duplicates
from tests.helpers import pairs_of

BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}
ROWS = [
    BASE,
    BASE,
    {**BASE, "annotator": "x"},
    {**BASE, "chosen": "b", "rejected": "a"},
    {**BASE, "is_tie": True},
    {**BASE, "prompt": "q"},
    {**BASE, "prompt": "q", "chosen": "c", "rejected": "c"},
]


def test_flags() -> None:
    found = Duplicates().score(pairs_of(ROWS), Context())
    assert found["exact"].to_list() == [False, True, False, False, False, False, False]
    assert found["copies"].to_list() == [5, 5, 5, 5, 5, 1, 1]
    assert found["contradicted"].to_list() == [True, True, True, True, False, False, False]
    assert found["near"].to_list() == [False] * 7


def test_near_can_be_left_out() -> None:
    found = Duplicates(near=False).score(pairs_of(ROWS), Context())
    assert found["near"].to_list() == [None] * 7
