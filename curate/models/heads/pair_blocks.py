"""Blocks of features of a pair that change sign when its label is flipped."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.table import BATCH_ROWS, batches, messages_text
from curate.data.threads import cores
from curate.models.text.answer_counts import COUNTS, counts_of, with_asked
from curate.models.text.style import LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.features import Features

_TABLE = "style_prior.json"
_TINY = 1e-12
_MANY = 20_000
_THREADS = 4
"""At most; each holds the words of a batch."""
SKETCH = 256
"""Prompts of a source by which its data are known again."""


class PairBlocks:
    """Features of pairs, block by block, a few thousand rows at a time.

    The blocks: embeddings, chosen minus rejected; tanh of the scaled differences of the answers'
    counts; differences of style; the same counts in the coordinates of a prior; length. The
    prior is the second moment of coefficients that other public sets have for the counts: it has
    no sign, so it says which directions of style matter somewhere, and not which way. Scales are
    those of all pairs, whatever their labels.

    Args:
        pairs: the pair table.
        features: of these pairs.
        order: (pairs,) the rows in the order in which they are asked for.
        style: whether there are blocks besides the embeddings.
    """

    def __init__(
        self,
        pairs: pl.DataFrame,
        features: Features,
        order: NDArray[np.int64],
        style: bool = True,
    ) -> None:
        self._features, self._order, self._with_style = features, order, style
        # Of many rows the products cost most, and single precision is ample for their sums.
        self._dtype = np.dtype(np.float64 if len(order) < _MANY else np.float32)
        if style:
            self._count(pairs, features)
        self.widths = [block.shape[1] for block in self._blocks(slice(0, 1))]
        self._scales = np.ones(len(self.widths))
        self._scales = self._sizes(len(order))

    def _count(self, pairs: pl.DataFrame, features: Features) -> None:
        """Scaled differences of counts and style, and the prior."""
        cosine = (features.cosines("chosen") - features.cosines("rejected"))[:, None]
        self._counts = _scaled(np.hstack([count_differences(pairs), cosine]))
        chosen, rejected = (features.style[features.index[s]] for s in ("chosen", "rejected"))
        self._style = _scaled(np.hstack([chosen - rejected, cosine]))
        self._prior = prior_root(sources_without(pairs))

    def __call__(self, rows: slice) -> NDArray[Any]:
        """All blocks side by side of some rows in order, (rows, d)."""
        scales = self._scales.astype(self._dtype)
        return np.hstack([b / s for b, s in zip(self._blocks(rows), scales, strict=True)])

    def _blocks(self, rows: slice) -> list[NDArray[Any]]:
        at, dtype = self._order[rows], self._dtype
        embedded: NDArray[Any] = self._features.of("chosen", at).astype(dtype)
        embedded -= self._features.of("rejected", at)
        if not self._with_style:
            return [embedded]
        counts, style = (v[at].astype(dtype) for v in (self._counts, self._style))
        length = style[:, LENGTH : LENGTH + 1]
        return [embedded, np.tanh(counts), style, counts @ self._prior.astype(dtype), length]

    def _sizes(self, count: int) -> NDArray[np.float64]:
        """Root mean squared norm of the rows of each block."""
        total = np.zeros(len(self._scales))
        for rows in batches(count, BATCH_ROWS):
            blocks = self._blocks(rows)
            total += [float(np.square(b).sum(dtype=np.float64)) for b in blocks]
        return np.sqrt(total / max(count, 1) + _TINY)


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column divided by its root mean square."""
    found: NDArray[np.float32] = values / (np.sqrt(np.square(values).mean(axis=0)) + 1e-9)
    return found


def count_differences(pairs: pl.DataFrame) -> NDArray[np.float32]:
    """Counts of chosen minus those of rejected, (pairs, len(COUNTS))."""
    out = np.zeros((len(pairs), len(COUNTS)), dtype=np.float32)

    def count(rows: slice) -> None:
        texts = with_asked(
            pairs[rows].select(messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected"))
        )
        chosen, rejected = (
            counts_of(texts.select("prompt", "asked", answer=side)).to_numpy()
            for side in ("chosen", "rejected")
        )
        out[rows] = chosen.astype(np.float32) - rejected.astype(np.float32)

    # polars takes one core for steps of one column, as those that find the words.
    with ThreadPoolExecutor(min(cores(), _THREADS)) as pool:
        list(pool.map(count, batches(len(pairs), BATCH_ROWS)))
    return out


@cache
def _table() -> dict[str, Any]:
    text = resources.files("curate.models.heads").joinpath(_TABLE).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def prompt_hash(text: str) -> str:
    """A hash of a prompt's text, white space and case ignored."""
    return blake2b(" ".join(text.lower().split()).encode(), digest_size=8).hexdigest()


def sources_without(pairs: pl.DataFrame) -> list[str]:
    """The prior's sources but those that these pairs come from.

    Else the clean labels of a set would help to judge its noisy ones, and a bench would see it.
    """
    known = {
        prompt: name for name, source in _table()["sources"].items() for prompt in source["prompts"]
    }
    found = set()
    for rows in batches(len(pairs), BATCH_ROWS):
        texts = pairs[rows].select(t=messages_text("prompt"))["t"].unique()
        found |= {known[h] for h in map(prompt_hash, texts) if h in known}
    return [name for name in _table()["sources"] if name not in found]


def prior_root(sources: list[str]) -> NDArray[np.float64]:
    """Square root of the second moment of the sources' coefficients, (counts + 1, sources).

    Without a source nothing is known: no column.
    """
    names = (*COUNTS, "cosine")
    table = [
        [_table()["sources"][source]["coefficients"][name] for name in names] for source in sources
    ]
    if not table:
        return np.zeros((len(names), 0))
    _, sizes, directions = np.linalg.svd(np.array(table), full_matrices=False)
    root: NDArray[np.float64] = directions.T * sizes / np.sqrt(len(table))
    return root
