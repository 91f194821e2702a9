"""Other votes, and verdicts, on the same two answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.duplicates import repeated_rows
from curate.models.heads.noise.rate import shared_votes, voted_answers
from curate.models.heads.posterior.observations import constant

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class VoteCounts:
    """Votes on the same two answers, each label's own vote counted.

    Attributes:
        balance: (pairs,) votes for the label less those against it; 1 where nobody else voted.
        count: (pairs,) votes in all.
    """

    balance: NDArray[np.float64]
    count: NDArray[np.float64]


def count_votes(pairs: pl.DataFrame, keys: pl.DataFrame) -> VoteCounts:
    """Votes of several people on the same answers.

    They count where thirty answers or more have several votes, of two people or more; else rows
    that repeat may be copies of one vote.

    Args:
        pairs: the pair table.
        keys: `vote_keys` of the pairs.
    """
    votes = shared_votes(pairs, keys)
    if voted_answers(pairs, keys, votes) is None:
        return VoteCounts(constant(1.0, len(pairs)), constant(1.0, len(pairs)))
    balance, count = np.ones(len(pairs)), np.ones(len(pairs))
    side = pl.when("first").then(1).otherwise(-1)
    counts = votes.with_columns(side=side).select(
        "row", balance=pl.col("side").sum().over("pair") * pl.col("side"), n=pl.len().over("pair")
    )
    rows = counts["row"].to_numpy()
    balance[rows], count[rows] = counts["balance"].to_numpy(), counts["n"].to_numpy()
    return VoteCounts(balance, count)


def spread_verdicts(verdicts: NDArray[np.int8], keys: pl.DataFrame) -> NDArray[np.int8]:
    """Verdicts on pairs, also on the other pairs of the same two answers, (pairs,).

    Args:
        verdicts: (pairs,) 1 for a right label, -1 for a wrong one, 0 where nobody judged.
        keys: `vote_keys` of the pairs.
    """
    rows = repeated_rows(keys["pair"])
    side = np.where(keys["first"].gather(rows).to_numpy(), 1, -1)
    repeated = pl.DataFrame({"pair": keys["pair"].gather(rows), "verdict": side * verdicts[rows]})
    verdict = repeated.select(pl.col("verdict").sum().over("pair").sign())["verdict"].to_numpy()
    spread = verdicts.copy()
    spread[rows] = np.where(verdicts[rows] != 0, verdicts[rows], side * verdict)
    return spread
