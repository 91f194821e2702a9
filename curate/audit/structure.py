"""Cycles of preference among the answers to one prompt, and prompts shared between two sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from curate.keys import content_keys
from curate.models.out_of_fold import trainable
from curate.pairs import dense_numbers, messages_key

_CYCLE = 3


def cycles(pairs: pl.DataFrame) -> pl.Series:
    """Whether each pair lies on a cycle of three answers or more; (pairs,) bool.

    The answers to a prompt are the nodes, a vote is an edge from the preferred one to the other; a
    strongly connected component of three nodes or more holds a cycle. Two answers preferred both
    ways are a contradiction, not a cycle.
    """
    keys = content_keys(pairs).with_columns(ok=pl.Series(trainable(pairs)))
    nodes = pl.concat([keys.select("prompt", answer=c) for c in ("chosen", "rejected")])
    ends = dense_numbers(nodes.to_struct()).reshape(2, -1)
    voted = keys["ok"].to_numpy()
    start, end = ends[:, voted]
    size = int(ends.max()) + 1 if ends.size else 0
    if size == 0:
        return pl.Series([], dtype=pl.Boolean)
    graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(size, size))
    _, component = connected_components(graph, directed=True, connection="strong")
    large = np.bincount(component)[component] >= _CYCLE
    inside = (component[ends[0]] == component[ends[1]]) & large[ends[0]] & voted
    return pl.Series(inside)


def audit_structure(pairs: pl.DataFrame) -> dict[str, Any]:
    """Prompts with three answers or more, and the pairs on cycles among them."""
    keys = content_keys(pairs)
    answers = pl.concat([keys.select("prompt", answer=c) for c in ("chosen", "rejected")])
    several = answers.unique().group_by("prompt").len().filter(pl.col("len") >= _CYCLE)
    on_cycle = cycles(pairs)
    return {
        "prompts_with_three_answers": len(several),
        "pairs_on_cycles": int(on_cycle.sum()),
        "prompts_with_cycles": keys.filter(on_cycle)["prompt"].n_unique(),
    }


def audit_leakage(pairs: pl.DataFrame, other: pl.DataFrame) -> dict[str, Any]:
    """Prompts (white space and case ignored) that two data sets share."""
    mine, theirs = (_prompts(frame) for frame in (pairs, other))
    shared = mine.is_in(theirs.implode())
    return {
        "prompts": mine.n_unique(),
        "shared_prompts": mine.filter(shared).n_unique(),
        "pairs_of_shared_prompts": int(shared.sum()),
    }


def _prompts(pairs: pl.DataFrame) -> pl.Series:
    key = messages_key("prompt").str.to_lowercase().str.replace_all(r"\s+", " ")
    return pairs.select(p=key.str.strip_chars())["p"]
