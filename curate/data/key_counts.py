"""Counts keys over any number of batches, in some 20 bytes a distinct key."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KeyHalves = NDArray[np.uint64]
"""128-bit keys as their two halves, (keys, 2)."""


class _Run(NamedTuple):
    """Distinct keys in ascending order, and how often each came."""

    keys: KeyHalves
    counts: NDArray[np.uint32]


class KeyCounts:
    """Counts of keys in sorted runs, of which each is at least twice as long as the next.

    A dictionary of Python's would take ten times the memory, and a loop over the keys.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def before(self, keys: KeyHalves) -> NDArray[np.int64]:
        """Count each key's occurrences in earlier calls and earlier in this one, (keys,)."""
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ranked = keys[order]
        starts = _distinct_starts(ranked)
        sizes = np.diff(np.append(starts, len(ranked)))
        new = _Run(ranked[starts], sizes.astype(np.uint32))
        earlier = np.zeros(len(starts), dtype=np.int64)
        for run in self._runs:
            earlier += _lookup_counts(run, new.keys)
        # lexsort is stable: of equal keys the first of the call stands first.
        within = np.arange(len(ranked)) - np.repeat(starts, sizes)
        out = np.empty(len(keys), dtype=np.int64)
        out[order] = np.repeat(earlier, sizes) + within
        self._add(new)
        return out

    def has(self, keys: KeyHalves) -> NDArray[np.bool_]:
        """Return whether each key occurred in an earlier call of `before`, (keys,)."""
        came_before = np.zeros(len(keys), dtype=np.bool_)
        for run in self._runs:
            came_before |= _lookup_counts(run, keys) > 0
        return came_before

    def _add(self, run: _Run) -> None:
        # As in a binary counter: a key is merged some log2(batches) times.
        while self._runs and len(self._runs[-1].keys) < 2 * len(run.keys):
            run = _merge_runs(self._runs.pop(), run)
        self._runs.append(run)


def key_halves(keys: bytes) -> KeyHalves:
    """Return the two halves of concatenated 16-byte keys."""
    return np.frombuffer(keys, dtype=np.uint64).reshape(-1, 2)


def _distinct_starts(ranked: KeyHalves) -> NDArray[np.int64]:
    """Return the first position of each distinct key among sorted keys."""
    if not len(ranked):
        return np.empty(0, dtype=np.int64)
    differs = (ranked[1:] != ranked[:-1]).any(axis=1)
    return np.concatenate([[0], np.flatnonzero(differs) + 1])


def _lookup_counts(run: _Run, keys: KeyHalves) -> NDArray[np.int64]:
    """Return the count of each key in the run, 0 if it is missing."""
    position = np.searchsorted(run.keys[:, 0], keys[:, 0])
    counts = np.zeros(len(keys), dtype=np.int64)
    unmatched = np.arange(len(keys))
    # Keys that share their first half, as hardly any two do, stand side by side.
    while len(unmatched):
        unmatched = unmatched[position[unmatched] < len(run.keys)]
        there = run.keys[position[unmatched]]
        unmatched, there = (v[there[:, 0] == keys[unmatched, 0]] for v in (unmatched, there))
        same = there[:, 1] == keys[unmatched, 1]
        counts[unmatched[same]] = run.counts[position[unmatched[same]]]
        unmatched = unmatched[~same]
        position[unmatched] += 1
    return counts


def _merge_runs(first: _Run, second: _Run) -> _Run:
    keys = np.concatenate([first.keys, second.keys])
    counts = np.concatenate([first.counts, second.counts])
    # Two sorted runs: a stable sort by the first half takes linear time, and is nearly always one
    # by the whole key.
    order = np.argsort(keys[:, 0], kind="stable")
    keys, counts = keys[order], counts[order]
    same = keys[1:, 0] == keys[:-1, 0]
    if (same & (keys[1:, 1] < keys[:-1, 1])).any():
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        keys, counts = keys[order], counts[order]
    starts = _distinct_starts(keys)
    if len(starts) == len(keys):
        return _Run(keys, counts)
    return _Run(keys[starts], np.add.reduceat(counts, starts).astype(np.uint32))
