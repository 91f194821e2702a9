from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, read_pairs
from curate.auditing.feedback import UserFeedback, audit_feedback
from curate.cli.app import app
from curate.data.table import MESSAGES
from curate.derive.feedback import FeedbackConversation, feedback_pairs, pattern_judge
from curate.models.text.feedback import DSAT, SAT, feedback_signals, read_patterns
from tests.helpers import numbered_pairs, turn, write_jsonl
from tests.stub_endpoint import stub_endpoint

# Written apart from the patterns: what a user may say of an answer. N: a new request.
TURNS = {
    SAT: (
        "Thanks, that helps!", "Perfect!", "wow this is great, now do the same for Italy",
        "Exactly what I was looking for", "That worked, thank you so much", "Great explanation.",
        "ok that makes sense now", "I love it", "Awesome, it works", "much better", "ah I see",
        "very helpful, cheers", "Thank you for the quick reply", "that's perfect",
        "You're a lifesaver", "nice one", "Cool, thanks. What about Python 2?",
        "oh, got it!", "Looks good to me", "Brilliant, this is spot on",
        "Smashing stuff mate", "this made my day", "Chef's kiss", "ooh, that is neat", "kudos!",
    ),
    DSAT: (
        "No, that's wrong", "This is not what I asked for", "you didn't answer my question",
        "It doesn't work", "still getting the same error", "Too long, make it shorter",
        "That is incorrect. The capital is Canberra.", "can you make it more formal",
        "You forgot the second part", "I asked for 5 examples, not 3", "try again",
        "please rewrite it without adjectives", "too vague", "I need more details",
        "That doesn't make any sense", "Stop apologizing", "you are wrong about the date",
        "thanks but this is not helpful", "the code throws an exception on line 3",
        "i don't like this", "this is terrible", "you misunderstood me", "Be more specific please",
        "never mind, forget it", "That's a bit off, the year was 1991", "meh",
        "I doubt that", "hm, are you sure?", "nah, the other way round", "Why would I do that?",
    ),
    "N": (
        "What is the capital of France?", "Now translate the text to German",
        "How do I sort a list in Python?", "Write a poem about the sea", "and in 2020?",
        "Tell me about black holes", "List ten fruits", "What does the second line do?",
        "Continue", "Explain quantum computing to a child", "Give me a recipe with chickpeas",
        "Who wrote Faust?", "Compare it with Java", "Summarize the following article: ...",
        "Can you tell me how old she was?", "I want to learn chess", "Next question: what is 2+2?",
        "Suppose x is 4. What is y?", "Let's talk about cats", "How about pasta?",
        "Write an email to thank my boss for the bonus", "What are common mistakes in essays?",
    ),
}  # fmt: skip


def scripted(number: int, kinds: tuple[str, ...]) -> tuple[list[dict[str, str]], list[str]]:
    """A conversation whose user turns after the first are of these kinds."""
    turns = [("user", f"question {number}"), ("assistant", f"answer {number}.0")]
    for place, kind in enumerate(kinds, 1):
        script = TURNS[kind][(number * 7 + place * 3) % len(TURNS[kind])]
        turns += [("user", script), ("assistant", f"answer {number}.{place}")]
    return [{"role": role, "content": text} for role, text in turns], list(kinds)


def expected(kinds: list[str]) -> set[tuple[int, int]]:
    """(rejected, chosen) numbers of answers, by the definition and not by the code."""
    pairs_by_answer = set()
    for i, kind in enumerate(kinds):
        if kind != DSAT:
            continue
        j = i + 1
        while j < len(kinds) and kinds[j] == DSAT:
            j += 1
        if j < len(kinds) and kinds[j] == SAT:
            pairs_by_answer.add((i, j))
    return pairs_by_answer


CONVERSATIONS = [
    scripted(n, kinds)
    for n, kinds in enumerate(
        [(DSAT, SAT), (DSAT, DSAT, SAT), ("N", DSAT, SAT, "N"), (SAT, "N"), (DSAT, "N", SAT),
         (SAT, DSAT, SAT), (DSAT,), ("N", "N"), (DSAT, SAT, DSAT, SAT), ("N", SAT, DSAT)] * 6
    )
]  # fmt: skip


def found_of(pairs: Any) -> dict[int, set[tuple[int, int]]]:
    answers: dict[int, set[tuple[int, int]]] = {}
    for row in pairs.iter_rows(named=True):
        sides = [row[side][0]["content"] for side in ("rejected", "chosen")]
        number = int(sides[0].split()[1].split(".")[0])
        places = tuple(int(side.rsplit(".", 1)[1]) for side in sides)
        answers.setdefault(number, set()).add(places)  # type: ignore[arg-type]
    return answers


def precision_and_recall(pairs: Any) -> tuple[float, float]:
    detected = found_of(pairs)
    scripted_pairs = {n: expected(kinds) for n, (_, kinds) in enumerate(CONVERSATIONS)}
    both = sum(len(scripted_pairs[n] & detected.get(n, set())) for n in scripted_pairs)
    return both / max(sum(map(len, detected.values())), 1), both / sum(
        map(len, scripted_pairs.values())
    )


def conversations() -> list[FeedbackConversation]:
    return [FeedbackConversation(turns, "f", n + 1) for n, (turns, _) in enumerate(CONVERSATIONS)]  # type: ignore[arg-type]


def test_patterns_on_phrases_that_were_written_apart() -> None:
    texts = [(kind, text) for kind, some in TURNS.items() for text in some]
    counts = [s.kind if s else "N" for s in feedback_signals([text for _, text in texts])]
    for kind in (SAT, DSAT):
        hits = sum(k == kind == t for (k, _), t in zip(texts, counts, strict=True))
        assert hits / counts.count(kind) >= 0.9
        assert hits / len(TURNS[kind]) >= 0.85


def test_pairs_by_patterns() -> None:
    derived = feedback_pairs(conversations(), pattern_judge())
    precision, recall = precision_and_recall(derived.pairs)
    assert precision >= 0.8
    assert recall >= 0.8
    assert derived.counts["conversations"] == 60
    assert derived.counts["with either"] >= 50


def test_pairs_by_a_judge_that_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plumbing from turns to pairs: a judge that is always right gives exactly the pairs wanted."""
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "store"))
    kind_of = {text: kind for kind, texts in TURNS.items() for text in texts}

    def answer(body: dict[str, Any]) -> str:
        question = body["messages"][0]["content"]
        reply = re.split(r"</?user_\w+>", question)[1].strip()
        return {SAT: "SAT: praise", DSAT: "DSAT: ignored", "N": "NONE"}[kind_of[reply]]

    data = write_jsonl(
        tmp_path / "c.jsonl", [{"conversation": turns} for turns, _ in CONVERSATIONS]
    )
    out = tmp_path / "out"
    with stub_endpoint(answer) as stub:
        words = ["derive", str(data), "--from", "feedback", "-o", str(out)]
        done = CliRunner().invoke(app, [*words, "--judge-model", "m", "--url", stub.url])
    assert done.exit_code == 0, done.output
    pairs = read_pairs(str(out / "pairs")).frame
    assert precision_and_recall(pairs) == (1.0, 1.0)
    facts = json.loads((out / "derive.json").read_text())
    assert (facts["judge"], facts["pairs_made"]) == ("m", len(pairs))
    extra = json.loads(pairs["extra"][0])
    assert extra["dsat"] == {"rubric": "ignored", "turn": 2, "confidence": 1.0}
    assert extra["sat"]["rubric"] == "praise"
    assert (extra["made"], extra["chosen_by"], extra["row"]) == ("feedback", "conversation", 1)


def test_an_endpoint_writes_where_no_answer_met_the_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "store"))
    turns, _ = scripted(0, (DSAT,))
    data = write_jsonl(tmp_path / "c.jsonl", [{"messages": turns}, {"messages": "no list"}])
    out = tmp_path / "out"
    with stub_endpoint(lambda body: " a better answer ") as stub:
        words = ["derive", str(data), "--from", "feedback", "-o", str(out)]
        done = CliRunner().invoke(app, [*words, "--write-model", "w", "--url", stub.url])
        assert "complaint" in stub.bodies[0]["messages"][0]["content"]
    assert done.exit_code == 0, done.output
    (row,) = read_pairs(str(out / "pairs")).frame.iter_rows(named=True)
    assert row["chosen"][0]["content"] == "a better answer"
    assert row["rejected"][0]["content"] == "answer 0.0"
    assert [turn["content"] for turn in row["prompt"]] == ["question 0"]
    assert json.loads(row["extra"])["chosen_by"] == "endpoint"
    assert "1 without a pair: row: messages" in done.output


def test_nothing_found_and_other_columns_are_told(tmp_path: Path) -> None:
    quiet = write_jsonl(tmp_path / "q.jsonl", [{"messages": scripted(3, ("N",))[0]}])
    words = ["derive", str(quiet), "--from", "feedback", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert not (tmp_path / "out").exists()
    pairs = write_jsonl(tmp_path / "p.jsonl", [{"prompt": "p", "chosen": "c"}])
    done = CliRunner().invoke(app, ["derive", str(pairs), "--from", "feedback", "-o", "x"])
    assert "no column holds conversations" in str(done.exception)


def test_own_patterns(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("SAT: {ja: ['\\bdanke\\b']}\nDSAT: {nein: ['\\bfalsch\\b']}\n")
    feedback = feedback_signals(["Danke!", "Das ist falsch", "thanks"], read_patterns(path))
    assert [s and (s.kind, s.rubric) for s in feedback] == [(SAT, "ja"), (DSAT, "nein"), None]
    for text, why in (("SAT: {}", "no patterns"), ("SAT: {a: ['(']}\nDSAT: {}", "cannot be read")):
        path.write_text(text)
        with pytest.raises(CurateError, match=why):
            read_patterns(path)


def test_the_audit_tells_the_share_of_conversations_with_signals() -> None:
    def prompt(*texts: str) -> list[dict[str, Any]]:
        turns = turn("question", "user")
        for text in texts:
            turns += [*turn("an answer"), *turn(text, "user")]
        return turns

    prompts = [prompt("thanks!"), prompt("that's wrong"), prompt("and in 2020?"), prompt()]
    prompts += [prompt("thanks!")]  # the same conversation counts once
    pairs = numbered_pairs(5).with_columns(pl.Series("prompt", prompts, dtype=MESSAGES))
    assert audit_feedback(pairs) == UserFeedback(3, 0.3333, 0.3333, 0.6667)
    assert audit_feedback(numbered_pairs(5)).to_json() == {}
