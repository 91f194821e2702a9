from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curate import CurateError
from curate.scorers.coverage import Coverage
from curate.scorers.coverage.target_coverage import density_ratio, measure_coverage
from tests.helpers import context_of, numbered_pairs, write_jsonl


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def around(centre: np.ndarray, count: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    return unit(centre + spread * rng.normal(size=(count, len(centre))))


def test_distances_and_balls_equal_a_loop() -> None:
    rng = np.random.default_rng(0)
    rows, targets = unit(rng.normal(size=(40, 5))), unit(rng.normal(size=(15, 5)))
    coverage = measure_coverage(rows, targets, 3)
    apart = np.linalg.norm(rows[:, None].astype(float) - targets[None], axis=2)
    between = np.linalg.norm(targets[:, None].astype(float) - targets[None], axis=2)
    radius = np.sort(between, axis=1)[:, 3]
    np.testing.assert_allclose(coverage.distance, np.sort(apart, axis=1)[:, :3].mean(1), atol=1e-5)
    np.testing.assert_array_equal(coverage.nearest, apart.argmin(1))
    np.testing.assert_array_equal(coverage.inside, (apart <= radius).sum(1))
    np.testing.assert_array_equal(coverage.covered, (apart <= radius).any(0))
    np.testing.assert_allclose(coverage.target_distance, apart.min(0), atol=1e-5)


def test_the_density_ratio_is_that_of_the_truth() -> None:
    """The log ratio of two Gaussians with equal covariance is linear, so it has a closed form."""
    rng = np.random.default_rng(1)
    centre = np.zeros(6)
    centre[0] = 1.5
    rows = rng.normal(size=(4000, 6)).astype(np.float32)
    targets = (centre + rng.normal(size=(4000, 6))).astype(np.float32)
    ratio, auroc = density_ratio(rows, targets, rng)
    truth = rows @ centre - centre @ centre / 2
    assert np.corrcoef(ratio, truth)[0, 1] > 0.99
    assert np.polyfit(truth, ratio, 1)[0] == pytest.approx(1.0, abs=0.1)
    assert auroc == pytest.approx(0.856, abs=0.02)  # Phi(1.5 / sqrt 2)
    same, coin = density_ratio(rows[:2000], rows[2000:], rng)
    assert coin == pytest.approx(0.5, abs=0.03)
    assert np.abs(same).mean() < 0.2


def test_a_topic_that_the_data_lacks_is_bare(tmp_path: Path) -> None:
    """Half of the targets are a topic of the data, half are another; data has one of its own."""
    rng = np.random.default_rng(0)
    eye = np.eye(8)
    pairs = numbered_pairs(60)
    common_topic, data_topic = around(eye[0], 30, 0.1, rng), around(eye[1], 30, 0.1, rng)
    vectors = {f"prompt {i}": v for i, v in enumerate(np.concatenate([common_topic, data_topic]))}
    context = context_of(pairs, vectors, 8)
    targets = np.concatenate([around(eye[0], 20, 0.1, rng), around(eye[2], 20, 0.1, rng)])
    context = replace(context, embed=lambda texts: targets[[int(t.split()[1]) for t in texts]])
    path = write_jsonl(tmp_path / "t.jsonl", [{"prompt": f"target {i}"} for i in range(40)])
    scores = Coverage(targets=[str(path)], k=3).score(pairs, context)
    facts = context.facts
    assert 0.4 <= facts["coverage"] <= 0.5
    assert 0.3 <= facts["precision"] <= 0.55
    assert all("target " in row["target"] for row in facts["farthest_targets"])
    assert all(int(r["target"].rsplit(" ", 1)[1]) >= 20 for r in facts["farthest_targets"])
    assert facts["auroc"] > 0.7
    first, second = scores[:30], scores[30:]
    assert first["density_ratio"].min() > second["density_ratio"].max()  # type: ignore[operator]
    assert first["distance"].max() < second["distance"].min()  # type: ignore[operator]
    assert first["nearest"][0].startswith("t.jsonl, row ")


def test_too_few_targets_are_refused(tmp_path: Path) -> None:
    pairs = numbered_pairs(5)
    context = context_of(pairs, {}, 4)
    path = write_jsonl(tmp_path / "t.jsonl", [{"prompt": "one"}])
    with pytest.raises(CurateError, match="too few target prompts"):
        Coverage(targets=[str(path)]).score(pairs, context)
