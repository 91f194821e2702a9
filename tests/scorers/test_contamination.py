from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.cli.app import app
from curate.models.text.evaluation_texts import NgramIndex, Ngrams, read_evaluation_texts
from curate.scorers.contamination import Contamination
from curate.steps.context import Context
from tests.helpers import context_of, pairs_of, turn, write_jsonl

EVAL = "natalia sold clips to forty eight of her friends in april and half as many in may"
OTHER = "what is the largest prime number below one hundred that ends in the digit seven"


def prompts(*texts: str) -> pl.DataFrame:
    return pairs_of([{"prompt": t, "chosen": "a", "rejected": "b"} for t in texts])


def naive_share(text: str, evaluation: str, n: int) -> float:
    words, target_words = text.lower().split(), evaluation.lower().split()
    n = min(n, len(target_words))
    grams = {tuple(target_words[i : i + n]) for i in range(len(target_words) - n + 1)}
    ngrams = {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
    return len(grams & ngrams) / len(grams)


def test_the_share_of_ngrams_equals_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    vocabulary = [f"w{i}" for i in range(6)]
    texts = [" ".join(rng.choice(vocabulary, size=rng.integers(1, 30))) for _ in range(60)]
    evaluations, pairs = texts[:20], texts[20:]
    for n in (1, 2, 4):
        index = NgramIndex([Ngrams.of_text(text, n) for text in evaluations], n)
        for text in pairs:
            _, share = index.best(text)
            # A short evaluation prompt is one n-gram of its own length.
            expected = max(naive_share(text, e, n) for e in evaluations)
            assert share == pytest.approx(expected)


def test_copies_and_embedded_copies_match_and_others_do_not(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "gsm.jsonl", [{"question": OTHER}, {"question": EVAL}])
    pairs = prompts(
        EVAL.upper(), f"Please solve: {EVAL}? Thanks!", "something else entirely", EVAL[:30]
    )
    context = Context()
    scores = Contamination(against=[str(path)]).score(pairs, context)
    assert scores["matched"].to_list() == [True, True, False, False]
    assert scores["match"][0].startswith("gsm.jsonl, row 2: natalia")
    assert scores["overlap"].to_list()[:3] == [1.0, 1.0, 0.0]
    assert context.facts["pairs_by_evaluation_set"] == {"gsm.jsonl": 2}
    assert context.facts["evaluation_prompts_found"] == 1


def test_paraphrases_match_by_cosine(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "e.jsonl", [{"prompt": "x"}, {"prompt": "y"}])
    pairs = prompts("like y", "unlike")
    near = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    context = context_of(pairs, {"like y": near, "unlike": np.eye(3, dtype=np.float32)[2]}, 3)
    context = replace(context, embed=lambda texts: np.eye(3, dtype=np.float32)[: len(texts)])
    scores = Contamination(against=[str(path)], cosine=0.75).score(pairs, context)
    assert scores["matched"].to_list() == [True, False]
    assert scores["match"][0] == "e.jsonl, row 2: y"
    np.testing.assert_allclose(scores["cosine"], [0.8, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", f"{OTHER}\n\n{EVAL}\n"),
        ("a.csv", f"id,question\n1,{OTHER}\n2,{EVAL}\n"),
        ("a.json", f'[{{"turns": ["{OTHER}", "more"]}}, {{"turns": ["{EVAL}"]}}]'),
    ],
)
def test_kinds_of_evaluation_files(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    texts_read = read_evaluation_texts([str(tmp_path / name)], None)
    assert texts_read[0].text.startswith(OTHER)
    assert texts_read[-1].text == EVAL


def test_messages_and_named_columns(tmp_path: Path) -> None:
    pl.DataFrame({"m": [turn("a", "user") + turn("b")]}).write_parquet(tmp_path / "a.parquet")
    (text_read,) = read_evaluation_texts([str(tmp_path / "a.parquet")], "m")
    assert text_read.text == "a"  # what the assistant said is no prompt
    with pytest.raises(CurateError, match="name it with 'column:'"):
        read_evaluation_texts([str(tmp_path / "a.parquet")], None)
    with pytest.raises(CurateError, match="cannot be read"):
        read_evaluation_texts([str(tmp_path / "none.jsonl")], None)


@pytest.mark.slow
def test_a_run_drops_what_matches_and_names_it(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "e.jsonl", [{"prompt": EVAL}])
    paraphrase = "In April Natalia sold clips to 48 friends, and in May half as many"
    config = {
        "scorers": [{"type": "contamination", "against": [str(path)], "cosine": 0.8}],
        "filters": [{"type": "decontaminate"}],
    }
    pairs = Pairs(prompts(EVAL, paraphrase, OTHER))
    result = Pipeline(config).run(pairs)
    assert result.kept["prompt"].to_list() == [turn(OTHER, "user")]
    assert result.dropped["drop_reason"][0].startswith("occurs in e.jsonl, row 1: natalia")
    assert result.scores["contamination.overlap"].to_list()[1] < 0.5


def test_each_turn_of_an_evaluation_prompt_is_searched(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "mt.jsonl", [{"turns": [EVAL, OTHER]}])
    scores = Contamination(against=[str(path)]).score(prompts(OTHER, "else"), Context())
    assert scores["matched"].to_list() == [True, False]
    assert scores["match"][0].startswith("mt.jsonl, row 1, turn 2: what is the largest")
    turns = {"system": "You are a kind assistant.", "user": EVAL, "assistant": "9"}
    messages = [{"role": role, "content": text} for role, text in turns.items()]
    path = write_jsonl(tmp_path / "chat.jsonl", [{"prompt": messages}])
    texts = [item.text for item in read_evaluation_texts([str(path)], None)]
    assert texts == [EVAL]


def hashed(tmp_path: Path, ngram: int = 8) -> Path:
    source = write_jsonl(tmp_path / "gsm.jsonl", [{"question": OTHER}, {"question": EVAL}])
    output = tmp_path / f"list{ngram}.ngrams.parquet"
    words = ["hash-prompts", str(source), "--output", str(output), "--ngram", str(ngram)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return output


def test_hashed_prompts_match_as_their_texts_do(tmp_path: Path) -> None:
    path = hashed(tmp_path)
    pairs = prompts(EVAL.upper(), f"Please solve: {EVAL}?", "something else", EVAL[:30])
    by_hash = Contamination(against=[str(path)]).score(pairs, Context())
    by_text = Contamination(against=[str(tmp_path / "gsm.jsonl")]).score(pairs, Context())
    assert by_hash.drop("match").equals(by_text.drop("match"))
    assert by_hash["match"][0] == "gsm.jsonl, row 2: (a hashed prompt)"
    content = path.read_bytes()
    assert b"natalia" not in content
    assert b"largest" not in content


def test_hashed_prompts_of_other_ngrams_are_refused(tmp_path: Path) -> None:
    path = hashed(tmp_path, ngram=5)
    with pytest.raises(CurateError, match="other n-grams") as caught:
        Contamination(against=[str(path)]).score(prompts(EVAL), Context())
    assert "ngram: 5" in str(caught.value)
    assert Contamination(against=[str(path)], ngram=5).score(prompts(EVAL), Context())["matched"][0]


def test_hashed_prompts_have_no_embedding(tmp_path: Path) -> None:
    pairs = prompts(EVAL)
    context = replace(context_of(pairs, {}, 4), embed=lambda texts: np.zeros((len(texts), 4)))
    with pytest.raises(CurateError, match="texts of hashed prompts are needed"):
        Contamination(against=[str(hashed(tmp_path))], cosine=0.9).score(pairs, context)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.ngrams.parquet", b"no parquet", "cannot be read"),
        ("b.ngrams.parquet", None, "does not hold hashed prompts"),
    ],
)
def test_damaged_lists_are_named(
    tmp_path: Path, name: str, content: bytes | None, match: str
) -> None:
    if content is None:
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CurateError, match=match):
        read_evaluation_texts([str(tmp_path / name)], None)


def test_the_list_gets_a_name_by_which_it_is_read(tmp_path: Path) -> None:
    words = ["hash-prompts", "x.jsonl", "--output", str(tmp_path / "list.parquet")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code != 0
    assert not list(tmp_path.iterdir())
