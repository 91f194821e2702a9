from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate import CurateError
from curate.people.pair_categories import (
    coefficient_tags,
    default_tags,
    pair_categories,
    prompt_topics,
)
from curate.steps.features import Features
from tests.helpers import pairs_of

BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_topics_are_the_clusters_of_prompts() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(8, 16)
    truth = rng.integers(8, size=300)
    vectors = (centres[truth] + 0.05 * rng.normal(size=(300, 16))).astype(np.float32)
    prompt = rng.integers(300, size=1000)
    index = {"prompt": prompt, "chosen": prompt, "rejected": prompt}
    topics = prompt_topics(Features(vectors, np.zeros((300, 1), np.float32), index), 0)
    both = pl.DataFrame({"topic": topics, "truth": truth[prompt]}).unique()
    assert len(both) == 8
    assert both["topic"].n_unique() == 8


def test_fewer_prompts_than_topics_are_no_mistake() -> None:
    vectors = np.eye(3, dtype=np.float32)
    index = {part: np.array([0, 1, 1]) for part in ("prompt", "chosen", "rejected")}
    topics = prompt_topics(Features(vectors, np.zeros((3, 1), np.float32), index), 0)
    assert topics[1] == topics[2] != topics[0]


def test_rare_values_of_a_tag_are_one_level_and_missing_ones_another() -> None:
    rows = [{**BASE, "extra": f'{{"kind":"k{i}"}}'} for i in range(10) for _ in range(12 - i)]
    rows += [BASE]
    pairs = pairs_of(rows)
    unsure = pl.Series("u", [0.1, None] + [0.9] * (len(rows) - 2))
    categories = pair_categories(pairs, unsure, ["kind"])
    assert set(categories["kind"]) == {*(f"k{i}" for i in range(8)), "other", "none"}
    assert categories["kind"][-1] == "none"
    assert categories["uncertainty"].to_list()[:3] == ["low", "none", "middle"]
    silent = pl.Series("u", [None] * len(rows), dtype=pl.Float64)
    assert pair_categories(pairs, silent, []).columns == []
    with pytest.raises(CurateError, match="no pair has this tag"):
        pair_categories(pairs, silent, ["kin"])


def test_the_source_is_a_tag_where_there_are_several() -> None:
    one = pairs_of([BASE, BASE])
    assert default_tags(one) == []
    two = one.with_columns(source=pl.Series(["a", "b"]))
    assert default_tags(two) == ["source"]
    assert pair_categories(
        two, pl.Series("u", [None, None], dtype=pl.Float64), ["source"]
    ).rows() == [
        ("a",),
        ("b",),
    ]
    assert coefficient_tags({"overlap=high": 1.0, "source=a": 2.0, "source=b": 1.0}) == ["source"]
