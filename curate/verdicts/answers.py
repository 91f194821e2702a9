"""Hashes of answers, by which a verdict recognises the answer that it prefers."""

from __future__ import annotations

from hashlib import blake2b

import polars as pl

from curate.data.table import text_keys

# They tell the two answers of one pair apart: 64 bits are plenty.
_HASH_BYTES = 8


def answer_hashes(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return hex hashes of both answers with their media: `chosen_hash`, `rejected_hash`.

    They are the same in every version and on every machine, as pair ids are.

    Args:
        pairs: a pair table of a size that people judge.
    """
    keys = text_keys(pairs)
    return pl.DataFrame(
        [pl.Series(f"{s}_hash", _hex_hashes(keys[s]), pl.String) for s in ("chosen", "rejected")]
    )


def _hex_hashes(texts: pl.Series) -> list[str]:
    return [blake2b(t.encode(), digest_size=_HASH_BYTES).hexdigest() for t in texts]
