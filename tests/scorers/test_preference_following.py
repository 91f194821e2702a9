from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import Context, Pairs, Pipeline
from curate.scorers.preference_following import NO_PREFERENCE, PreferenceFollowing
from tests.helpers import context_of, pairs_of, swapped, turn
from tests.stub_endpoint import stub_endpoint

# (preference, question, an answer that follows it, one that does not)
STATED = [
    ("I am vegan.", "What shall I cook?", "A lentil curry with coconut milk.", "A beef stew."),
    (
        "I love science fiction.",
        "A book?",
        "Dune, a novel of space and planets.",
        "Emma, a romance.",
    ),
    (
        "I travel with small children.",
        "Where to?",
        "A family resort with a kids' club.",
        "A night club.",
    ),
    (
        "I only listen to jazz.",
        "Music?",
        "Kind of Blue by Miles Davis.",
        "Master of Puppets, heavy metal.",
    ),
    (
        "I am on a tight budget.",
        "Which laptop?",
        "A cheap used one is enough.",
        "The most luxurious one.",
    ),
    ("I hate the cold.", "Holidays?", "A warm beach in the tropics.", "A hut in snowy Lapland."),
    (
        "I program in Rust.",
        "How to parse JSON?",
        "Use the serde_json crate.",
        "Use the json module of Python.",
    ),
    ("I am a cat person.", "A pet?", "Adopt a kitten from a shelter.", "Get a puppy."),
]


def test_cosines_by_hand_and_where_none_is_stated() -> None:
    rows = [
        {"prompt": "q", "chosen": "a", "rejected": "b", "extra": json.dumps({"persona": "P"})},
        {"prompt": "q", "chosen": "b", "rejected": "a", "extra": json.dumps({"persona": " "})},
        {"prompt": "q", "chosen": "b", "rejected": "a"},
    ]
    pairs = pairs_of(rows)
    vectors = {"a": np.array([1.0, 0.0]), "b": np.array([0.6, 0.8])}
    context = context_of(pairs, vectors, 2)
    context = replace(
        context, embed=lambda texts: np.array([[0.8, 0.6]] * len(texts), dtype=np.float32)
    )
    scores = PreferenceFollowing().score(pairs, context)
    assert scores["chosen"][0] == pytest.approx(0.8)
    assert scores["rejected"][0] == pytest.approx(0.96)
    assert scores["margin"][0] == pytest.approx(-0.16)
    assert scores["status"].to_list() == ["ok", NO_PREFERENCE, NO_PREFERENCE]
    assert scores["preference"].to_list() == ["P", None, None]
    assert (context.facts["stated"], context.facts["label_follows"]) == (1, 0.0)


def test_a_system_message_goes_before_a_profile() -> None:
    pairs = pairs_of([{"prompt": "q", "chosen": "a", "rejected": "b", "extra": '{"persona": "P"}'}])
    prompt = [*turn("S", "system"), *turn("q", "user")]
    pairs = pairs.with_columns(pl.Series("prompt", [prompt], dtype=pairs.schema["prompt"]))

    def preference(**parameters: str) -> str | None:
        context = context_of(pairs, {}, 2)
        context = replace(context, embed=lambda texts: np.zeros((len(texts), 2), dtype=np.float32))
        stated = PreferenceFollowing(**parameters).score(pairs, context)["preference"][0]
        return None if stated is None else str(stated)

    assert preference() == preference(by="system") == "S"
    assert preference(by="extra", key="persona") == "P"
    assert preference(by="extra", key="nothing") is None
    with pytest.raises(ValueError, match="go together"):
        PreferenceFollowing(by="extra")


@pytest.mark.slow
def test_real_embeddings_follow_subjects_and_a_swap_negates() -> None:
    rows = [
        {"prompt": q, "chosen": good, "rejected": bad, "extra": json.dumps({"user_preference": p})}
        for p, q, good, bad in STATED
    ]
    pairs, config = (
        pairs_of(rows),
        {
            "embedder": {"name": "minilm"},
            "scorers": [{"type": "preference_following"}],
        },
    )
    result, turned = (Pipeline(config).run(Pairs(p)) for p in (pairs, swapped(pairs)))
    margins = result.scores["preference_following.margin"].to_numpy()
    assert (margins > 0).mean() >= 0.75
    other = turned.scores["preference_following.margin"].to_numpy()
    np.testing.assert_allclose(other, -margins, atol=1e-6)
    (step,) = [s for s in result.steps if s.kind == "score"]
    assert step.facts["stated"] == len(STATED)


def test_no_preference_at_all_is_told() -> None:
    pairs = pairs_of([{"prompt": "q", "chosen": "a", "rejected": "b"}])
    scores = PreferenceFollowing().score(pairs, Context())
    assert scores["status"].to_list() == [NO_PREFERENCE]
    assert scores["margin"].is_nan().all()


def test_a_judge_is_asked_in_both_orders_of_stated_preferences_alone() -> None:
    sides = [("brief", "long " * 9), ("long " * 9, "brief"), ("same", "same")]
    stated = {"prompt": "q", "extra": '{"persona": "Brief"}'}
    rows = [stated | {"chosen": c, "rejected": r} for c, r in sides]
    rows.append({"prompt": "q", "chosen": "a", "rejected": "b"})
    pairs = pairs_of(rows)
    context = context_of(pairs, {}, 2)
    context = replace(context, embed=lambda texts: np.ones((len(texts), 2), dtype=np.float32))

    def brief(body: dict[str, Any]) -> str:
        question = body["messages"][0]["content"]
        assert re.search(r"<preference_\w+>\nBrief\n</preference_\w+>", question)
        a, b = (re.split(rf"</?answer_{n}_\w+>", question)[1].strip() for n in "AB")
        return f"[[{'C' if a == b else 'A' if len(a) < len(b) else 'B'}]]"

    with stub_endpoint(brief) as stub:
        judge = {"model": "m", "base_url": stub.url}
        scores = PreferenceFollowing(judge=judge).score(pairs, context)
    assert scores["judged"].to_list() == [1.0, 0.0, 0.5, None]
    assert len(stub.bodies) == 3  # equal questions are asked once
    assert context.facts["judged_label_follows"] == 0.5
    plain = PreferenceFollowing().score(pairs, context)
    assert plain["judged"].null_count() == 4
