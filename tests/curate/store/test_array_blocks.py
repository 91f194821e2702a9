from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from curate.store import array_blocks
from curate.store.array_blocks import compute_in_blocks
from curate.store.scratch import ScratchSpace


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 7, 20])
def test_blocks_give_what_the_whole_gives(
    rows: int, mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_blocks, "_ROWS", 7)
    a, b = np.random.default_rng(0).normal(size=(2, rows, 3))

    def of(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": (x * y).mean(axis=1), "positive": (x > y).any(axis=1)}

    scratch = ScratchSpace(tmp_path if mapped else None)
    assert_frame_equal(compute_in_blocks(scratch, of, a, b), pl.DataFrame(of(a, b)))
