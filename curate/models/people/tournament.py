"""The votes on one prompt as a tournament of its answers: cycles, and how much order there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from curate.data.hashes import content_keys
from curate.data.table import dense_ranks
from curate.models.heads.out_of_fold import trainable_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

CYCLE = 3
"""Answers in a strongly connected component from which on it holds a cycle."""


@dataclass(frozen=True)
class Tournaments:
    """The votes of a pair table as graphs, one a prompt.

    Attributes:
        on_cycle: (pairs,) whether both answers lie in one component of three or more.
        size: (pairs,) answers in the component of the preferred one.
        prompt: (pairs,) number of the prompt.
        entropy: (prompts,) structural entropy over its maximum, 0 to 1; NaN below three answers.
    """

    on_cycle: NDArray[np.bool_]
    size: NDArray[np.int64]
    prompt: NDArray[np.int64]
    entropy: NDArray[np.float64]


def build_tournaments(pairs: pl.DataFrame) -> Tournaments:
    """Return components and entropies of all prompts.

    The answers to a prompt are the nodes, a vote is an edge from the preferred one to the other.
    Two answers preferred both ways are a contradiction, not a cycle. The entropy is that of the
    in-degrees, -sum d/m log d/m over its maximum log n: an order gives the lost votes to few
    answers, a cycle spreads them evenly (the one-dimensional structural entropy of a directed
    graph; ELSPR's normalisation is not published in what we could read).
    """
    keys = content_keys(pairs).with_columns(ok=pl.Series(trainable_mask(pairs)))
    nodes = pl.concat([keys.select("prompt", answer=c) for c in ("chosen", "rejected")])
    ends = dense_ranks(nodes.to_struct()).reshape(2, -1)
    prompt = dense_ranks(keys["prompt"])
    voted = keys["ok"].to_numpy()
    size = int(ends.max()) + 1 if ends.size else 0
    if size == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Tournaments(nothing.astype(bool), nothing, nothing, np.empty(0))
    start, end = ends[:, voted]
    graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(size, size))
    # Answers that beat each other around in a circle are one strongly connected component.
    _, component = connected_components(graph, directed=True, connection="strong")
    sizes = np.bincount(component)[component]
    inside = (component[ends[0]] == component[ends[1]]) & (sizes[ends[0]] >= CYCLE) & voted
    owner = np.zeros(size, dtype=np.int64)
    owner[ends[0]] = owner[ends[1]] = prompt
    return Tournaments(inside, sizes[ends[0]], prompt, _lost_vote_entropies(owner, end, size))


def _lost_vote_entropies(
    owner: NDArray[np.int64], losers: NDArray[np.int64], nodes: int
) -> NDArray[np.float64]:
    """Return the normalised entropy of lost votes among the answers to each prompt."""
    lost = np.bincount(losers, minlength=nodes).astype(np.float64)
    prompts = int(owner.max()) + 1
    total = np.bincount(owner, lost, prompts)
    answers = np.bincount(owner, minlength=prompts)
    share = lost / np.maximum(total[owner], 1.0)
    # 0 log 0 is 0, and numpy would say NaN.
    terms = -share * np.log(np.where(share > 0, share, 1.0))
    entropy = np.bincount(owner, terms, prompts)
    has_entropy = (answers >= CYCLE) & (total > 0)
    return np.where(has_entropy, entropy / np.log(np.maximum(answers, 2)), np.nan)


def mean_clarity(graphs: Tournaments) -> float | None:
    """Return 1 minus the mean entropy of the prompts with three answers or more; None without
    any."""
    finite_entropy = graphs.entropy[~np.isnan(graphs.entropy)]
    return round(1.0 - float(finite_entropy.mean()), 4) if len(finite_entropy) else None
