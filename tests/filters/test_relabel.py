"""Filters that flip labels by a condition or a share, and by tags."""

from __future__ import annotations

import json
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import CurateError
from curate.filters.flip_lowest import FlipLowest
from curate.filters.flip_where import FlipWhere
from curate.filters.tag_coverage import TagCoverage, select_by_complexity, select_by_diversity
from curate.steps.context import Context
from curate.steps.relabel import flip_labels
from tests.helpers import numbered_pairs

SCORES = [0.5, -2.0, None, 3.0, -1.0]


def first_words(pairs: pl.DataFrame) -> list[str]:
    return [answer[0]["content"].split()[0] for answer in pairs["chosen"]]


def scored() -> pl.DataFrame:
    return numbered_pairs(5).with_columns(pl.Series("s.x", SCORES))


def test_flip_where() -> None:
    context = Context()
    verdict = FlipWhere(condition="`s.x` < 0").apply(scored(), context)
    assert verdict.keep.all()
    assert verdict.added is not None
    assert verdict.changed is not None
    assert verdict.added["flipped"].to_list() == [False, True, False, False, True]
    assert first_words(verdict.changed) == ["good", "evil", "good", "good", "evil"]
    assert verdict.changed["extra"].to_list()[1] == '{"flipped":true}'
    assert context.facts["flipped"] == 2
    assert set(FlipWhere(condition="`s.x` < 0").reads()) >= {"s.x", "chosen", "rejected"}
    with pytest.raises(ValueError, match="SQL"):
        FlipWhere(condition="`s.x` <")
    with pytest.raises(CurateError, match="does not evaluate"):
        FlipWhere(condition="`s.x` + 1").apply(scored(), Context())


def test_flip_lowest() -> None:
    low = FlipLowest(column="s.x", share=0.25).apply(scored(), Context())
    assert low.added is not None
    assert low.added["flipped"].to_list() == [False, True, False, False, False]
    high = FlipLowest(column="s.x", share=0.5, prefer="min").apply(scored(), Context())
    assert high.added is not None
    assert high.added["flipped"].to_list() == [True, False, False, True, False]
    none = FlipLowest(column="s.x", share=0.0).apply(scored(), Context())
    assert none.added is not None
    assert not none.added["flipped"].any()


TAGS = {0: "a", 1: "abc", 2: "ab", 3: "d", 4: ""}


def items(tags: dict[int, str]) -> dict[int, frozenset[str]]:
    return {row: frozenset(letters) for row, letters in tags.items()}


def test_complexity_passes_and_starts_anew() -> None:
    # First pass abc and d, which see all; then ab, then a; the one without tags comes last.
    assert select_by_complexity(items(TAGS), 5) == [1, 3, 2, 0, 4]
    assert select_by_complexity(items(TAGS), 2) == [1, 3]


def test_diversity_takes_most_new_tags() -> None:
    assert select_by_diversity(items(TAGS), 5) == [1, 3, 2, 0, 4]
    # cd adds two, ac only one more.
    assert select_by_diversity(items({0: "ab", 1: "ac", 2: "cd"}), 2) == [0, 2]


@given(st.lists(st.sets(st.sampled_from("abcdef")), min_size=1, max_size=8), st.integers(0, 8))
def test_no_row_twice_and_greedy_is_near_the_best(tags: list[set[str]], size: int) -> None:
    items = {row: frozenset(row_tags) for row, row_tags in enumerate(tags)}
    for select in (select_by_complexity, select_by_diversity):
        selected = select(items, size)
        assert len(selected) == len(set(selected)) == min(size, len(items))
    if size and size <= len(items):
        best = max(len(frozenset().union(*c)) for c in combinations(items.values(), size))
        covered = len(frozenset().union(*(items[row] for row in select_by_diversity(items, size))))
        # Nemhauser, Wolsey and Fisher 1978: at least 1 - 1/e of the best cover.
        assert covered >= (1 - 1 / 2.71828) * best


def test_tag_coverage_filter() -> None:
    texts = [json.dumps(list(TAGS[row])) for row in range(4)] + [None]
    pairs = numbered_pairs(5).with_columns(pl.Series("ins_tag.tags", texts))
    context = Context()
    verdict = TagCoverage(keep=0.5).apply(pairs, context)
    assert verdict.keep.to_list() == [False, True, False, True, False]
    assert verdict.reason.to_list()[4] == "ins_tag.tags is missing"
    assert context.facts["tags"] == {"all": 4, "covered": 4}
    common = TagCoverage(keep=0.5, rare=2, missing="keep").apply(pairs, Context())
    assert common.keep.to_list() == [False, True, True, False, True]
    with pytest.raises(CurateError, match="contains no tags"):
        TagCoverage(keep=0.5).apply(pairs.with_columns(pl.lit("x").alias("ins_tag.tags")), context)


def test_a_label_flipped_twice_is_the_one_that_was_read() -> None:
    pairs = numbered_pairs(3).with_columns(extra=pl.Series(['{"a":1}', None, "{}"]))
    every = pl.Series([True] * 3)
    once = pairs.with_columns(flip_labels(pairs, every))
    twice = once.with_columns(flip_labels(once, every))
    thrice = twice.with_columns(flip_labels(twice, every))
    marks = [[json.loads(e)["flipped"] for e in frame["extra"]] for frame in (once, twice, thrice)]
    assert marks == [[True] * 3, [False] * 3, [True] * 3]
    assert twice["chosen"].equals(pairs["chosen"])
    assert json.loads(twice["extra"][0])["a"] == 1
