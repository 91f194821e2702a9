"""Scores and draws are the same when the rows of a file move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import Context, Pairs, Pipeline, read_pairs
from curate.models.text.prompt_clusters import prompt_clusters
from curate.steps.context import SilentProgress
from curate.steps.registry import build_step, filter_class
from curate.write.splits import assign_splits

MLP = {"head": "mlp", "hidden": 4, "steps": 20}
SCORERS: dict[str, dict[str, Any]] = {
    "reward_margin": {},
    "reward_margin_mlp": {"type": "reward_margin", "repeats": 1, **MLP},
    "mc_dropout": {},
    "mc_dropout_mlp": {"type": "mc_dropout", "passes": 3, **MLP},
    "crm": {},
    "donod": {},
    "confident_learning": {},
    "committee": {},
    "holder": {},
    "uncertainty": {},
    "general_preference": {"repeats": 1},
    "preference_features": {"features": 8},
    "noise_score": {},
    "label_em": {},
    "knn_diversity": {"k": 3},
    "knn_shapley": {"k": 5, "predicted": 50},
    "semantic_duplicates": {},
}


def shuffled(pairs: Pairs) -> Pairs:
    order = np.random.default_rng(3).permutation(len(pairs))
    return replace(
        pairs,
        frame=pairs.frame[order],
        origins=pairs.origins[order],
        row_keys=None,
        fingerprint=None,
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores of all scorers on pairs and on the same pairs in another order."""
    data = Path(__file__).parents[1] / "data" / "llmbar" / "Natural.json"
    pairs = read_pairs(data, limit=80)
    scorers = [{"type": name, "name": name} | settings for name, settings in SCORERS.items()]
    config = {"scorers": scorers, "embedder": {"name": "static"}, "store": None}
    one, other = (Pipeline(config).run(p).scores for p in (pairs, shuffled(pairs)))
    assert not one["pair_id"].equals(other["pair_id"])
    return one, one.select("pair_id").join(other, on="pair_id", how="left", maintain_order="left")


@pytest.mark.parametrize("name", list(SCORERS))
def test_scores_do_not_depend_on_the_order_of_rows(
    name: str, both: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    one, other = both
    columns = [c for c in one.columns if c.startswith(f"{name}.")]
    assert columns
    for column in columns:
        if one[column].dtype.is_float():
            # Sums over rows in another order differ in their last digits.
            values = [frame[column].to_numpy() for frame in both]
            np.testing.assert_allclose(*values, atol=2e-5 * max(np.nanstd(values[0]), 1e-3))
        else:
            assert one[column].equals(other[column]), column


@pytest.mark.parametrize(
    "settings", [{"rows": 11}, {"share": 0.3}, {"rows": 11, "weights": "a.odds"}]
)
def test_samples_do_not_depend_on_the_order_of_rows(settings: dict[str, Any]) -> None:
    ids = [f"id {i}" for i in range(60)]
    pairs = pl.DataFrame({"pair_id": ids, "a.odds": np.linspace(0.1, 1, 60)})
    sample = build_step(filter_class("sample", ""), settings, "")
    samples = [
        set(frame["pair_id"].filter(sample.apply(frame, Context(seed=4)).keep))
        for frame in (pairs, pairs.sample(fraction=1.0, shuffle=True, seed=1))
    ]
    assert samples[0] == samples[1]


def test_splits_do_not_depend_on_the_order_of_rows() -> None:
    data = Path(__file__).parents[1] / "data" / "llmbar" / "Natural.json"
    pairs = read_pairs(data, limit=60)
    shares = {"train": 0.8, "test": 0.2}
    splits = []
    for frame in (pairs.frame, shuffled(pairs).frame):
        split = assign_splits(*prompt_clusters(frame, SilentProgress()), shares, 7)
        splits.append(dict(zip(frame["pair_id"], split, strict=True)))
    assert splits[0] == splits[1]
