"""A random sample of prompts with all their pairs, drawn while the data set is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from curate.data.hashes import prompt_keys
from curate.read.pairs import Pairs


def sample_prompts(parts: Iterator[Pairs], most: int, seed: int = 0) -> tuple[Pairs, str | None]:
    """The pairs of as many prompts as make at most `most` pairs, in the order of reading.

    Prompts are drawn by a hash of their text, so that each is as likely as any other and all of a
    prompt's pairs come along: intervals over prompts hold as they do of a data set of that size.
    No more than about three times `most` pairs are in memory. A data set that is no larger comes as
    it is.

    Args:
        parts: from `stream_pairs`.
        most: pairs at most; the first prompt is taken whatever its pairs.
        seed: of the hash.

    Returns:
        The sample, and what a user should know of it; None where it is the whole.
    """
    held: list[Pairs] = []
    hashes: list[pl.Series] = []
    total = 0
    limit: int | None = None
    for part in parts:
        total += len(part)
        held.append(part)
        hashes.append(prompt_keys(part.frame).hash(seed))
        if limit is not None:
            _cut(held, hashes, limit, last=True)
        # Not at every block: a cut looks at all hashes so far.
        if sum(map(len, held)) > 2 * most:
            limit = _limit(pl.concat(hashes), most)
            _cut(held, hashes, limit)
    if sum(map(len, held)) > most:
        limit = _limit(pl.concat(hashes), most)
        _cut(held, hashes, limit)
    found = _joined(held)
    if limit is None:
        return found, None
    told = _told(len(found), total)
    return replace(found, notes=(*found.notes, told)), told


def sample_pair_table(
    pairs: pl.DataFrame, most: int, seed: int = 0
) -> tuple[pl.DataFrame, str | None]:
    """The same of a pair table that is at hand; its texts are taken for the sample alone."""
    if len(pairs) <= most:
        return pairs, None
    hashes = prompt_keys(pairs).hash(seed)
    rows = (hashes <= _limit(hashes, most)).arg_true()
    return pairs[rows], _told(len(rows), len(pairs))


def _told(taken: int, total: int) -> str:
    return f"{taken:,} of {total:,} pairs, all those of a random sample of the prompts"


def _limit(hashes: pl.Series, most: int) -> int:
    """The largest hash up to which there are at most `most` pairs, and at least one prompt."""
    counts = hashes.alias("h").to_frame().group_by("h").len().sort("h")
    fits = int((counts["len"].cum_sum() <= most).sum())
    return int(counts["h"][max(fits - 1, 0)])


def _cut(held: list[Pairs], hashes: list[pl.Series], limit: int, last: bool = False) -> None:
    """Drop pairs whose prompt lies beyond the limit, in place, of the last part or of all."""
    for at in range(len(held) - 1 if last else 0, len(held)):
        inside = hashes[at] <= limit
        part = held[at]
        origins = part.origins.filter(inside) if len(part.origins) else part.origins
        held[at] = replace(part, frame=part.frame.filter(inside), origins=origins)
        hashes[at] = hashes[at].filter(inside)


def _joined(held: list[Pairs]) -> Pairs:
    last = held[-1]
    frames = (
        pl.concat([getattr(p, name) for p in held]) for name in ("frame", "rejected", "origins")
    )
    frame, rejected, origins = frames
    return replace(last, frame=frame, rejected=rejected, origins=origins)
