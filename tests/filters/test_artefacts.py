"""The filter `artefacts` and what it leaves to other filters."""

from __future__ import annotations

import pytest

from curate import CurateError, Pipeline


def test_even_length_is_the_filter_sample() -> None:
    with pytest.raises(CurateError, match=r"\{type: sample, balance: length\}"):
        Pipeline({"filters": [{"type": "artefacts", "even": ["longer"]}]})
