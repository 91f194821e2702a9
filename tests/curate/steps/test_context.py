"""What scorers of a run share is computed once, and never for other pairs."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from curate import Pairs, Pipeline
from curate.data import hashes
from curate.steps import pair_view as module
from curate.steps.context import Context
from tests.helpers import numbered_pairs, simulate


def test_texts_are_hashed_once_for_the_votes_of_all_scorers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed_counts: list[int] = []

    def counted(pairs: pl.DataFrame) -> Iterator[pl.DataFrame]:
        hashed_counts.append(len(pairs))
        return hashes.vote_keys_in_batches(pairs)

    monkeypatch.setattr(module, "vote_keys_in_batches", counted)
    pairs = simulate(120, flips=0.2).pairs
    scorers = [{"type": "noise_score"}, {"type": "label_em"}, {"type": "crm", "epochs": 2}]
    config = {"embedder": {"name": "static"}, "store": None, "scorers": scorers}
    Pipeline(config).run(Pairs(pairs))
    assert hashed_counts == [len(pairs)]


def test_keys_of_other_pairs_are_not_given_back() -> None:
    context, pairs = Context(), numbered_pairs(6)
    assert len(context.vote_keys(pairs)) == 6
    assert context.vote_keys(pairs[:4]).equals(hashes.vote_keys(pairs[:4]))
    assert context.vote_keys(pairs).equals(hashes.vote_keys(pairs))
