"""Which rows make up an epoch: pairs by their weights, labels by the probability that they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MOST = 100
"""Rows of one pair in one draw: a larger weight would fill the disk."""
_SEEDS = 2**64


@dataclass(frozen=True)
class Draws:
    """Rows of each pair in each draw.

    Attributes:
        times: (draws, pairs) rows of the pair, `MOST` at most.
        flips: (draws, pairs) of these, the rows with the other label.
    """

    times: NDArray[np.uint8]
    flips: NDArray[np.uint8]


def draw_rows(
    ids: Iterable[str],
    weights: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    *,
    signed: bool = False,
    draws: int = 1,
    seed: int = 0,
) -> Draws:
    """Draw systematic samples of the pairs, ordered by a seeded hash of their ids.

    In each draw a pair of weight w and probability p has w p rows with its label and w (1 - p) with
    the other one in expectation, so that the expected sum of their losses is the weighted,
    two-sided loss w [p L(+) + (1 - p) L(-)]. The number of rows is within 1 of the sum of the
    weights, over all draws together too. `signed` instead writes the likelier label alone, with
    weight w |2p - 1|: the same gradient where the loss is linear in the margin.

    Args:
        ids: of the pairs, each once; they alone decide, not the order of the pairs.
        weights: (pairs,) 0 or more.
        probabilities: (pairs,) that the label as written is right, 0 to 1.
        signed: see above.
        draws: how many, each from its own place between two pairs.
        seed: of the order and of the places.

    >>> two = np.array([0.5, 2.0])
    >>> draw_rows(["a", "b"], two, np.ones(2), draws=2).times.sum(axis=0).tolist()
    [1, 4]
    """
    order = _random_order(ids, len(weights), seed)
    rate = weights * np.abs(2.0 * probabilities - 1.0) if signed else weights
    times, flips = np.zeros((2, draws, len(order)), dtype=np.uint8)
    # One of the rows, the other of the labels: with one alone, rows of weight 1 would all flip.
    starts = np.random.default_rng(seed).random(2)
    for number in range(draws):
        # Evenly spaced starts: the rows of all draws together also stay within 1 of their weights.
        first, second = (starts + number / draws) % 1.0
        times[number, order] = np.minimum(_systematic_draws(rate[order], first), MOST)
        flips[number] = _drawn_flips(order, times[number], probabilities, signed, second)
    return Draws(times, flips)


def _drawn_flips(
    order: NDArray[np.int64],
    times: NDArray[np.uint8],
    probabilities: NDArray[np.float64],
    signed: bool,
    start: float,
) -> NDArray[np.int64]:
    """Return how many of the rows of each pair carry the other label."""
    if signed:
        return np.where(probabilities < 0.5, times, 0).astype(np.int64)
    pair = np.repeat(order, times[order])
    is_flipped = np.minimum(_systematic_draws(1.0 - probabilities[pair], start), 1)
    return np.bincount(pair, is_flipped, minlength=len(order)).astype(np.int64)


def _random_order(ids: Iterable[str], pairs: int, seed: int) -> NDArray[np.int64]:
    """Return the pairs in the order of their hashes, the same on every machine."""
    # By hash, not by place: neighbours in a file often share a source, and would be drawn alike.
    hashes = (xxhash.xxh3_64_intdigest(name.encode(), seed % _SEEDS) for name in ids)
    return np.argsort(np.fromiter(hashes, dtype=np.uint64, count=pairs), kind="stable")


def _systematic_draws(rates: NDArray[np.float64], start: float) -> NDArray[np.int64]:
    """Count the points start, start + 1, ... on each item; the item's rate is the mean."""
    # Differences of floors: an item gets its rate rounded up or down, and rounding never adds up.
    ends = np.floor(np.concatenate([np.zeros(1), np.cumsum(rates)]) + start)
    return np.diff(ends).astype(np.int64)
