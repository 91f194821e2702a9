"""Keeps pairs whose prompts cover many tags."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from typing import Literal

import polars as pl
from pydantic import Field

from curate import Context, CurateError, Filter, FilterResult, MissingParams
from curate.scoring.filtering import missing_codes


class TagCoverageParams(MissingParams):
    """Parameters of `tag_coverage`."""

    column: str = Field("ins_tag.tags", description="JSON list of each prompt's tags.")
    keep: float = Field(ge=0, le=1, description="Share of the pairs with tags that is kept.")
    order: Literal["complexity", "diversity"] = Field(
        "complexity",
        description="complexity: most tags first, as long as a new one is added; diversity: most "
        "new tags first.",
    )
    rare: int = Field(1, ge=1, description="Tags of fewer pairs than this do not count.")


class TagCoverage(Filter[TagCoverageParams]):
    """Keep a share of the pairs, greedily by the tags that they add.

    `complexity` is InsTag's complexity-first diverse sampling (arXiv 2308.07074, alg. 1): passes
    over the pairs by falling number of tags, each of which selects a pair if it adds a tag that is
    new in the pass. `diversity` selects the pair with most new tags, and starts again once all are
    covered. Ties go by the order of the pairs. Use it after `ins_tag`, to keep many intentions.

    Examples:
        >>> items = {0: frozenset("a"), 1: frozenset("ab"), 2: frozenset("c")}
        >>> select_by_complexity(items, 2), select_by_diversity(items, 1)
        ([1, 2], [1])
    """

    name = "tag_coverage"
    purpose = "keep the best"
    when = "After ins_tag, to keep many intentions."
    summary = "keep pairs whose prompts cover many tags (InsTag complexity, diversity)"
    reference = "InsTag, arXiv 2308.07074, alg. 1; as filter: PrefCleanBench, arXiv 2509.23564"
    single_answers = True
    Params = TagCoverageParams
    drop_codes = ("tag_coverage", "tag_coverage_missing")

    def reads(self) -> tuple[str, ...]:
        """Read the tags."""
        return (self.params.column,)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep the pairs that cover most tags."""
        p = self.params
        tags = [self._parse_tags(text) for text in pairs[p.column].to_list()]
        items = _frequent_tags(tags, p.rare)
        # The share refers to pairs with tags.
        size = round(p.keep * len(items))
        selected = (select_by_complexity if p.order == "complexity" else select_by_diversity)(
            items, size
        )
        covered = set().union(*(items[row] for row in selected))
        context.facts["tags"] = {
            "all": len(set().union(*items.values())),
            "covered": len(covered),
        }
        missing = pl.Series([row_tags is None for row_tags in tags], dtype=pl.Boolean)
        rows = pl.Series(range(len(pairs)), dtype=pl.Int64)
        kept_rows = pl.Series(sorted(selected), dtype=pl.Int64)
        decisions = pl.select(
            keep=pl.when(missing)
            .then(p.missing == "keep")
            .otherwise(rows.is_in(kept_rows.implode())),
            reason=pl.when(missing)
            .then(pl.lit(f"{p.column} is missing"))
            .otherwise(pl.lit(f"adds too few tags ({p.order})")),
        )
        code = missing_codes(missing, self.drop_codes)
        return FilterResult(decisions["keep"], decisions["reason"], code=code)

    def _parse_tags(self, text: str | None) -> list[str] | None:
        if text is None:
            return None
        try:
            tags = json.loads(text)
        except (ValueError, TypeError):
            tags = None
        if not isinstance(tags, list):
            raise CurateError(
                "the column contains no tags",
                where=f"filter '{self.name}', {self.params.column}",
                found=repr(text)[:80],
                expected='a JSON list such as ["recipe", "vegan"]',
            )
        return [str(tag) for tag in tags]


def _frequent_tags(tags: list[list[str] | None], rare: int) -> dict[int, frozenset[str]]:
    """Return the tags of each row that has some, but those that occur less than `rare` times."""
    counts = Counter(tag for row_tags in tags if row_tags for tag in row_tags)
    # Rare tags are mostly spelling variants, and each would count as new.
    return {
        row: frozenset(tag for tag in row_tags if counts[tag] >= rare)
        for row, row_tags in enumerate(tags)
        if row_tags is not None
    }


def select_by_complexity(items: dict[int, frozenset[str]], size: int) -> list[int]:
    """Return at most `size` rows as InsTag's passes by falling number of tags select them."""
    remaining = sorted(items, key=lambda row: -len(items[row]))
    all_tags = set().union(*items.values())
    selected: list[int] = []
    while len(selected) < size:
        # Each pass starts without covered tags, so that a tag counts once per pass.
        covered: set[str] = set()
        skipped, count_before = [], len(selected)
        for position, row in enumerate(remaining):
            if len(selected) == size or covered == all_tags:
                skipped += remaining[position:]
                break
            if items[row] <= covered:
                skipped.append(row)
            else:
                selected.append(row)
                covered |= items[row]
        if len(selected) == count_before:
            # Only pairs without tags remain.
            return selected + remaining[: size - len(selected)]
        remaining = skipped
    return selected


def select_by_diversity(items: dict[int, frozenset[str]], size: int) -> list[int]:
    """Return at most `size` rows by most new tags; once all tags are covered, start again."""
    selected: list[int] = []
    covered: set[str] = set()
    # The gain of a row can only fall, so an old heap entry is an upper bound (lazy greedy).
    heap = [(-len(tags), row) for row, tags in items.items()]
    heapq.heapify(heap)
    while heap and len(selected) < size:
        _, row = heapq.heappop(heap)
        negative_gain = -len(items[row] - covered)
        if heap and (negative_gain, row) > heap[0]:
            heapq.heappush(heap, (negative_gain, row))
        # All tags are covered: start a new round over the remaining rows.
        elif negative_gain == 0 and covered:
            covered = set()
            heap = [(-len(items[r]), r) for r in [row, *(r for _, r in heap)]]
            heapq.heapify(heap)
        else:
            selected.append(row)
            covered |= items[row]
    return selected
