"""The table of public shapes in docs/reference/shapes.md says what happens to each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate import CurateError
from curate.option_names import command_line_messages
from tests.helpers import published, read_rows

ASK, GOOD, BAD = published("why?", "user"), published("good"), published("bad")
OBJECTS = [{"text": "good", "rank": 1}, {"text": "bad", "rank": 2}]
TWO = {"response_a": "good", "response_b": "bad"}
SHAPES: dict[str, tuple[dict[str, Any] | list[dict[str, Any]], str]] = {
    "`prompt`, `chosen`, `rejected`: texts": (
        {"prompt": "why?", "chosen": "good", "rejected": "bad"},
        "read: `trl`",
    ),
    "`chosen`, `rejected`: conversations": (
        {"chosen": ASK + GOOD, "rejected": ASK + BAD},
        "read: `trl`",
    ),
    "`prompt`: the first or last question, beside whole conversations": (
        {"prompt": "why?", "chosen": ASK + GOOD, "rejected": ASK + BAD},
        "read: `trl`",
    ),
    '`chosen`, `rejected`: `{"messages": [...], "tools": [...]}`, also as JSON text': (
        {"chosen": {"messages": ASK + GOOD}, "rejected": {"messages": ASK + BAD}},
        "read: `trl`",
    ),
    "`messages`, `chosen_response`, `rejected_response`: message objects": (
        {"messages": ASK, "chosen_response": GOOD[0], "rejected_response": BAD[0]},
        "read: `named_answers`",
    ),
    "`chosen`, `rejected`, `score_chosen`, `score_rejected`": (
        {"prompt": "why?", "chosen": GOOD, "rejected": BAD, "score_chosen": 5, "score_rejected": 1},
        "read: `trl`",
    ),
    "`context`, `completions` of `rank` and `completion`": (
        {
            "context": ASK,
            "completions": [{"rank": i, "completion": m} for i, m in enumerate((GOOD, BAD, BAD))],
        },
        "read: `nemo_rl`",
    ),
    "`prompt`, `all_generated_responses`, `all_rm_scores`": (
        {
            "prompt": "why?",
            "all_generated_responses": ["good", "bad"],
            "all_rm_scores": [1.0, 0.5],
        },
        "read: `listwise`",
    ),
    "`instruction`, `input`, `output`: a list of `{text, rank}`": (
        {"instruction": "why?", "input": "x", "output": OBJECTS},
        "read: `answer_objects`",
    ),
    "`prompt`, `response_a`, `response_b`, `winner`: A or B": (
        {"prompt": "why?", **TWO, "winner": "A"},
        "read: `labelled_answers`",
    ),
    "the same, with `0` and `1` as labels": (
        [{"prompt": "why?", **TWO, "winner": value} for value in (0, 1)],
        "proposed: `prompt=prompt,first=response_a,second=response_b,label=winner,first_wins=1,"
        "second_wins=0`",
    ),
    "the same, with a scale from 1 to 7": (
        [{"prompt": "why?", **TWO, "winner": value} for value in range(1, 8)],
        "proposed: `prompt=prompt,first=response_a,second=response_b,label=winner,"
        "first_wins=1|2|3,second_wins=5|6|7,tie=4`",
    ),
    "`response_a`, `response_b`, `grader_1`, `grader_2`": (
        {"prompt": "why?", **TWO, "grader_1": "A", "grader_2": "B"},
        "proposed: `prompt=prompt,first=response_a,second=response_b,labels=grader_1|grader_2,"
        "first_wins=A,second_wins=B`",
    ),
    "`pos_answer`, `neg_answer`: objects": (
        {"question": "why?", "pos_answer": {"answer": "good"}, "neg_answer": {"answer": "bad"}},
        "proposed: `prompt=question,chosen=pos_answer.answer,rejected=neg_answer.answer`",
    ),
    "a list of whole conversations, the best first": (
        {"id": "1", "answer": [ASK + GOOD, ASK + BAD]},
        "proposed: `responses=answer`",
    ),
    "`question` beside `chosen` and `rejected` without it": (
        {"query": "why?", "chosen": "good", "rejected": "bad"},
        "proposed: `prompt=query,chosen=chosen,rejected=rejected`",
    ),
    "two JSON texts without a prompt": (
        {"chosen": '{"text": "it is good"}', "rejected": '{"text": "it is bad"}'},
        "refused",
    ),
    "a prompt and one answer": ({"prompt": "why?", "completion": "good"}, "read: `answers`"),
    "`instruction`, `context`, `response` (Dolly)": (
        {"instruction": "why?", "context": "It says so. " * 30, "response": "good"},
        "read: `answers`",
    ),
    "`input` (messages), `output`": ({"input": ASK, "output": "good"}, "read: `answers`"),
    "`conversation`: a list of `{input, output}`": (
        {"conversation": [{"input": "why?", "output": "good"}]},
        "read: `answers`",
    ),
    "`messages` beside columns that repeat its turns": (
        {"problem": "why?", "solution": "good " * 99, "messages": [*ASK, *published("good " * 99)]},
        "read: `answers`",
    ),
    "`text` with numbers on its quality (FineWeb)": (
        {"text": "Once upon a time.", "language_score": 0.9, "score": 2.5},
        "read: `answers`",
    ),
    "a prompt and an answer under other names": (
        {"inputs": "why?", "targets": "good"},
        "proposed: `prompt=inputs,answer=targets`",
    ),
    "a solution beside the result that it should have": (
        {"problem": "why?", "generated_solution": "since 2 + 2 is 4", "expected_answer": "4"},
        "proposed: `prompt=problem,answer=generated_solution`",
    ),
    "an answer and a verdict on it (`is_safe`)": (
        [{"prompt": "why?", "response": text, "is_safe": text == "good"} for text in ("good", "b")],
        "proposed: `prompt=prompt,label=is_safe,answer=response`",
    ),
    "an answer in each row, and its score under another name": (
        [{"query": "why?", "reply": str(score), "quality_score": score} for score in (1, 4)],
        "proposed: `prompt=query,answer=reply,score=quality_score`",
    ),
    "the same, with a rank": (
        [{"query": "why?", "reply": str(rank), "rank": rank} for rank in (1, 2)],
        "proposed: `prompt=query,answer=reply,rank=rank`",
    ),
    "an answer and feedback in words (`up`, `down`)": (
        [{"question": "why?", "answer": "so", "feedback": vote} for vote in ("up", "down")],
        "proposed: `prompt=question,label=feedback,answer=answer`",
    ),
    "`prompt`, `response`, `rejected`": (
        {"prompt": "why?", "response": "good", "rejected": "bad"},
        "proposed: `prompt=prompt,chosen=response,rejected=rejected`",
    ),
    "`winning_response`, `losing_response`; `correct_answer`, `incorrect_answer`": (
        {"prompt": "why?", "correct_answer": "good", "incorrect_answer": "bad"},
        "proposed: `prompt=prompt,chosen=correct_answer,rejected=incorrect_answer`",
    ),
    "everything within one object": (
        {"data": {"prompt": "why?", "chosen": "good", "rejected": "bad"}, "meta": {"lang": "en"}},
        "proposed: `prompt=data.prompt,chosen=data.chosen,rejected=data.rejected`",
    ),
    "`answers`: an object `{A, B}`, `winner`": (
        [{"task": "why?", "answers": {"A": "x", "B": "y"}, "winner": w} for w in "AB"],
        "proposed: `prompt=task,first=answers.A,second=answers.B,label=winner,first_wins=A,"
        "second_wins=B`",
    ),
    "`chosen`, `rejected`: objects `{text, score}`": (
        {"prompt": "why?", "chosen": {"text": "x", "score": 4}, "rejected": {"text": "y"}},
        "proposed: `prompt=prompt,chosen=chosen.text,rejected=rejected.text`",
    ),
    "`answers`: a list of `{text, votes}`": (
        {"question": "why?", "answers": [{"text": "x", "votes": 9}, {"text": "y", "votes": 2}]},
        "proposed: `prompt=question,responses=answers[].text,scores=answers[].votes`",
    ),
    "a pair of sentences and a label (NLI)": (
        {"sentence1": "It rains.", "sentence2": "It is dry.", "label": 1},
        "refused",
    ),
    "`generations` and whether each is correct": (
        {"problem": "why?", "generations": ["good", "bad"], "correctness": [True, False]},
        "proposed: `prompt=problem,responses=generations,scores=correctness`",
    ),
    "an answer beside other long texts": (
        {"question": "why?", "answer": "good", "attempt": "Well, " * 50},
        "proposed: `--format answers`",
    ),
    "`completions`: the steps of one answer, `labels`": (
        {"prompt": "why?", "completions": ["First.", "Then."], "labels": [True, False]},
        "refused",
    ),
    "a chat as one text (`USER: ... ASSISTANT: ...`)": (
        {"system": "Be kind.", "chat": "USER: why? ASSISTANT: good"},
        "refused",
    ),
    "`conversations`: a list of texts (LIMA)": (
        {"conversations": ["why?", "good"], "source": "stackexchange"},
        "refused",
    ),
}
DOCS = Path(__file__).parents[3] / "docs" / "reference" / "shapes.md"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_read_proposed_or_refused(tmp_path: Path, shape: str) -> None:
    published_rows, outcome = SHAPES[shape]
    rows = published_rows if isinstance(published_rows, list) else [published_rows]
    if outcome.startswith("read"):
        assert outcome == f"read: `{read_rows(tmp_path, rows).format}`"
        return
    with command_line_messages(), pytest.raises(CurateError) as raised:
        read_rows(tmp_path, rows)
    proposed = outcome.removeprefix("proposed: ").strip("`")
    message = str(raised.value)
    if proposed.startswith("--"):
        assert proposed in message
    elif "proposed" in outcome:
        assert f'--columns "{proposed}"' in message
    else:
        assert '--columns "' not in message
        assert "--format answers" not in message


def test_the_table_of_the_docs_lists_the_shapes() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    table = lines[lines.index("| shape | what happens |") + 2 :][: len(SHAPES)]
    expected = [
        f"| {shape} | {outcome.replace('|', chr(92) + '|')} |"
        for shape, (_, outcome) in SHAPES.items()
    ]
    assert table == expected
