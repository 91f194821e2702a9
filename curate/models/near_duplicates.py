"""Near duplicates among pairs: MinHash-LSH finds candidates, exact Jaccard decides."""

from __future__ import annotations

import re
from zlib import crc32

import polars as pl
from datasketch import MinHash, MinHashLSH

from curate.context import Progress, SilentProgress
from curate.pairs import messages_text

# Scripts that write words without spaces are taken character by character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
_SHINGLE_WORDS = 3
_PERMUTATIONS = 64
_MAX_INDEX_THRESHOLD = 0.9
_PROMPT_MARK = 0x5BD1E995

Shingles = frozenset[int]
Parts = tuple[Shingles, ...]
"""Shingles of the prompt (if it counts), then of the two answers (if they count)."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; the text itself where it has none."""
    return _WORD.findall(text.lower()) or [text]


def shingles(text: str, length: int = _SHINGLE_WORDS) -> Shingles:
    """Hashes of all runs of `length` words, case ignored; a shorter text is one shingle."""
    words = words_of(text)
    runs = max(len(words) - length + 1, 1)
    return frozenset(crc32("\x1f".join(words[i : i + length]).encode()) for i in range(runs))


def jaccard(first: Shingles, second: Shingles) -> float:
    """Shared shingles over all shingles of both."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def similarity(first: Parts, second: Parts) -> float:
    """The least Jaccard similarity of the parts; answers are matched in the better order."""
    prompt = _has_prompt(first)
    found = [jaccard(first[0], second[0])] if prompt else []
    if len(first) > 1:
        (low, high), (other_low, other_high) = first[prompt:], second[prompt:]
        straight = min(jaccard(low, other_low), jaccard(high, other_high))
        crossed = min(jaccard(low, other_high), jaccard(high, other_low))
        found.append(max(straight, crossed))
    return min(found)


def _has_prompt(parts: Parts) -> int:
    """1 if the parts begin with a prompt, else 0."""
    return len(parts) % 2


def earlier_near_duplicate(
    items: list[Parts], threshold: float, progress: Progress | None = None
) -> list[int]:
    """For each item the position of an earlier kept one that it nearly repeats, or -1.

    An item is kept when its `similarity` to no kept item before it reaches `threshold`. Candidates
    come from MinHash-LSH (Broder 1997; 64 permutations) on the shingles of all parts: an item just
    above the threshold can be missed, one below it is never reported.
    """
    # The index needs two bands at least, which a threshold near 1 would not give.
    lowered = min(threshold, _MAX_INDEX_THRESHOLD)
    index = MinHashLSH(threshold=lowered, num_perm=_PERMUTATIONS, weights=(0.2, 0.8))
    found = [-1] * len(items)
    with (progress or SilentProgress()).task("near duplicates", len(items)) as task:
        for position, parts in enumerate(items):
            sketch = MinHash(num_perm=_PERMUTATIONS, hashfunc=_identity, seed=1)
            sketch.update_batch(_tagged(parts))
            near = (
                c for c in sorted(index.query(sketch)) if similarity(parts, items[c]) >= threshold
            )
            found[position] = next(near, -1)
            if found[position] < 0:
                index.insert(position, sketch)
            task.advance()
    return found


def _tagged(parts: Parts) -> list[int]:
    """Shingles of all parts, those of the prompt told apart from the answers'."""
    prompt = _has_prompt(parts)
    marked = [value ^ _PROMPT_MARK for part in parts[:prompt] for value in part]
    return marked + [value for answer in parts[prompt:] for value in answer]


def _identity(value: int) -> int:
    return value


def nearly_repeats(
    pairs: pl.DataFrame, parts: tuple[str, ...], threshold: float, progress: Progress
) -> pl.Series:
    """pair_id of the earlier pair that each pair nearly repeats, or null.

    `parts` are what is compared: ("prompt",), ("chosen", "rejected"), or all three; each part must
    be near. The order of the answers does not count. Pairs with exactly the same texts (repeats,
    flips, votes of several annotators) are judged as one, and not near duplicates of each other.
    """
    texts = pairs.select(messages_text(p).alias(p) for p in ("prompt", "chosen", "rejected"))
    answers = [p for p in parts if p != "prompt"]
    wanted = [pl.col("prompt")] if "prompt" in parts else []
    if answers:
        wanted += [
            pl.min_horizontal(answers).alias("low"),
            pl.max_horizontal(answers).alias("high"),
        ]
    texts = texts.select(wanted)
    first = texts.select(f=pl.struct(pl.all()).is_first_distinct())["f"]
    distinct = texts.filter(first)
    items: list[Parts] = [tuple(shingles(text) for text in row) for row in distinct.iter_rows()]
    earlier = earlier_near_duplicate(items, threshold, progress)
    ids = pairs["pair_id"].filter(first)
    names = [ids[e] if e >= 0 else None for e in earlier]
    table = distinct.with_columns(_of=pl.Series(names, dtype=pl.String))
    return texts.join(table, on=texts.columns, how="left", maintain_order="left")["_of"]
