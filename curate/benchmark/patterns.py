"""Ways in which labels go wrong, injected at a known rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.cluster import KMeans

from curate.benchmark.data import BenchData
from curate.data.table import dense_ranks
from curate.models.heads.ridge.margins import held_out_margins
from curate.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Number of simulated annotators for data that names none.
ANNOTATORS = 10
# Number of clusters of prompts.
TOPICS = 20

Pattern = Callable[[BenchData, float, np.random.Generator], "NDArray[np.bool_]"]


def symmetric_flips(data: BenchData, rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Flip every label with the same probability."""
    return rng.random(len(data.pairs)) < rate


def ambiguity_flips(data: BenchData, rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Flip ambiguous pairs more often: with probability in proportion to 1 - |2 p - 1|.

    p is known for semi-synthetic data; else held-out heads on the clean labels give it.
    """
    margin = data.margin
    if margin is None:
        seed = int(rng.integers(2**31))
        context = Context(seed=seed).for_pairs(data.pairs, data.features)
        margin = held_out_margins(data.pairs, context).margin
    weight = 1.0 - np.abs(2.0 * expit(margin) - 1.0)
    return rng.random(len(margin)) < _scale_to_mean(weight, rate)


def _scale_to_mean(weight: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return probabilities in proportion to the weights, at most 1, whose mean is the rate."""
    # By bisection: where some probabilities end at 1 the others must make up for them.
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2.0
        mean = np.minimum(weight * middle, 1.0).mean()
        low, high = (middle, high) if mean < rate else (low, middle)
    return np.minimum(weight * high, 1.0)


def annotator_flips(data: BenchData, rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Flip more labels of careless annotators, whose rates rise from 0 to twice the rate.

    Data without annotators gets ten, at random (see `with_annotators`).
    """
    number = dense_ranks(data.pairs["annotator"])
    # Their mean is the rate, so that patterns of one rate are comparable.
    rates = np.linspace(0.0, 2.0 * rate, int(number.max()) + 1)
    flips: NDArray[np.bool_] = rng.random(len(data.pairs)) < rng.permutation(rates)[number]
    return flips


def with_annotators(data: BenchData, rng: np.random.Generator) -> BenchData:
    """Return the data with ten annotators at random, unless it names more than one itself."""
    if data.pairs["annotator"].drop_nulls().n_unique() > 1:
        pairs = data.pairs.with_columns(pl.col("annotator").fill_null("(none)"))
    else:
        names = [f"annotator {k}" for k in rng.integers(ANNOTATORS, size=len(data.pairs))]
        pairs = data.pairs.with_columns(annotator=pl.Series(names))
    return replace(data, pairs=pairs)


def topic_flips(data: BenchData, rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Flip all labels of whole topics (clusters of prompts) until the rate is reached.

    Consistent flips can look like a preference: no method that trusts its data finds them all.
    """
    groups = min(TOPICS, len(np.unique(data.features.index["prompt"])))
    seed = int(rng.integers(2**31))
    # One start is enough: topics have to be coherent, not optimal.
    topics = KMeans(groups, n_init=1, random_state=seed).fit_predict(data.features.of("prompt"))
    order = rng.permutation(groups)
    sizes = np.cumsum(np.bincount(topics, minlength=groups)[order])
    # Whole topics: the rate is met as nearly as their sizes allow.
    flipped_topics = order[: int(np.argmin(np.abs(sizes - rate * len(topics)))) + 1]
    flips: NDArray[np.bool_] = np.isin(topics, flipped_topics)
    return flips


PATTERNS: dict[str, Pattern] = {
    "symmetric": symmetric_flips,
    "ambiguity": ambiguity_flips,
    "annotator": annotator_flips,
    "topic": topic_flips,
}


def inject_flips(
    data: BenchData, pattern: str, rate: float, rng: np.random.Generator
) -> tuple[BenchData, NDArray[np.bool_]]:
    """Return the data with flipped labels, and which they are; "annotator" names annotators too."""
    if pattern == "annotator":
        data = with_annotators(data, rng)
    flips = PATTERNS[pattern](data, rate, rng)
    return data.flipped(flips), flips
