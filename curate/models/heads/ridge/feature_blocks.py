"""Blocks of features of a pair that change sign when its label is flipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.text.answer_counts import COUNTS, count_expressions, with_prompt_words
from curate.models.text.style import LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STYLE_PRIOR_FILE = "style_prior.json"
# A feature that is the same for all pairs would be divided by 0.
_TINY, _ZERO = 1e-12, 1e-9
# From here on sums in single precision err less than the labels do.
_SINGLE_PRECISION_ROWS = 20_000


class RawFeatures(NamedTuple):
    """What is seen of some pairs, oriented chosen minus rejected, not scaled.

    Attributes:
        embedded: (rows, dim) embeddings.
        counts: (rows, len(COUNTS) + 1) counts, and the cosine to the prompt.
        style: (rows, len(STYLE_FEATURES) + 1) style, and that cosine.
    """

    embedded: NDArray[np.float32]
    counts: NDArray[np.float32]
    style: NDArray[np.float32]


RawFeatureReader = Callable[[slice], RawFeatures]


@dataclass(frozen=True)
class FeatureScales:
    """What raw features are divided by, the same for all pairs whatever their labels.

    Attributes:
        counts: (len(COUNTS) + 1,) root mean squares.
        style: (len(STYLE_FEATURES) + 1,) likewise.
        prior: (len(COUNTS) + 1, sources) of `prior_root`.
        dtype: of the products.
        sizes: root mean squared norm of the rows of each block.
    """

    counts: NDArray[np.float64]
    style: NDArray[np.float64]
    prior: NDArray[np.float64]
    dtype: np.dtype[np.floating]
    sizes: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        counts: NDArray[np.float64],
        style: NDArray[np.float64],
        sources: list[str],
        pairs: int,
    ) -> FeatureScales:
        """Return scales but for the sizes, from the mean squares of raw counts and style."""
        # Of many rows the products cost most, and single precision is ample for their sums.
        is_small = pairs < _SINGLE_PRECISION_ROWS
        dtype: np.dtype[np.floating] = np.dtype(np.float64) if is_small else np.dtype(np.float32)
        roots = [np.sqrt(squares) + _ZERO for squares in (counts, style)]
        return cls(roots[0], roots[1], prior_root(sources), dtype)

    def blocks(self, raw: RawFeatures, styled: bool) -> list[NDArray[np.floating]]:
        """Return the blocks of some pairs: embeddings; tanh of the counts; style; the counts in the
        coordinates of the prior; length.

        The prior is the second moment of coefficients that other public sets have for the counts:
        it has no sign, so it says which directions of style matter somewhere, and not which way.
        """
        embedded: NDArray[np.floating] = raw.embedded.astype(self.dtype)
        if not styled:
            return [embedded]
        counts = (raw.counts / self.counts).astype(self.dtype)
        style = (raw.style / self.style).astype(self.dtype)
        length = style[:, LENGTH : LENGTH + 1]
        # tanh: counts have long tails, and one answer of 300 list items would decide the fit.
        return [embedded, np.tanh(counts), style, counts @ self.prior.astype(self.dtype), length]


class PairBlocks:
    """Blocks of features of pairs side by side, a few thousand rows at a time.

    Args:
        raw: of some rows.
        scales: whole, or without sizes where these are yet to be found.
        styled: whether there are blocks besides the embeddings.
    """

    def __init__(self, raw: RawFeatureReader, scales: FeatureScales, styled: bool = True) -> None:
        self._raw, self._scales, self._styled = raw, scales, styled

    def __call__(self, rows: slice) -> NDArray[np.floating]:
        """Return all blocks of some rows, (rows, d)."""
        assert self._scales.sizes is not None
        sizes = self._scales.sizes.astype(self._scales.dtype)
        return np.hstack([b / s for b, s in zip(self._blocks(rows), sizes, strict=True)])

    def widths(self) -> list[int]:
        """Return columns of each block."""
        return [block.shape[1] for block in self._blocks(slice(0, 1))]

    def squares(self, count: int) -> NDArray[np.float64]:
        """Return the sum of the squared norms of `count` rows, of each block."""
        total: NDArray[np.float64] = np.zeros(len(self.widths()))
        for rows in batch_slices(count, BATCH_ROWS):
            total += [float(np.square(b).sum(dtype=np.float64)) for b in self._blocks(rows)]
        return total

    def _blocks(self, rows: slice) -> list[NDArray[np.floating]]:
        return self._scales.blocks(self._raw(rows), self._styled)


def with_sizes(scales: FeatureScales, squares: NDArray[np.float64], pairs: int) -> FeatureScales:
    """Return the scales with the sizes that sums of squared norms over all pairs give."""
    return replace(scales, sizes=np.sqrt(squares / max(pairs, 1) + _TINY))


def count_text_differences(texts: pl.DataFrame) -> NDArray[np.float32]:
    """Return counts of chosen minus those of rejected, (pairs, len(COUNTS)).

    Args:
        texts: prompts and answers, whose words are all in memory at a time.
    """
    with_words = with_prompt_words(texts)
    chosen, rejected = (
        count_expressions(with_words.select("prompt", "asked", answer=side))
        .to_numpy()
        .astype(np.float32)
        for side in ("chosen", "rejected")
    )
    difference: NDArray[np.float32] = chosen - rejected
    return difference


@cache
def _style_prior() -> dict[str, Any]:
    text = (
        resources.files("curate.models.heads")
        .joinpath(_STYLE_PRIOR_FILE)
        .read_text(encoding="utf-8")
    )
    prior: dict[str, Any] = json.loads(text)
    return prior


def prompt_hash(text: str) -> str:
    """Return a hash of a prompt's text, white space and case ignored."""
    # Hashes instead of texts keep the file small that ships with the package.
    return blake2b(" ".join(text.lower().split()).encode(), digest_size=8).hexdigest()


def recognised_sources(prompts: pl.Series) -> set[str]:
    """Return the prior's sources that texts of prompts come from."""
    hashes = _source_by_prompt_hash()
    return {hashes[h] for h in map(prompt_hash, prompts.unique()) if h in hashes}


@cache
def _source_by_prompt_hash() -> dict[str, str]:
    return {
        prompt: name
        for name, source in _style_prior()["sources"].items()
        for prompt in source["prompts"]
    }


def remaining_sources(recognised: set[str]) -> list[str]:
    """Return the prior's sources but those that the pairs come from.

    Else the clean labels of a set would help to judge its noisy ones, and a bench would see it.
    """
    return [name for name in _style_prior()["sources"] if name not in recognised]


def prior_root(sources: list[str]) -> NDArray[np.float64]:
    """Return square root of the second moment of the sources' coefficients, (counts + 1, sources).

    Without a source nothing is known: no column.
    """
    names = (*COUNTS, "cosine")
    table = [
        [_style_prior()["sources"][source]["coefficients"][name] for name in names]
        for source in sources
    ]
    if not table:
        return np.zeros((len(names), 0))
    _, sizes, directions = np.linalg.svd(np.array(table), full_matrices=False)
    # A root R with R R' = C'C / n, so that a ridge on counts @ R has that moment as its prior.
    root: NDArray[np.float64] = directions.T * sizes / np.sqrt(len(table))
    return root
