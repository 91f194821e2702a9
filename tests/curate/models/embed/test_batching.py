"""Batches: budget, halving, several devices."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.models.embed.batching import run_on_replicas, run_with_oom_retry, token_budget_batches


def test_batches_stay_within_the_token_budget() -> None:
    lengths = np.array([10, 100, 60, 10, 50, 10, 500])
    batches = token_budget_batches(lengths, 120)
    assert [b.tolist() for b in batches] == [[6], [1], [2, 4], [0, 3, 5]]


def test_padding_stays_small_where_batches_may_be_closed_early() -> None:
    lengths = np.random.default_rng(0).integers(5, 500, size=400)
    batches = token_budget_batches(lengths, 2048, waste=0.05)
    padded = [len(b) * lengths[b].max() for b in batches]
    assert sorted(np.concatenate(batches).tolist()) == list(range(400))
    assert max(padded) <= 2048
    assert 1 - lengths.sum() / sum(padded) < 0.05
    assert token_budget_batches(np.array([], dtype=np.int64), 10) == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("StandardGpuResources: alloc fail type FlatData dev 0"),
    ],
)
def test_halving_gives_every_result_in_order(error: RuntimeError) -> None:
    sizes: list[int] = []

    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 2:
            raise error
        return [i * i for i in items]

    assert run_with_oom_retry(range(7), run, "model") == [i * i for i in range(7)]
    assert sizes == [7, 3, 1, 2, 4, 2, 2]


def test_other_errors_are_not_halved() -> None:
    calls: list[int] = []

    def run(items: Sequence[int]) -> list[int]:
        calls.append(len(items))
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        run_with_oom_retry(range(4), run, "model")
    assert calls == [4]


def test_one_item_that_does_not_fit_is_an_error() -> None:
    def run(items: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError

    with pytest.raises(CurateError, match="does not fit") as caught:
        run_with_oom_retry([1], run, "model x on cuda:0")
    assert "model x on cuda:0" in str(caught.value)


def test_replicas_share_the_batches_and_keep_their_order() -> None:
    busy: dict[str, int] = {"a": 0, "b": 0}

    def run(replica: str, batch: int) -> int:
        busy[replica] += 1
        time.sleep(0.01 * (batch % 2))
        return -batch

    assert list(run_on_replicas(["a", "b"], list(range(10)), run)) == [-i for i in range(10)]
    assert sum(busy.values()) == 10
    assert min(busy.values()) > 0
