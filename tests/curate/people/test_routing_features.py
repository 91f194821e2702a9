from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate import CurateError
from curate.people.routing_features import (
    mean_uncertainty,
    predicted_gain,
    tercile_bins,
    text_features,
    vote_disagreement,
)
from tests.helpers import pairs_of

BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_the_least_sure_pair_ranks_first_whatever_the_metric() -> None:
    scores = pl.DataFrame(
        {
            "pair_id": list("abc"),
            "reward_margin.margin": [5.0, -0.1, -4.0],
            "label_em.posterior": [0.99, 0.5, 0.2],
            "mc_dropout.bald": [0.1, 0.6, 0.2],
            "lengths.chosen": [9, 1, 5],
        }
    )
    uncertainty, used = mean_uncertainty(scores, [])
    assert used == ["reward_margin.margin", "label_em.posterior", "mc_dropout.bald"]
    np.testing.assert_allclose(uncertainty, [0.0, 1.0, 0.5])
    only, used = mean_uncertainty(scores, ["lengths.chosen"])
    np.testing.assert_allclose(only, [1.0, 0.0, 0.5])
    with pytest.raises(CurateError, match=r"did you mean 'lengths\.chosen'"):
        mean_uncertainty(scores, ["lengths.chosn"])


def test_disagreement_is_the_share_of_the_minority() -> None:
    flipped = {**BASE, "chosen": "b", "rejected": "a"}
    votes = [BASE, BASE, flipped, {**BASE, "is_tie": True}]
    rows = [{**row, "annotator": str(i)} for i, row in enumerate(votes)]
    disagreement = vote_disagreement(pairs_of([*rows, {**BASE, "prompt": "alone"}]))
    assert disagreement.to_list() == [0.375] * 4 + [None]  # (1 + 0.5) of 4 votes


def test_features_of_a_pair() -> None:
    rows = [
        {"prompt": "one two three", "chosen": "The cat sat", "rejected": "the CAT ran off"},
        {"prompt": "x", "chosen": "", "rejected": ""},
    ]
    first, second = text_features(pairs_of(rows)).rows(named=True)
    assert first == {
        "prompt_words": 3,
        "shorter_words": 3,
        "longer_words": 4,
        "difference_words": 1,
        "overlap": pytest.approx(2 * 2 / 7),
    }
    assert second["overlap"] == 1.0


def test_gain_adds_the_coefficients_of_a_pairs_bins() -> None:
    values = pl.DataFrame({"overlap": [0.1, 0.5, 0.9], "prompt_words": [30, 20, 10]})
    bins = tercile_bins(values)
    assert bins["overlap"].to_list() == ["low", "middle", "high"]
    gains = predicted_gain(
        bins, {"overlap=high": 2.0, "prompt_words=low": 0.5, "prompt_words=high": -1.0}
    )
    assert gains.to_list() == [-1.0, 0.0, 2.5]
    with pytest.raises(CurateError, match="did you mean 'overlap=high'"):
        predicted_gain(bins, {"overlap=hihg": 1.0})
