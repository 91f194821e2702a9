"""Pairs with answers of other prompts, against traits that say nothing of the prompt (RRM)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import prompt_keys
from curate.data.table import PairIds, empty_pairs
from curate.derive.instructions import DerivedPairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

MADE = "rrm"
"""Value of `extra.made` for these pairs."""
_TRIES = 8
"""Draws of partners after which a pair without one of another prompt is left out."""


def neutral_batches(batches: Iterable[pl.DataFrame], seed: int = 0) -> Iterator[DerivedPairs]:
    """Derive pairs from batches of a dataset, with ids for the whole dataset; see
    `neutral_pairs`.
    """
    rng, ids = np.random.default_rng(seed), PairIds()
    for batch in batches:
        yield neutral_pairs(batch, rng, ids)


def neutral_pairs(
    pairs: pl.DataFrame, rng: np.random.Generator, ids: PairIds | None = None
) -> DerivedPairs:
    """Derive three pairs from each (x, w, l) and the answers (w', l') of another prompt, drawn at
    random.

    RRM (arXiv 2409.13156, section 3) trains on: (x, w > w') and (x, l > w'), since any answer to
    the prompt beats one to another; and (x, w' = l'), a tie. A trait that comes with good answers
    whatever the prompt (lists, length) wins in the given pair, loses in (l > w') and decides
    nothing in the others, so it no longer predicts the label. `extra` has `made`, `kind`
    ("chosen", "rejected" or "tie"), and the ids of both pairs.

    Args:
        pairs: the pair table; ties and single answers give no pair.
        rng: draws the other prompts.
        ids: pair ids of the dataset.
    """
    voted = pairs.filter(~pl.col("is_tie").fill_null(False) & pl.col("rejected").is_not_null())
    partner = _partners_of_other_prompts(prompt_keys(voted), rng)
    source_pairs, partner_pairs = voted.filter(partner >= 0), voted[partner[partner >= 0]]
    derived = [
        _with_answers(source_pairs, partner_pairs, kind, chosen, rejected)
        for kind, chosen, rejected in (
            ("chosen", source_pairs["chosen"], partner_pairs["chosen"]),
            ("rejected", source_pairs["rejected"], partner_pairs["chosen"]),
            ("tie", partner_pairs["chosen"], partner_pairs["rejected"]),
        )
    ]
    left_out = {
        "a tie, or a single answer": len(pairs) - len(voted),
        "no other prompt in the batch": len(voted) - len(source_pairs),
    }
    frame = pl.concat([empty_pairs(), *derived], how="diagonal_relaxed")
    frame = (ids or PairIds()).fill_missing(frame)
    return DerivedPairs(frame, {reason: count for reason, count in left_out.items() if count})


def _partners_of_other_prompts(keys: pl.Series, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each row a random row of another prompt; -1 where none was drawn."""
    prompt = keys.rank("dense").to_numpy()
    partner = np.full(len(prompt), -1, dtype=np.int64)
    for _ in range(_TRIES):
        waiting = np.flatnonzero(partner < 0)
        candidates = rng.permutation(len(prompt))[: len(waiting)]
        differs = prompt[candidates] != prompt[waiting]
        partner[waiting[differs]] = candidates[differs]
    return partner


def _with_answers(
    source_pairs: pl.DataFrame,
    partner_pairs: pl.DataFrame,
    kind: str,
    chosen: pl.Series,
    rejected: pl.Series,
) -> pl.DataFrame:
    facts = pl.DataFrame(
        {"made_from": source_pairs["pair_id"], "answers_from": partner_pairs["pair_id"]}
    )
    extra = facts.select(
        e=pl.struct(
            pl.lit(MADE).alias("made"), pl.lit(kind).alias("kind"), "made_from", "answers_from"
        ).struct.json_encode()
    )
    return source_pairs.select("prompt", "source").with_columns(
        chosen.alias("chosen"),
        rejected.alias("rejected"),
        extra["e"].alias("extra"),
        is_tie=pl.lit(kind == "tie"),
    )
