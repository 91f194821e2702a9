"""A random sample of prompts with all their pairs, drawn while the dataset is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from curate.data.hashes import prompt_keys
from curate.read.pairs import Pairs


def sample_prompts(
    stream: Iterator[Pairs], max_pairs: int, seed: int = 0
) -> tuple[Pairs, str | None]:
    """Return the pairs of a sample of prompts, at most `max_pairs` pairs in the order of reading.

    Prompts are drawn by a hash of their text, so that each is as likely as any other and all of a
    prompt's pairs come along: intervals over prompts hold as for a dataset of that size.
    At most about three times `max_pairs` pairs are in memory. A smaller dataset comes as it is.

    Args:
        stream: batches from `stream_pairs`.
        max_pairs: the most pairs; the first prompt is taken with any number of pairs.
        seed: seed of the hash.

    Returns:
        The sample, and a note on it; None if it holds all pairs.
    """
    batches: list[Pairs] = []
    hashes: list[pl.Series] = []
    total = 0
    limit: int | None = None
    for batch in stream:
        total += len(batch)
        batches.append(batch)
        hashes.append(prompt_keys(batch.frame).hash(seed))
        if limit is not None:
            _drop_beyond_limit(batches, hashes, limit, last_only=True)
        # Not at every block: a cut looks at all hashes so far.
        if sum(map(len, batches)) > 2 * max_pairs:
            limit = _hash_limit(pl.concat(hashes), max_pairs)
            _drop_beyond_limit(batches, hashes, limit)
    if sum(map(len, batches)) > max_pairs:
        limit = _hash_limit(pl.concat(hashes), max_pairs)
        _drop_beyond_limit(batches, hashes, limit)
    sample = _concatenate_batches(batches)
    if limit is None:
        return sample, None
    note = _sample_note(len(sample), total)
    return replace(sample, notes=(*sample.notes, note)), note


def sample_pair_table(
    pairs: pl.DataFrame, max_pairs: int, seed: int = 0
) -> tuple[pl.DataFrame, str | None]:
    """Return a sample of a pair table in memory; only the sample's texts are copied."""
    if len(pairs) <= max_pairs:
        return pairs, None
    hashes = prompt_keys(pairs).hash(seed)
    rows = (hashes <= _hash_limit(hashes, max_pairs)).arg_true()
    return pairs[rows], _sample_note(len(rows), len(pairs))


def _sample_note(sampled: int, total: int) -> str:
    return f"{sampled:,} of {total:,} pairs, all those of a random sample of the prompts"


def _hash_limit(hashes: pl.Series, max_pairs: int) -> int:
    """Return the largest hash with at most `max_pairs` pairs up to it, and at least one prompt."""
    counts = hashes.alias("h").to_frame().group_by("h").len().sort("h")
    fitting_prompts = int((counts["len"].cum_sum() <= max_pairs).sum())
    return int(counts["h"][max(fitting_prompts - 1, 0)])


def _drop_beyond_limit(
    batches: list[Pairs], hashes: list[pl.Series], limit: int, last_only: bool = False
) -> None:
    """Drop pairs whose prompt's hash is above the limit, in place, in the last batch or in all."""
    for position in range(len(batches) - 1 if last_only else 0, len(batches)):
        inside = hashes[position] <= limit
        batch = batches[position]
        origins = batch.origins.filter(inside) if len(batch.origins) else batch.origins
        batches[position] = replace(batch, frame=batch.frame.filter(inside), origins=origins)
        hashes[position] = hashes[position].filter(inside)


def _concatenate_batches(batches: list[Pairs]) -> Pairs:
    last = batches[-1]
    frames = (
        pl.concat([getattr(p, name) for p in batches]) for name in ("frame", "rejected", "origins")
    )
    frame, rejected, origins = frames
    return replace(last, frame=frame, rejected=rejected, origins=origins)
