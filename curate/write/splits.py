"""Which split each kept pair goes to: whole clusters of prompts, never across."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import prompt_keys
from curate.write.manifest import SplitCounts

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS = "splits.parquet"
SPLIT = "split"
_NAME = re.compile(r"\w+(\.\w+)*")
_EXACT = 1e-6


def check_shares(shares: dict[str, float]) -> dict[str, float]:
    """Return the shares of splits; raise ValueError unless they add up to 1.

    Raises:
        ValueError: fewer than two splits, a share that is none, a sum other than 1, a wrong name.
    """
    if len(shares) < 2:
        raise ValueError("give two splits or more, such as {train: 0.98, test: 0.02}")
    wrong = [name for name in shares if not _NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"a split's name is of letters, digits and _, not {wrong[0]!r}")
    if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1.0) > _EXACT:
        raise ValueError(f"shares are above 0 and add up to 1, not to {sum(shares.values()):g}")
    return shares


def assign_splits(
    prompts: NDArray[np.int64],
    clusters: NDArray[np.int64],
    shares: dict[str, float],
    seed: int,
) -> pl.Series:
    """Return the split of each pair, (pairs,).

    Sizes are counted in prompts and met to a prompt: clusters of several prompts go first, each to
    the split that lacks most; then single prompts, in an order drawn by the seed, fill up exactly.

    Args:
        prompts: (pairs,) number of each pair's prompt.
        clusters: (pairs,) number of its cluster; pairs of one cluster go to one split.
        shares: of the prompts, by name of the split.
        seed: of the order.
    """
    names = list(shares)
    number, inverse = np.unique(clusters, return_inverse=True)
    distinct = np.unique(np.stack([inverse, prompts]), axis=1)
    sizes = np.bincount(distinct[0], minlength=len(number))
    remaining = _split_counts(int(sizes.sum()), list(shares.values()))
    shuffled = np.random.default_rng(seed).permutation(len(number))
    # A stable sort of a drawn order: clusters of one size stay in random order.
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    split = np.empty(len(number), dtype=np.int64)
    # Large clusters first: late ones would no longer fit the split that lacks most.
    for cluster in order[sizes[order] > 1]:
        split[cluster] = int(np.argmax(remaining))
        remaining[split[cluster]] -= sizes[cluster]
    single = order[sizes[order] == 1]
    split[single] = _fill_splits(remaining, len(single))
    return pl.Series(SPLIT, names, dtype=pl.String).gather(split[inverse])


def _split_counts(total: int, shares: list[float]) -> NDArray[np.int64]:
    """Return integers that add up to the total, by the largest remainder."""
    exact_counts = np.array(shares) * total
    # 0.29 * 100 is a little less than 29: a bare floor would take one prompt away.
    counts = np.floor(exact_counts + _EXACT).astype(np.int64)
    # What flooring left over goes to the largest remainders.
    lacking = np.argsort(-(exact_counts - counts), kind="stable")[: total - int(counts.sum())]
    counts[lacking] += 1
    return counts


def _fill_splits(remaining: NDArray[np.int64], singles: int) -> NDArray[np.int64]:
    """Return the split of each single prompt; splits that large clusters overfilled get none."""
    open_counts = np.maximum(remaining, 0)
    # Large clusters may have filled a split beyond its share: the others go short.
    while open_counts.sum() > singles:
        open_counts[int(np.argmax(open_counts))] -= 1
    return np.repeat(np.arange(len(open_counts)), open_counts)


def count_splits(pairs: pl.DataFrame, splits: pl.Series) -> dict[str, SplitCounts]:
    """Return pairs and prompts of each split."""
    keys = pl.DataFrame({SPLIT: splits, "prompt": prompt_keys(pairs)})
    counts = keys.group_by(SPLIT, maintain_order=True).agg(
        pairs=pl.len(), prompts=pl.col("prompt").n_unique()
    )
    return {str(name): SplitCounts(n, p) for name, n, p in counts.iter_rows()}
