from __future__ import annotations

import pytest

from curate.context import SilentProgress
from curate.models.near_duplicates import (
    earlier_near_duplicate,
    jaccard,
    nearly_repeats,
    shingles,
    similarity,
)
from tests.helpers import pairs_of

LONG = " ".join(f"word{i}" for i in range(60))
ALL = ("prompt", "chosen", "rejected")


def edited(text: str, word: str = "other") -> str:
    return " ".join([*text.split()[:-1], word])


def test_shingles_are_runs_of_three_words_without_case() -> None:
    assert shingles("One two, three four") == shingles("one TWO three four")
    assert len(shingles("one two three four")) == 2
    assert len(shingles("one")) == 1
    assert len(shingles("你好世界啊")) == 3
    assert jaccard(shingles("a b c d"), shingles("a b c e")) == pytest.approx(1 / 3)


def test_similarity_takes_the_least_part_and_the_better_order() -> None:
    p, a, b = shingles("p q r s"), shingles(LONG), shingles("x y z")
    assert similarity((p, a, b), (p, b, a)) == 1.0
    assert similarity((p, a, b), (p, a, shingles("no way out"))) == 0.0
    assert similarity((p,), (p,)) == 1.0


def test_a_near_copy_is_found_and_a_chain_is_judged_by_what_was_kept() -> None:
    texts = [LONG, edited(LONG), "something else entirely here", edited(LONG, "third")]
    items = [(shingles(t),) for t in texts]
    assert earlier_near_duplicate(items, 0.9) == [-1, 0, -1, 0]
    assert earlier_near_duplicate(items, 1.0) == [-1] * 4


def test_every_part_must_be_near_and_the_order_of_answers_does_not_count() -> None:
    pairs = pairs_of(
        [
            {"prompt": LONG, "chosen": "yes it is", "rejected": LONG},
            {"prompt": edited(LONG), "chosen": edited(LONG), "rejected": "yes it is"},
            {"prompt": LONG, "chosen": "no it is not", "rejected": LONG},
        ]
    )
    ids = pairs["pair_id"].to_list()
    assert nearly_repeats(pairs, ALL, 0.9, SilentProgress()).to_list() == [None, ids[0], None]
    prompt_only = nearly_repeats(pairs, ("prompt",), 0.9, SilentProgress()).to_list()
    assert prompt_only == [None, ids[0], None]  # the third repeats exactly, which is no near copy


def test_exact_repeats_share_one_fate() -> None:
    row = {"prompt": edited(LONG), "chosen": "a", "rejected": "b"}
    pairs = pairs_of([{"prompt": LONG, "chosen": "a", "rejected": "b"}, row, row])
    first = pairs["pair_id"][0]
    assert nearly_repeats(pairs, ALL, 0.9, SilentProgress()).to_list() == [None, first, first]
