from __future__ import annotations

import numpy as np
import pytest

from curate.data import row_blocks
from curate.data.row_blocks import in_blocks


@pytest.mark.parametrize("rows", [0, 1, 7, 20])
def test_blocks_give_what_the_whole_gives(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "_ROWS", 7)
    a, b = np.random.default_rng(0).normal(size=(2, rows, 3))

    def of(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": (x * y).mean(axis=1), "positive": (x > y).any(axis=1)}

    found, whole = in_blocks(of, a, b), of(a, b)
    assert list(found) == list(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
