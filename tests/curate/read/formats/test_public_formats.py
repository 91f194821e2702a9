"""Public data sets in their published schemas, a few rows each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs, read_pairs
from curate.data.table import with_pair_ids
from curate.read.pairs import stream_pairs
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
    endings = [c[-1] + r[-1] for c, r in answers(pairs)]
    assert endings == [*expected, "yx"]
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


def rating(**other: int) -> dict[str, int]:
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    return {**dict.fromkeys(names, 1), **other}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_helpsteer2_attributes_rank_the_responses_to_a_prompt(tmp_path: Path, kind: str) -> None:
    rows = [
        {"prompt": "p", "response": "dull", **rating(verbosity=4)},
        {"prompt": "p", "response": "fine", **rating(helpfulness=3)},
        {"prompt": "alone", "response": "x", **rating()},
        {"prompt": "even", "response": "y", **rating()},
        {"prompt": "even", "response": "z", **rating()},
    ]
    pairs = read(tmp_path, rows, kind)
    assert pairs.format == "helpsteer2_attributes"
    first, tie = answers(pairs)
    assert first == ("fine", "dull")
    assert set(tie) == {"y", "z"}
    assert pairs.frame["strength"].to_list() == [2.0, 0.0]
    assert pairs.frame["is_tie"].to_list() == [False, True]
    extra = json.loads(pairs.frame["extra"][0])
    assert extra["rows"] == [1, 2]
    assert [a["verbosity"] for a in extra["attributes"]] == [4, 1]
    assert pairs.rejected.rows() == [(f"a.{kind}", 3, "no other response to this prompt is rated")]


def test_weights_of_attributes(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "response": "long", **rating(verbosity=4)},
        {"prompt": "p", "response": "fine", **rating(helpfulness=3)},
    ]
    path = str(write_jsonl(tmp_path / "a.jsonl", rows))
    pairs = read_pairs(path, ranking={"weights": {"helpfulness": 1, "verbosity": 1}})
    assert answers(pairs) == [("long", "fine")]
    with pytest.raises(CurateError, match="did you mean 'verbosity'"):
        read_pairs(path, ranking={"weights": {"verbosty": 1}})


def vote(who: str, choice: str | None) -> dict[str, str | None]:
    return {"evaluator": who, "overall_pref": choice, "overall_confidence": "fairly-confident"}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_multipref_gives_a_pair_for_each_annotation(tmp_path: Path, kind: str) -> None:
    base = {"comparison_id": "1", "source": "s", "text": "q"}
    base |= {"completion_a": "A", "completion_b": "B"}
    rows = [
        {
            **base,
            "normal_worker_annotations": [vote("w1", "A-is-clearly-better"), vote("w2", "Tie")],
            "expert_worker_annotations": [vote("e1", "B-is-slightly-better")],
        },
        {
            **base,
            "normal_worker_annotations": [vote("w3", "both fine")],
            "expert_worker_annotations": [],
        },
        {**base, "normal_worker_annotations": [], "expert_worker_annotations": [vote("e", None)]},
    ]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, answers(pairs)) == ("multipref", [("A", "B"), ("A", "B"), ("B", "A")])
    assert pairs.frame["annotator"].to_list() == ["w1", "w2", "e1"]
    assert pairs.frame["strength"].to_list() == [2.0, 0.0, 1.0]
    assert pairs.frame["is_tie"].to_list() == [False, True, False]
    groups = [json.loads(e)["group"] for e in pairs.frame["extra"]]
    assert groups == ["normal", "normal", "expert"]
    assert pairs.origins["row"].to_list() == [1, 1, 1]
    reasons = dict(pairs.rejected.select("row", "reason").rows())
    assert "expected A-is-clearly-better" in reasons[2]
    assert reasons[3] == "no one judged the pair"


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_prism_ranks_each_turn(tmp_path: Path, kind: str) -> None:
    def result(turn_: int, role: str, text: str, score: float | None = None, won: bool = False):
        entry = {"turn": turn_, "role": role, "content": text, "model_name": "m"}
        return {**entry, "score": score, "if_chosen": won, "within_turn_id": 0}

    history = [
        result(0, "user", "q0"),
        result(0, "model", "a0", 10.0),
        result(0, "model", "b0", 90.0, won=True),
        result(0, "model", "c0", 50.0),
        result(1, "user", "q1"),
        result(1, "model", "a1", 30.0, won=True),
        result(1, "model", "b1", 20.0),
    ]
    rows = [
        {"conversation_id": "c1", "user_id": "u1", "conversation_history": history},
        {"conversation_id": "c2", "user_id": "u2", "conversation_history": history[:2]},
    ]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, answers(pairs)) == ("prism", [("b0", "a0"), ("a1", "b1")])
    assert pairs.frame["annotator"].to_list() == ["u1", "u1"]
    assert pairs.frame["strength"].to_list() == [80.0, 10.0]
    so_far = turn("q0", "user") + turn("b0") + turn("q1", "user")
    assert pairs.frame["prompt"].to_list() == [turn("q0", "user"), so_far]
    assert pairs.rejected["row"].to_list() == [2]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_community_alignment_pairs_the_choice_with_each_other_answer(
    tmp_path: Path, kind: str
) -> None:
    parts = ("prompt", *(f"response_{x}" for x in "abcd"), "preferred_response")
    names = [f"{t}_turn_{p}" for t in ("first", "second", "third", "fourth") for p in parts]
    empty = {**dict.fromkeys(names), "annotator_id": "x", "assigned_lang": "en"}
    talk = {
        **empty,
        **{f"first_turn_response_{x}": x.upper() for x in "abcd"},
        "first_turn_prompt": "q",
        "first_turn_preferred_response": "response_b",
        "second_turn_prompt": "more",
        "second_turn_response_a": "A2",
        "second_turn_response_b": "B2",
        "second_turn_preferred_response": "response_a",
    }
    pairs = read(tmp_path, [talk, {**empty, "first_turn_prompt": "q"}], kind)
    assert pairs.format == "community_alignment"
    assert answers(pairs) == [("B", "A"), ("B", "C"), ("B", "D"), ("A2", "B2")]
    later = turn("q", "user") + turn("B") + turn("more", "user")
    assert pairs.frame["prompt"].to_list() == [turn("q", "user")] * 3 + [later]
    assert pairs.frame["annotator"].unique().to_list() == ["x"]
    assert pairs.frame["source"].unique().to_list() == ["en"]
    assert pairs.rejected["reason"].to_list() == ["no answer was chosen at the first turn"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_dove_holds_two_instructions(tmp_path: Path, kind: str) -> None:
    row = {"i_chosen": "I", "r_chosen": "R", "i_reject": "I", "r_reject": "S"}
    pairs = read(tmp_path, [row, {**row, "i_reject": "J"}], kind)
    assert pairs.format == "dove"
    assert pairs.frame["prompt"].to_list() == [turn("I", "user"), []]
    chosen, rejected = pairs.frame.select("chosen", "rejected").rows()[1]
    assert chosen == turn("I", "user") + turn("R")
    assert rejected == turn("J", "user") + turn("S")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_unpaired_answers_are_paired_by_prompt(tmp_path: Path, kind: str) -> None:
    def labelled_row(prompt: str, text: str, label: bool) -> dict[str, object]:
        return {"prompt": prompt, "completion": text, "label": label}

    rows = [
        labelled_row("p", "good", True),
        labelled_row("alone", "x", True),
        labelled_row("p", "bad", False),
        labelled_row("p", "fine", True),
        labelled_row("p", "bad too", False),
    ]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, len(pairs)) == ("unpaired", 1)
    assert pairs.rejected.select("row", "reason").rows() == [
        (2, "no answer to this prompt has the other label")
    ]
    every = read_pairs(str(tmp_path / f"a.{kind}"), on_error="skip", ranking={"pairs": "all"})
    assert sorted(answers(every)) == [
        ("fine", "bad"),
        ("fine", "bad too"),
        ("good", "bad"),
        ("good", "bad too"),
    ]


def test_unpaired_conversations_of_llama_factory(tmp_path: Path) -> None:
    ask = [{"from": "human", "value": "q"}]
    rows = [
        {"conversations": [*ask, {"from": "gpt", "value": text}], "label": text == "good"}
        for text in ("good", "bad")
    ]
    pairs = read(tmp_path, rows, "parquet")
    assert (pairs.format, answers(pairs)) == ("unpaired", [("good", "bad")])
    assert pairs.frame["prompt"].to_list() == [turn("q", "user")]


def test_data_without_a_single_partner_says_why_nothing_was_read(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "completion": "x", "label": True} for i in range(3)]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(CurateError, match="3: no answer to this prompt has the other label"):
        read_pairs(str(path))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("texts", "numbers", "values", "expected"),
    [
        ("responses", "scores", [1.0, 3.0, 2.0], ("b", "a")),
        ("completions", "ranks", [1, 3, 2], ("a", "b")),
        ("answers", "ratings", [None, 1.0, 2.0], ("c", "b")),
    ],
)
def test_rankings_in_general(
    tmp_path: Path, kind: str, texts: str, numbers: str, values: list[Any], expected: Any
) -> None:
    row = {"prompt": "p", texts: ["a", "b", "c"], numbers: values, "id": 7}
    short = {**row, numbers: values[:1]}
    pairs = read(tmp_path, [row, short], kind)
    assert (pairs.format, answers(pairs)) == ("listwise", [expected])
    assert json.loads(pairs.frame["extra"][0])["id"] == 7
    assert pairs.rejected["row"].to_list() == [2]


def test_best_and_a_random_other(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{i}", "responses": list("abcd"), "scores": [4, 3, 2, 1]} for i in range(300)
    ]
    path = str(write_jsonl(tmp_path / "a.jsonl", rows))
    endings = [
        answers(read_pairs(path, ranking={"pairs": "best_random", "seed": s})) for s in (0, 0, 1)
    ]
    assert endings[0] == endings[1] != endings[2]
    assert {first for first, _ in endings[0]} == {"a"}
    counts = [sum(other == x for _, other in endings[0]) for x in "bcd"]
    assert min(counts) > 70, counts


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_search_arena_and_rows_without_a_vote(tmp_path: Path, kind: str) -> None:
    ask = turn("hi", "user")
    base = {"messages_a": ask + turn("from a"), "messages_b": ask + turn("from b"), "turn": 1}
    rows = [{**base, "winner": w} for w in ("model_b", None, "tie (bothbad)")]
    pairs = read_pairs(str(write_jsonl(tmp_path / "s.jsonl", rows)))  # no vote stops nothing
    assert pairs.format == "search_arena"
    pairs = read(tmp_path, rows, kind)
    assert answers(pairs) == [("from b", "from a"), ("from a", "from b")]
    assert pairs.frame["is_tie"].to_list() == [False, True]
    assert pairs.rejected.select("row", "reason").rows() == [(2, "no vote was cast")]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_arena_140k_has_contents_of_parts(tmp_path: Path, kind: str) -> None:
    def message(role: str, text: str) -> dict[str, object]:
        part = {"type": "text", "text": text, "image": None, "mimeType": None}
        return {"role": role, "content": [part]}

    row = {
        "conversation_a": [message("user", "hi"), message("assistant", "A")],
        "conversation_b": [message("user", "hi"), message("assistant", "B")],
        "winner": "both_bad",
        "evaluation_session_id": "x",
    }
    pairs = read(tmp_path, [row], kind)
    assert (pairs.format, answers(pairs)) == ("arena", [("A", "B")])
    assert pairs.frame["is_tie"].to_list() == [True]
    assert pairs.frame["prompt"].to_list() == [turn("hi", "user")]


def test_arena_100k_has_conversations_as_json_text(tmp_path: Path) -> None:
    ask = turn("hi", "user")
    talks = {f"conversation_{x}": json.dumps(ask + turn(x)) for x in "ab"}
    row = {**talks, "winner": "model_b", "judge_hash": "h1"}
    pairs = read(tmp_path, [row, {**row, "conversation_a": "[oops"}], "parquet")
    assert (pairs.format, answers(pairs)) == ("arena", [("b", "a")])
    assert pairs.frame["annotator"].to_list() == ["h1"]
    assert pairs.rejected["row"].to_list() == [2]


def test_arena_55k_has_lists_of_texts(tmp_path: Path) -> None:
    base = {
        "prompt": json.dumps(["q1", "q2"]),
        "response_a": json.dumps(["a1", None]),
        "response_b": json.dumps(["b1", "b2"]),
    }
    flags = ("winner_model_a", "winner_model_b", "winner_tie")
    rows = [{**base, **{f: int(f == won) for f in flags}} for won in (*flags, "no one")]
    rows.append({**rows[0], "prompt": "not JSON"})
    rows.append({**rows[0], "response_b": json.dumps(["b1"])})
    pairs = read(tmp_path, rows, "parquet")
    assert (pairs.format, len(pairs)) == ("arena_55k", 3)
    assert pairs.frame["prompt"].to_list()[0] == turn("q1", "user")
    assert pairs.frame["chosen"].to_list()[1] == turn("b1") + turn("q2", "user") + turn("b2")
    assert pairs.frame["rejected"].to_list()[1] == turn("a1") + turn("q2", "user") + turn("")
    assert pairs.frame["is_tie"].to_list() == [False, False, True]
    assert pairs.rejected["row"].to_list() == [4, 5, 6]
    assert "they cannot be matched" in pairs.rejected["reason"][2]
    # All six hold it, and the three that make pairs among them.
    assert pairs.notes[0] == ("6 conversations contain null answers: they are read as empty texts")
    assert pairs.notes[1].startswith("3 of 3 pairs contain an empty answer")


def test_wildfeedback_is_sharegpt(tmp_path: Path) -> None:
    row = {
        "conversations": [{"from": "human", "value": "q"}],
        "chosen": {"from": "gpt", "value": "good"},
        "rejected": {"from": "gpt", "value": "bad"},
    }
    pairs = read(tmp_path, [row], "parquet")
    assert (pairs.format, answers(pairs)) == ("sharegpt", [("good", "bad")])


def test_ids_do_not_depend_on_how_the_rows_are_batched(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [row] * 5000 + [{**row, "prompt": f"p{i}"} for i in range(10)] + [row]
    path = str(write_jsonl(tmp_path / "a.jsonl", rows))
    streamed = pl.concat([part.frame for part in stream_pairs(path)])
    at_once = with_pair_ids(streamed.with_columns(pair_id=pl.lit(None, dtype=pl.String)))
    assert streamed["pair_id"].to_list() == at_once["pair_id"].to_list()
    assert streamed["pair_id"].n_unique() == len(rows)
    assert len(pl.concat([part.frame for part in stream_pairs(path, limit=4100)])) == 4100
