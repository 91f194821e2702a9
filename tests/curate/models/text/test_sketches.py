from __future__ import annotations

import numpy as np
import pytest

from curate.models.text.sketches import band_shape


@pytest.mark.parametrize("threshold", np.linspace(0.1, 0.9, 9).tolist())
def test_bands_are_those_of_datasketch(threshold: float) -> None:
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=64, weights=(0.2, 0.8))
    assert band_shape(threshold) == (index.b, index.r)
