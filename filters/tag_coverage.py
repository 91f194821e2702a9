"""Keeps pairs whose prompts cover many tags."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from typing import Literal

import polars as pl
from pydantic import Field

from curate import Context, CurateError, Filter, FilterResult, MissingParams


class TagCoverageParams(MissingParams):
    """Parameters of `tag_coverage`."""

    column: str = Field("ins_tag.tags", description="JSON list of each prompt's tags.")
    keep: float = Field(ge=0, le=1, description="Share of the pairs with tags that is kept.")
    order: Literal["complexity", "diversity"] = Field(
        "complexity",
        description="complexity: most tags first, while a new one is added; diversity: most new "
        "tags first.",
    )
    rare: int = Field(1, ge=1, description="Tags of fewer pairs than this do not count.")


class TagCoverage(Filter[TagCoverageParams]):
    """Keeps a share of the pairs, greedily by the tags that they add.

    complexity is InsTag's complexity-first diverse sampling: passes over the pairs by falling
    number of tags, in each of which a pair is taken while it adds a tag that the pass has not seen.
    diversity takes the pair with most unseen tags, and starts anew once all are seen. No pair is
    taken twice; ties go by the order of the pairs.
    """

    name = "tag_coverage"
    purpose = "keep the best"
    when = "After ins_tag, to keep many intentions."
    summary = "keep pairs whose prompts cover many tags (InsTag complexity, diversity)"
    reference = "InsTag, arXiv 2308.07074, alg. 1; as filter: PrefCleanBench, arXiv 2509.23564"
    Params = TagCoverageParams

    def reads(self) -> tuple[str, ...]:
        """The tags."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the share that covers most."""
        p = self.params
        tags = [self._tags(text) for text in pairs[p.column].to_list()]
        counts = Counter(tag for found in tags if found for tag in found)
        # Rare tags are mostly spellings of their own, and each would count as something new.
        items = {
            row: frozenset(t for t in found if counts[t] >= p.rare)
            for row, found in enumerate(tags)
            if found is not None
        }
        size = round(p.keep * len(items))
        taken = (by_complexity if p.order == "complexity" else by_diversity)(items, size)
        seen = set(taken)
        covered = set().union(*(items[row] for row in taken))
        context.facts["tags"] = {
            "all": len(set().union(*items.values())),
            "covered": len(covered),
        }
        keep = [row in seen if row in items else p.missing == "keep" for row in range(len(pairs))]
        reasons = [
            f"adds too few tags ({p.order})" if row in items else f"{p.column} is missing"
            for row in range(len(pairs))
        ]
        return FilterResult(pl.Series(keep, dtype=pl.Boolean), pl.Series(reasons, dtype=pl.String))

    def _tags(self, text: str | None) -> list[str] | None:
        if text is None:
            return None
        try:
            found = json.loads(text)
        except (ValueError, TypeError):
            found = None
        if not isinstance(found, list):
            raise CurateError(
                "the column holds no tags",
                where=f"filter '{self.name}', {self.params.column}",
                found=repr(text)[:80],
                expected='a JSON list such as ["recipe", "vegan"]',
            )
        return [str(tag) for tag in found]


def by_complexity(items: dict[int, frozenset[str]], size: int) -> list[int]:
    """Rows in the order in which passes by falling number of tags take them, at most `size`."""
    left = sorted(items, key=lambda row: -len(items[row]))
    everything = set().union(*items.values())
    taken: list[int] = []
    while len(taken) < size:
        # Each pass begins with no tag seen, so that a tag may come once a pass.
        seen: set[str] = set()
        skipped, before = [], len(taken)
        for place, row in enumerate(left):
            if len(taken) == size or seen == everything:
                skipped += left[place:]
                break
            if items[row] <= seen:
                skipped.append(row)
            else:
                taken.append(row)
                seen |= items[row]
        if len(taken) == before:
            # Only pairs without tags are left.
            return taken + left[: size - len(taken)]
        left = skipped
    return taken


def by_diversity(items: dict[int, frozenset[str]], size: int) -> list[int]:
    """Rows in the order of most unseen tags, at most `size`; once nothing is unseen, anew."""
    taken: list[int] = []
    seen: set[str] = set()
    # New tags of a row only get fewer, so that an old entry is an upper bound (lazy greedy).
    heap = [(-len(tags), row) for row, tags in items.items()]
    heapq.heapify(heap)
    while heap and len(taken) < size:
        _, row = heapq.heappop(heap)
        fresh = -len(items[row] - seen)
        if heap and (fresh, row) > heap[0]:
            heapq.heappush(heap, (fresh, row))
        # Everything is covered: a new round over what is left.
        elif fresh == 0 and seen:
            seen = set()
            heap = [(-len(items[r]), r) for r in [row, *(r for _, r in heap)]]
            heapq.heapify(heap)
        else:
            taken.append(row)
            seen |= items[row]
    return taken
