"""Support by sources, citations and abstaining, on answers whose truth is plain."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import Context, Pairs, Pipeline, read_pairs
from curate.scorers.abstains import Abstains
from curate.scorers.citations import Citations
from curate.scorers.grounding import Grounding
from curate.scorers.semantic_grounding import SemanticGrounding
from tests.helpers import numbered_pairs, pairs_of

PARIS = "Paris is the capital of France and lies on the river Seine."
TOKYO = "Tokyo is the largest city of Japan, with many trains."
GOOD = "Paris lies on the river Seine. It is the capital of France."
HALF = "Paris lies on the river Seine. Elephants invented electric toothbrushes yesterday."


def with_documents(documents: Any, chosen: str, rejected: str) -> pl.DataFrame:
    frame = pairs_of([{"prompt": "Where is Paris?", "chosen": chosen, "rejected": rejected}])
    return frame.with_columns(documents=pl.lit(json.dumps(documents)))


def grounded(pairs: pl.DataFrame, **parameters: Any) -> dict[str, Any]:
    return Grounding(**parameters).score(pairs, Context()).row(0, named=True)


def cited(pairs: pl.DataFrame) -> dict[str, Any]:
    return Citations().score(pairs, Context()).row(0, named=True)


@pytest.mark.parametrize(
    "documents",
    [
        [PARIS, TOKYO],
        [{"title": "France", "text": PARIS}, {"content": TOKYO}],
        [{"snippet": PARIS}, {"number": 3}],
    ],
)
def test_sentences_that_a_source_supports(documents: Any) -> None:
    scores = grounded(with_documents(documents, GOOD, HALF))
    assert (scores["chosen"], scores["rejected"], scores["margin"]) == (1.0, 0.5, 0.5)
    assert scores["status"] == "ok"
    swapped = grounded(with_documents(documents, HALF, GOOD))
    assert swapped["margin"] == -0.5
    assert swapped["weakest"] == "Elephants invented electric toothbrushes yesterday"


def test_the_best_source_is_named_and_a_sentence_needs_one_source() -> None:
    both = "Paris trains river Japan."  # half of its words in either source
    scores = grounded(with_documents([TOKYO, PARIS], both, GOOD))
    assert scores["chosen"] == 0.0
    assert grounded(with_documents([TOKYO, PARIS], GOOD, GOOD))["source"] == 2
    assert grounded(with_documents([TOKYO, PARIS], both, GOOD), covered=0.5)["chosen"] == 1.0


def test_passages_of_the_prompt_are_sources() -> None:
    prompt = f"Use these.\n[1] {PARIS}\n[2] {TOKYO}\n\nWhere do elephants live?"
    pairs = pairs_of([{"prompt": prompt, "chosen": GOOD, "rejected": "Elephants live."}])
    scores = grounded(pairs)
    # The question behind the last passage is no source.
    assert (scores["chosen"], scores["rejected"]) == (1.0, 0.0)


def test_pairs_without_sources_or_sentences_have_a_status() -> None:
    assert grounded(numbered_pairs(1))["status"] == "no sources"
    assert cited(numbered_pairs(1))["status"] == "no sources"
    empty = grounded(with_documents([PARIS], "", GOOD))
    assert (empty["status"], empty["margin"]) == ("no sentences", None)


def test_citations_that_resolve_and_support() -> None:
    right = "Paris lies on the river Seine [1]. Tokyo is the largest city of Japan. [2]"
    wrong = "Paris lies on the river Seine [2]. Tokyo is the largest city of Japan [7]. And trains."
    scores = cited(with_documents([PARIS, TOKYO], right, wrong))
    assert (scores["chosen"], scores["rejected"], scores["margin"]) == (1.0, 0.0, 1.0)
    assert scores["chosen_cites"] == 1.0
    assert scores["rejected_cites"] == pytest.approx(2 / 3)
    assert (scores["chosen_dangling"], scores["rejected_dangling"]) == (0, 1)
    assert scores["status"] == "ok"
    bare = cited(with_documents([PARIS], GOOD, right))
    assert (bare["status"], bare["chosen"], bare["chosen_cites"]) == ("no citations", None, 0.0)


def test_several_citations_of_one_sentence_count_each() -> None:
    both = "Paris lies on the river Seine [1][2]."
    scores = cited(with_documents([PARIS, TOKYO], both, both))
    assert (scores["chosen"], scores["margin"]) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("text", "abstains"),
    [
        ("The passages do not mention the price.", True),
        ("There is not enough information to say.", True),
        ("I don’t know.", True),
        ("This cannot be determined from the sources.", True),
        ("The price is not specified.", True),
        ("Paris is the capital.", False),
        ("He did not go; I know that.", False),
        ("", False),
    ],
)
def test_abstaining(text: str, abstains: bool) -> None:
    pairs = pairs_of([{"prompt": "p", "chosen": text, "rejected": "Plain words."}])
    scores = Abstains().score(pairs, Context()).row(0, named=True)
    assert (scores["chosen"], scores["difference"]) == (abstains, int(abstains))


def test_documents_are_read_from_rows_and_scored_in_a_run() -> None:
    from curate import Pipeline

    rows = [
        {
            "prompt": "Where is Paris?",
            "chosen": GOOD,
            "rejected": HALF,
            "documents": [{"text": PARIS}],
        },
        {"prompt": "And Tokyo?", "chosen": "In Japan.", "rejected": "No.", "documents": [TOKYO]},
    ]
    scorers = [{"type": "grounding"}, {"type": "citations"}, {"type": "abstains"}]
    scores = Pipeline({"scorers": scorers}).run(read_pairs(rows)).scores
    assert scores["grounding.margin"].to_list() == [0.5, 1.0]
    assert scores["citations.status"].to_list() == ["no citations", "no citations"]
    assert scores["abstains.chosen"].to_list() == [False, False]


def nearness(texts: list[str]) -> np.ndarray:
    """Vectors by hand: Paris, Tokyo, and the rest."""
    table = {"Paris": [1.0, 0.0, 0.0], "Tokyo": [0.0, 1.0, 0.0], "Elephants": [0.0, 0.0, 1.0]}
    vectors = [next((v for k, v in table.items() if k in t), [0.6, 0.8, 0.0]) for t in texts]
    return np.array(vectors, dtype=np.float32)


def test_sentences_are_compared_with_the_nearest_of_any_source() -> None:
    pairs = pl.concat(
        [with_documents([TOKYO, PARIS], GOOD, HALF), numbered_pairs(1).with_columns(
            documents=pl.lit(None, dtype=pl.String))], how="diagonal",
    )  # fmt: skip
    context = Context(embed=nearness)
    scores = SemanticGrounding().score(pairs, context)
    # Two sentences of GOOD: one on Paris (1.0), one by another name (0.8, nearest to Tokyo).
    assert scores["chosen"][0] == pytest.approx(0.9)
    assert scores["rejected"][0] == pytest.approx(0.5)
    assert scores["margin"][0] == pytest.approx(0.4)
    assert (scores["weakest"][0], scores["source"][0]) == ("It is the capital of France", 1)
    assert scores["status"].to_list() == ["ok", "no sources"]
    blocks = SemanticGrounding().score(pl.concat([pairs] * 300), context)
    assert blocks[:2].equals(scores)
    assert blocks["margin"].null_count() == 300


@pytest.mark.slow
def test_paraphrases_are_seen_where_words_are_not_shared() -> None:
    source = ["The feline was resting upon the rug all afternoon."]
    pairs = with_documents(source, "A cat lay on the carpet.", "Shares of banks fell sharply.")
    assert grounded(pairs)["margin"] == 0.0
    config = {"embedder": {"name": "minilm"}, "scorers": [{"type": "semantic_grounding"}]}
    scores = Pipeline(config).run(Pairs(pairs)).scores
    assert scores["semantic_grounding.margin"][0] > 0.3
