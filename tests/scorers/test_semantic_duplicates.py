from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.scorers.semantic_duplicates import SemanticDuplicates, first_similar_row
from tests.helpers import context_of, pairs_of


def naive(near: np.ndarray) -> list[int]:
    """Row by row: the first earlier row that was kept and is near."""
    unique_rows: list[int] = []
    first_rows = []
    for row in range(len(near)):
        earlier = next((other for other in unique_rows if near[row, other]), -1)
        first_rows.append(earlier)
        if earlier < 0:
            unique_rows.append(row)
    return first_rows


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 14), st.integers(0, 999))
def test_first_near_equals_judging_row_by_row(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    near = np.triu(rng.random((rows, rows)) < 0.3, 1)
    near |= near.T
    neighbours = np.tile(np.arange(rows), (rows, 1))
    assert first_similar_row(neighbours, near).tolist() == naive(near)


def test_a_prompt_near_an_earlier_one_is_flagged_with_all_its_pairs() -> None:
    prompts = ["a", "b", "a", "far", "b again"]
    pairs = pairs_of(
        [{"prompt": p, "chosen": f"c{i}", "rejected": f"r{i}"} for i, p in enumerate(prompts)]
    )
    angles = {"a": 0.0, "b": 0.05, "b again": 0.1, "far": 2.0}
    vectors = {name: np.array([np.cos(x), np.sin(x)]) for name, x in angles.items()}
    context = context_of(pairs, vectors, 2)
    scores = SemanticDuplicates(threshold=0.99).score(pairs, context)
    ids = pairs["pair_id"].to_list()
    assert scores["repeats"].to_list() == [False, True, False, False, True]
    assert scores["of"].to_list() == [None, ids[0], None, None, ids[0]]
    np.testing.assert_allclose(scores["similarity"][0], np.cos(0.05), atol=1e-5)
    assert context.facts["prompts_repeated"] == 2


def test_a_single_prompt_has_no_neighbour() -> None:
    pairs = pairs_of([{"prompt": "p", "chosen": "a", "rejected": "b"}])
    scores = SemanticDuplicates().score(pairs, context_of(pairs, {}, 2))
    assert scores["status"].to_list() == ["single prompt"]
    assert scores["repeats"].dtype == pl.Boolean
