from __future__ import annotations

import numpy as np
import pytest
import torch

from curate.models.heads.answer_features import STYLE_SCALE, answer_feature_matrices
from curate.models.heads.feature_matrix import one_below_the_other
from curate.steps.features import Features
from tests.helpers import simulate


def naive(features: Features, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All features of all pairs at once, in float64."""
    chosen, rejected = features.index["chosen"], features.index["rejected"]
    vectors, style = features.vectors.astype(np.float64), features.style.astype(np.float64)
    prompt = vectors[features.index["prompt"]]
    blocks = []
    if kind != "length":
        size = np.sqrt(np.square(vectors[chosen] - vectors[rejected]).sum(1).mean())
        blocks.append((vectors[chosen] / size, vectors[rejected] / size))
    if kind != "embedding":
        first, second = (
            np.column_stack([style[side], (prompt * vectors[side]).sum(1)])
            for side in (chosen, rejected)
        )
        if kind == "length":
            first, second = first[:, :1], second[:, :1]
        size = np.sqrt(np.square(first - second).mean(0))
        scale = (1.0 if kind == "length" else STYLE_SCALE) / np.where(size > 0, size, 1.0)
        blocks.append((first * scale, second * scale))
    first, second = (np.concatenate(side, axis=1) for side in zip(*blocks, strict=True))
    return first, second


@pytest.mark.parametrize("kind", ["embedding", "both", "length"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_equal_the_naive_table(kind: str, dtype: str) -> None:
    features = simulate(60).context.features
    features = Features(features.vectors.astype(dtype), features.style, features.index)
    expected = naive(features, kind)
    row_index = torch.tensor([3, 3, 59, 0])
    for rows, table in zip(answer_feature_matrices(features, kind), expected, strict=True):  # type: ignore[arg-type]
        assert (len(rows), tuple(rows.shape)) == (60, table.shape)
        np.testing.assert_allclose(rows[:].numpy(), table, rtol=2e-4, atol=1e-5)
        np.testing.assert_array_equal(rows[row_index].numpy(), rows[:].numpy()[row_index])
        np.testing.assert_array_equal(rows[10:20].numpy(), rows[:].numpy()[10:20])


def test_one_below_the_other() -> None:
    chosen, rejected = answer_feature_matrices(simulate(20).context.features, "both")
    both = one_below_the_other(chosen, rejected)
    assert torch.equal(both[:], torch.cat([chosen[:], rejected[:]]))
    tensors = one_below_the_other(chosen[:], rejected[:])
    assert torch.equal(tensors[:], both[:])
