from __future__ import annotations

from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from curate import Pairs, Pipeline
from curate.scorers import duplicates as module
from curate.scorers.duplicates import Duplicates
from curate.steps.context import Context
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
    scores = Duplicates().score(pairs_of(ROWS), Context())
    assert scores["exact"].to_list() == [False, True, False, False, False, False, False]
    assert scores["copies"].to_list() == [5, 5, 5, 5, 5, 1, 1]
    assert scores["contradicted"].to_list() == [True, True, True, True, False, False, False]
    assert scores["near"].to_list() == [False] * 7


def test_near_can_be_left_out() -> None:
    scores = Duplicates(near=False).score(pairs_of(ROWS), Context())
    assert scores["near"].to_list() == [None] * 7


def test_a_second_run_looks_up_near_duplicates_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"store": str(tmp_path), "scorers": [{"type": "duplicates"}]}
    rows = [{"prompt": f"p {i % 5}", "chosen": f"good {i}", "rejected": "bad"} for i in range(20)]
    first = Pipeline(config).run(Pairs(pairs_of(rows))).scores

    def never(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(module, "near_duplicate_of", never)
    assert_frame_equal(Pipeline(config).run(Pairs(pairs_of(rows))).scores, first)
    with pytest.raises(AssertionError):
        Pipeline(config).run(Pairs(pairs_of([*rows, rows[0]])))
