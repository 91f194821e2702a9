from __future__ import annotations

import numpy as np
import pytest

from curate.filters.flip_where import FlipWhere
from curate.scorers.preference_features import PreferenceFeatures
from curate.steps.context import Context
from tests.helpers import context_of, pairs_of


def planted(count: int = 500) -> tuple[object, Context, np.ndarray]:
    """Answers that do or do not have one direction of their embedding, which wins in 80 %."""
    rng = np.random.default_rng(0)
    rows, vectors, with_it = [], {}, []
    for i in range(count):
        wins = rng.random() < 0.8
        rows.append({"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"})
        for side, has in (("c", wins), ("r", not wins)):
            vectors[f"{side}{i}"] = rng.normal(0, 0.05, 8) + (np.eye(8)[0] if has else 0)
        with_it.append(wins)
    pairs = pairs_of(rows)
    return pairs, context_of(pairs, vectors, 8), np.array(with_it)


def test_a_feature_fires_with_the_sign_of_who_has_it_and_can_be_turned_round() -> None:
    pairs, context, chosen_has_it = planted()
    scores = PreferenceFeatures(features=4, active=1).score(pairs, context)
    values = scores.select("f0", "f1", "f2", "f3").to_numpy()
    best = int(np.abs(values).sum(axis=0).argmax())
    fired = values[:, best] != 0
    agree = (values[fired, best] > 0) == chosen_has_it[fired]
    assert fired.mean() > 0.8
    assert max(agree.mean(), 1 - agree.mean()) > 0.95
    frame = pairs.with_columns(scores.select(f"f{best}").rename({f"f{best}": "x"}))  # type: ignore[attr-defined]
    verdict = FlipWhere(condition="x > 0").apply(frame, context)
    assert verdict.changed is not None
    sides = zip(values[:, best] > 0, frame["rejected"], frame["chosen"], strict=True)
    expected = [
        (other if turned else preferred)[0]["content"] for turned, other, preferred in sides
    ]
    assert [t[0]["content"] for t in verdict.changed["chosen"]] == expected


def test_parameters() -> None:
    with pytest.raises(ValueError, match="must not exceed"):
        PreferenceFeatures(features=2, active=3)
    assert [c.name for c in PreferenceFeatures(features=2, active=1).columns()] == [
        "f0", "f1", "active",
    ]  # fmt: skip
