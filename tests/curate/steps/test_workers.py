"""Threads of this process compute as workers on other machines do."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from curate.steps.workers import LocalWorkers
from curate.store.scratch import ScratchSpace
from tests.workers import PickledWorkers


@pytest.fixture(params=[1, 4])
def local(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LocalWorkers:
    monkeypatch.setattr("curate.steps.workers.available_cores", lambda: request.param)
    return LocalWorkers(ScratchSpace())


def split(values: np.ndarray, offset: int) -> list[np.ndarray]:
    return [values[values % 2 == 0] + offset, values[values % 2 == 1] + offset]


def test_results_are_those_of_other_workers_in_their_order(local: LocalWorkers) -> None:
    values = [np.arange(n) for n in (5, 3, 4)]
    for workers in (local, PickledWorkers()):
        placed = workers.place(values)
        even, odd = workers.spread(split, 2, placed, [10, 20, 30])
        sums = list(workers.map(lambda a, b: int(a.sum() - b.sum()), even, odd))
        assert sums == [12, 21, -2]
        assert list(workers.map(int, workers.keep(np.sum, placed))) == [10, 3, 6]


def test_each_call_has_one_thread_and_the_caller_has_its_own_again(local: LocalWorkers) -> None:
    before = torch.get_num_threads()

    def pools(_: int) -> set[int]:
        blas = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
        return blas | {torch.get_num_threads()}

    assert set.union(*local.map(pools, range(6))) == {1}
    assert torch.get_num_threads() == before


def test_an_error_ends_the_map_and_no_thread_stays(local: LocalWorkers) -> None:
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(local.map(lambda n: 1 // n, [3, 2, 1, 0, 1]))
    assert threading.active_count() == threads


def test_new_arrays_go_to_files_and_views_stay_where_they_are(tmp_path: Path) -> None:
    workers, table = LocalWorkers(ScratchSpace(tmp_path)), np.arange(10.0)
    view, copy, text = workers.place([table[2:5], table[[1, 2]], "text"])
    assert isinstance(view, np.ndarray)
    assert view.base is table
    assert isinstance(copy, np.memmap)
    assert text == "text"
    assert len(list(tmp_path.iterdir())) == 1
