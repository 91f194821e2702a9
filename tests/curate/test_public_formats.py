"""Public data sets in their published schemas, a few rows each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Pairs, read_pairs
from tests.helpers import turn, write_jsonl


def read(tmp_path: Path, rows: list[dict[str, Any]], kind: str = "jsonl") -> Pairs:
    """The rows through a file, once as JSON lines and once as parquet."""
    as_json = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)), on_error="skip")
    if kind == "jsonl":
        return as_json
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    pairs = read_pairs(str(tmp_path / "a.parquet"), on_error="skip")
    same = ["pair_id", "prompt", "chosen", "rejected", "annotator", "strength", "is_tie"]
    assert pairs.frame.select(same).equals(as_json.frame.select(same))
    return pairs


def answers(pairs: Pairs) -> list[tuple[str, str]]:
    rows = pairs.frame.select("chosen", "rejected").rows()
    return [(c[-1]["content"], r[-1]["content"]) for c, r in rows]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_shp(tmp_path: Path, kind: str) -> None:
    base = {
        "post_id": "x",
        "domain": "askdocs_train",
        "history": "Why?",
        "human_ref_A": "A",
        "human_ref_B": "B",
    }
    rows = [{**base, "labels": 1, "score_ratio": 2.0}, {**base, "labels": 0, "score_ratio": 3.5}]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, answers(pairs)) == ("shp", [("A", "B"), ("B", "A")])
    assert pairs.frame["strength"].to_list() == [2.0, 3.5]
    assert pairs.frame["source"].to_list() == ["askdocs_train"] * 2
    assert json.loads(pairs.frame["extra"][1])["labels"] == 0


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_pku_saferlhf_gives_a_pair_for_each_label(tmp_path: Path, kind: str) -> None:
    row = {
        "prompt": "p",
        "response_0": "zero",
        "response_1": "one",
        "is_response_0_safe": True,
        "better_response_id": 1,
        "safer_response_id": 0,
    }
    pairs = read(tmp_path, [row], kind)
    assert pairs.format == "pku_saferlhf"
    assert pairs.frame["annotator"].to_list() == ["better", "safer"]
    assert answers(pairs) == [("one", "zero"), ("zero", "one")]
    assert json.loads(pairs.frame["extra"][0])["is_response_0_safe"] is True


def test_orca(tmp_path: Path) -> None:
    rows = [
        {"system": "Be brief.", "question": "q", "chosen": "a", "rejected": "b"},
        {"system": "", "question": "q", "chosen": "c", "rejected": "d"},
    ]
    pairs = read(tmp_path, rows, "parquet")
    assert pairs.format == "orca"
    assert pairs.frame["prompt"].to_list() == [
        turn("Be brief.", "system") + turn("q", "user"),
        turn("q", "user"),
    ]


def test_distilabel_orca_marks_ties(tmp_path: Path) -> None:
    base = {"system": "", "input": "q", "chosen": "a", "rejected": "b", "chosen_score": 9.0}
    pairs = read(tmp_path, [{**base, "status": s} for s in ("unchanged", "tie", "swapped")])
    assert pairs.format == "distilabel_orca"
    assert pairs.frame["is_tie"].to_list() == [False, True, False]
    assert json.loads(pairs.frame["extra"][2]) == {"chosen_score": 9.0, "status": "swapped"}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_helpsteer2_by_the_sign_of_the_strength(tmp_path: Path, kind: str) -> None:
    base = {"split": "train", "prompt": "p", "response_1": "one", "response_2": "two"}
    rows = [{**base, "preference_strength": s} for s in (-3, 1, 0)]
    pairs = read(tmp_path, rows, kind)
    assert pairs.format == "helpsteer2"
    assert answers(pairs) == [("one", "two"), ("two", "one"), ("one", "two")]
    assert pairs.frame["strength"].to_list() == [3.0, 1.0, 0.0]
    assert pairs.frame["is_tie"].to_list() == [False, False, True]


def test_helpsteer3_with_a_conversation_as_context(tmp_path: Path) -> None:
    context = turn("hi", "user") + turn("ho") + turn("more?", "user")
    row = {
        "domain": "code",
        "context": context,
        "response1": "one",
        "response2": "two",
        "overall_preference": 2,
    }
    pairs = read(tmp_path, [row, {**row, "overall_preference": 9}], "parquet")
    assert (pairs.format, answers(pairs)) == ("helpsteer3", [("two", "one")])
    assert pairs.frame["prompt"].to_list() == [context]
    assert pairs.frame["source"].to_list() == ["code"]
    assert "expected -3 to 3" in pairs.rejected["reason"][0]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_arena_splits_where_the_conversations_part(tmp_path: Path, kind: str) -> None:
    ask = turn("hi", "user")
    base = {
        "question_id": "1",
        "model_a": "m",
        "model_b": "n",
        "judge": "user_7",
        "turn": 1,
        "conversation_a": ask + turn("from a"),
        "conversation_b": ask + turn("from b"),
    }
    more = turn("and?", "user")
    long = {
        **base,
        "conversation_a": base["conversation_a"] + more + turn("a again"),  # type: ignore[operator]
        "conversation_b": base["conversation_b"] + more + turn("b again"),  # type: ignore[operator]
        "winner": "model_b",
    }
    rows = [{**base, "winner": w} for w in ("model_a", "model_b", "tie", "tie (bothbad)", "nobody")]
    pairs = read(tmp_path, [*rows, long], kind)
    assert pairs.format == "arena"
    assert answers(pairs)[:2] == [("from a", "from b"), ("from b", "from a")]
    assert pairs.frame["is_tie"].to_list() == [False, False, True, True, False]
    assert pairs.frame["prompt"].to_list() == [ask] * 5
    assert len(pairs.frame["chosen"][4]) == 3
    assert pairs.frame["annotator"].to_list() == ["user_7"] * 5
    assert pairs.rejected["row"].to_list() == [5]
    assert "tie (bothbad)" in pairs.rejected["reason"][0]


def test_skywork_and_tulu_are_trl(tmp_path: Path) -> None:
    dialogue = turn("q", "user") + turn("good")
    other = turn("q", "user") + turn("bad")
    skywork = [{"chosen": dialogue, "rejected": other, "source": "magpie"}]
    tulu = [{"id": "1", "source": "x", "prompt": "q", "chosen": dialogue, "rejected": other}]
    for rows in (skywork, tulu):
        pairs = read(tmp_path, rows, "parquet")
        assert (pairs.format, answers(pairs)) == ("trl", [("good", "bad")])
        assert pairs.frame["prompt"].to_list() == [turn("q", "user")]


COMPLETIONS = [
    {"model": m, "response": f"from {m}", "overall_score": s, "critique": "..."}
    for m, s in (("a", 6.0), ("b", 9.0), ("c", 3.0), ("d", 6.0))
]
ULTRA = {
    "source": "evol",
    "instruction": "i",
    "models": ["a", "b", "c", "d"],
    "completions": COMPLETIONS,
}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_ultrafeedback_best_and_worst_by_default(tmp_path: Path, kind: str) -> None:
    pairs = read(tmp_path, [ULTRA, ULTRA], kind)
    assert (pairs.format, answers(pairs)) == ("ultrafeedback", [("from b", "from c")] * 2)
    assert pairs.frame["strength"].to_list() == [6.0, 6.0]
    assert pairs.frame["source"].to_list() == ["evol"] * 2
    extra = json.loads(pairs.frame["extra"][0])
    assert (extra["pair_of_answers"], extra["scores"]) == ([1, 2], [9.0, 3.0])
    assert extra["models"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"pairs": "best_rest"}, ["ba", "bd", "bc"]),
        ({"pairs": "all"}, ["ba", "bd", "bc", "ad", "ac", "dc"]),
        ({"pairs": "all", "min_gap": 3}, ["ba", "bd", "bc", "ac", "dc"]),
        ({"pairs": "best_worst", "min_gap": 7}, []),
    ],
)
def test_rules_for_rankings(tmp_path: Path, rule: dict[str, object], expected: list[str]) -> None:
    other = {
        **ULTRA,
        "completions": [{"response": r, "overall_score": s} for r, s in (("x", 1.0), ("y", 20.0))],
    }
    path = write_jsonl(tmp_path / "a.jsonl", [ULTRA, other])
    pairs = read_pairs(str(path), ranking=rule)
    found = [c[-1] + r[-1] for c, r in answers(pairs)]
    assert found == [*expected, "yx"]
    ties = pairs.frame.filter("is_tie")["strength"].to_list()
    assert ties == ([0.0] if "ad" in expected else [])


def test_unscored_and_broken_completions_make_no_pair(tmp_path: Path) -> None:
    unscored = {
        **ULTRA,
        "completions": [{"response": "x", "overall_score": None}, *COMPLETIONS[:2]],
    }
    pairs = read(tmp_path, [unscored, {**ULTRA, "completions": []}])
    assert answers(pairs) == [("from b", "from a")]
    assert pairs.rejected.select("row", "reason").rows() == [
        (2, "the ranking makes no pair; expected two scored answers or more")
    ]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_nectar_by_rank(tmp_path: Path, kind: str) -> None:
    ranked = [{"answer": f"rank {r}", "model": "m", "rank": float(r)} for r in (2, 1, 3)]
    row = {
        "prompt": "\n\nHuman: hi\n\nAssistant: ho\n\nHuman: more\n\nAssistant: ",
        "answers": ranked,
        "turns": 2,
    }
    pairs = read(tmp_path, [row], kind)
    assert (pairs.format, answers(pairs)) == ("nectar", [("rank 1", "rank 3")])
    assert pairs.frame["prompt"].to_list() == [
        turn("hi", "user") + turn("ho") + turn("more", "user")
    ]
    assert pairs.frame["strength"].to_list() == [2.0]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_summaries_by_choice(tmp_path: Path, kind: str) -> None:
    row = {
        "info": {
            "id": "t3",
            "post": "long post",
            "title": "Title",
            "subreddit": "x",
            "article": None,
        },
        "summaries": [{"text": " zero", "policy": "sup"}, {"text": " one", "policy": "ref"}],
        "choice": 1,
        "worker": "w7",
        "split": "train",
        "extra": {"confidence": 7},
    }
    article = {**row, "info": {**row["info"], "post": None, "title": None, "article": "news"}}  # type: ignore[dict-item]
    pairs = read(tmp_path, [row, article], kind)
    assert pairs.format == "summarize_from_feedback"
    assert answers(pairs) == [(" one", " zero")] * 2
    texts = [p[0]["content"] for p in pairs.frame["prompt"].to_list()]
    assert texts == ["Title\n\nlong post", "news"]
    assert pairs.frame["annotator"].to_list() == ["w7", "w7"]
    assert json.loads(pairs.frame["extra"][0])["extra"] == {"confidence": 7}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_webgpt_by_score(tmp_path: Path, kind: str) -> None:
    base = {
        "question": {"dataset": "eli5", "full_text": "Why?"},
        "answer_0": "zero",
        "answer_1": "one",
    }
    scores = ((0.5, -0.5), (-1.0, 1.0), (0.0, 0.0))
    rows = [{**base, "score_0": a, "score_1": b} for a, b in scores]
    pairs = read(tmp_path, rows, kind)
    assert pairs.format == "webgpt"
    assert answers(pairs) == [("zero", "one"), ("one", "zero"), ("zero", "one")]
    assert pairs.frame["is_tie"].to_list() == [False, False, True]
    assert pairs.frame["strength"].to_list() == [1.0, 2.0, 0.0]
    assert pairs.frame["prompt"].to_list() == [turn("Why?", "user")] * 3


def test_a_nested_value_of_another_shape_is_a_malformed_row(tmp_path: Path) -> None:
    rows = [ULTRA, {**ULTRA, "completions": "none"}, {**ULTRA, "completions": [{"response": 3}]}]
    pairs = read(tmp_path, rows)
    assert len(pairs) == 1
    assert pairs.rejected["row"].to_list() == [2, 3]
