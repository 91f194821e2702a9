"""`curate init`: goals, questions on a terminal, the schema beside the file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from curate.cli import init_questions
from curate.cli.app import app
from curate.cli.init import SCHEMA_FILE
from curate.errors import CurateError
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.pipeline.run import Pipeline
from curate.recipes.goals import Goal, goal_summaries
from tests.helpers import trl_rows, write_jsonl

GOALS = ["denoise", "deduplicate", "balance", "votes", "safety", "sft"]
GOALS_WITH_VALUE = ["decontaminate=evals.jsonl", "shrink=5", "on-policy=org/model"]
GERMAN = [
    *[("Was ist 2 + 2?", "4", "5", "A", "Anna"), ("Hauptstadt?", "Rom", "Paris", "B", "Bernd")] * 9,
    *[("Nenne ein Obst.", "Apfel", "Birne", "gleich", "Anna")] * 2,
]
LIKERT = [(f"Question {n}?", f"answer {n}", f"other {n}", str(n % 7 + 1)) for n in range(21)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path: Path, header: tuple[str, ...], rows: list[Any], separator: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows] if header else rows)


def invoke(*words: str, text: str | None = None) -> str:
    result = CliRunner().invoke(app, list(words), input=text)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def run_to_trained_file(data: str) -> dict[str, int]:
    """Return the counts of a run by the pipeline that init wrote for a file."""
    invoke("init", "--data", data, "--goal", "deduplicate")
    invoke("run", "--dry-run")
    invoke("run")
    counts: dict[str, int] = json.loads(Path("curated/manifest.json").read_text())["rows"]
    return counts


@pytest.mark.parametrize("goal", [*GOALS, *GOALS_WITH_VALUE])
def test_each_goal_is_a_pipeline_that_editors_and_the_run_accept(goal: str, folder: Path) -> None:
    write_jsonl(folder / "data.jsonl", trl_rows(20))
    write_jsonl(folder / "evals.jsonl", trl_rows(2))
    output = invoke("init", "--data", "data.jsonl", "--goal", goal)
    assert "curate run pipeline.yaml --dry-run" in output
    text = Path("pipeline.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
    config = yaml.safe_load(text)
    schema = json.loads(Path(SCHEMA_FILE).read_text(encoding="utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(config)) == []
    assert make_plan(parse_config(config)).filters


def test_all_goals_are_tested_and_named_in_the_help() -> None:
    names = {goal.partition("=")[0] for goal in (*GOALS, *GOALS_WITH_VALUE)}
    assert names == set(goal_summaries())
    text = invoke("init", "--help")
    assert all(name in text for name in names)


@pytest.mark.parametrize("goal", [*GOALS, *GOALS_WITH_VALUE[:2]])
def test_each_goal_runs(goal: str, folder: Path) -> None:
    # The longer answer is chosen and rejected equally often, so that lengths can be balanced.
    answers = [("long " * 8, "short"), ("short", "long " * 8)] * 10
    rows = [
        row | {"annotator": "ann", "chosen": chosen, "rejected": rejected}
        for row, (chosen, rejected) in zip(trl_rows(20), answers, strict=True)
    ]
    write_jsonl(folder / "data.jsonl", rows)
    write_jsonl(folder / "evals.jsonl", trl_rows(2))
    config = yaml.safe_load(Goal.parse(goal).pipeline("data.jsonl"))
    result = Pipeline(config | {"embedder": {"name": "static"}, "store": None}).run(output="out")
    result.row_counts.check()
    assert result.rows_kept
    if goal.startswith("shrink"):
        assert result.rows_kept == 5


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ("denoize", "did you mean 'denoise'"),
        ("shrink", "--goal shrink=1000"),
        ("shrink=many", "not a number of pairs"),
        ("decontaminate", "needs the file of the evaluation prompts"),
        ("denoise=3", "takes no value"),
    ],
)
def test_a_mistaken_goal_is_told_before_anything_is_read(goal: str, message: str) -> None:
    result = CliRunner().invoke(app, ["init", "--data", "nowhere.jsonl", "--goal", goal])
    assert isinstance(result.exception, CurateError)
    assert message in str(result.exception)


def test_a_typo_in_a_step_is_one_error(folder: Path) -> None:
    invoke("init")
    validator = Draft202012Validator(json.loads(Path(SCHEMA_FILE).read_text(encoding="utf-8")))
    for section, step, message in (
        ("scorers", {"type": "mc_dropout", "pases": 3}, "'pases' was unexpected"),
        ("scorers", {"type": "mc_dropout", "passes": "many"}, "'many' is not of type 'integer'"),
        ("scorers", {"type": "mc_droput"}, "'mc_droput' is not one of ["),
        ("filters", {"type": "quantile", "column": "is_tie"}, "'keep' is a required property"),
        ("filters", {"keep": 3}, "'type' is a required property"),
    ):
        errors = list(validator.iter_errors({"input": {"path": "a"}, section: [step]}))
        assert [message in error.message for error in errors] == [True], errors
    (error,) = validator.iter_errors({"input": {"pth": "a"}})
    assert "'pth' was unexpected" in error.message


def test_a_file_of_somebody_else_is_kept(folder: Path) -> None:
    Path(SCHEMA_FILE).write_text('{"mine": 1}')
    assert SCHEMA_FILE not in invoke("init")
    assert Path(SCHEMA_FILE).read_text() == '{"mine": 1}'


def test_german_names_and_values_lead_to_a_trained_file(folder: Path) -> None:
    header = ("Frage", "Antwort A", "Antwort B", "Gewinner", "Bearbeiter")
    write_csv(folder / "de.csv", header, GERMAN, ";")
    result = CliRunner().invoke(app, ["inspect", "de.csv"])
    assert isinstance(result.exception, CurateError)
    hint = str(result.exception.fix)
    assert "prompt=Frage,first=Antwort A,second=Antwort B,label=Gewinner" in hint
    assert "first_wins=A,second_wins=B,tie=gleich" in hint
    assert "curate init --data de.csv" in hint
    assert run_to_trained_file("de.csv")["in"] == len(GERMAN)
    text = Path("pipeline.yaml").read_text(encoding="utf-8")
    assert "label: Gewinner   # does it say which answer won?" in text
    assert "A (9), B (9), gleich (2); is this what each means?" in text


def test_a_scale_leads_to_a_trained_file(folder: Path) -> None:
    write_csv(folder / "likert.csv", ("question", "reply_a", "reply_b", "rating"), LIKERT)
    assert run_to_trained_file("likert.csv") == {"in": 21, "kept": 21, "dropped": 0}
    columns = yaml.safe_load(Path("pipeline.yaml").read_text())["input"]["columns"]
    assert columns["first_wins"] == ["1", "2", "3"]
    assert (columns["tie"], columns["label"]) == (["4"], "rating")


def test_a_file_without_a_header_is_told_so_by_both_commands(folder: Path) -> None:
    write_csv(folder / "bare.csv", (), [(*row[:3], "12"[n % 2]) for n, row in enumerate(LIKERT)])
    for words in (["inspect", "bare.csv"], ["init", "--data", "bare.csv"]):
        error = CliRunner().invoke(app, words).exception
        assert isinstance(error, CurateError)
        assert "put names of columns above it, such as question,answer_a,answer_b,winner" in str(
            error.fix
        )
    text = (folder / "bare.csv").read_text()
    (folder / "named.csv").write_text(f"question,answer_a,answer_b,winner\n{text}")
    assert run_to_trained_file("named.csv")["in"] == len(LIKERT)


def test_a_terminal_is_asked_for_what_is_not_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.cli.init_input.is_terminal", lambda: True)
    rows = [(q, a, b, {"A": "links", "B": "rechts"}.get(w, w), who) for q, a, b, w, who in GERMAN]
    write_csv(folder / "de.csv", ("Frage", "Text A", "Text B", "Urteil", "Wer"), rows)
    # An empty answer takes the proposal.
    answers = ["", "Nirgends", "", "first", "second", "tie"]
    output = invoke("init", "--data", "de.csv", text="\n".join(answers) + "\n")
    assert "Which column says which answer won?" in output
    assert "one of: Frage, Text A" in output
    assert "  Urteil: links (9), rechts (9), gleich (2)" in output
    assert "Who wins where it is 'links' (9 of 20 rows)?" in output
    columns = yaml.safe_load(Path("pipeline.yaml").read_text())["input"]["columns"]
    assert columns == {
        "prompt": "Frage",
        "first": "Text A",
        "second": "Text B",
        "label": "Urteil",
        "first_wins": ["links"],
        "second_wins": ["rechts"],
        "tie": ["gleich"],
    }


def test_without_a_terminal_the_question_stands_in_the_file(folder: Path) -> None:
    rows = [(q, a, b, {"A": "links", "B": "rechts"}.get(w, w), who) for q, a, b, w, who in GERMAN]
    write_csv(folder / "de.csv", ("Frage", "Text A", "Text B", "Urteil", "Wer"), rows)
    invoke("init", "--data", "de.csv")
    text = Path("pipeline.yaml").read_text()
    assert "# Which column says which answer won, and by which values?" in text
    assert "    # label: Urteil   # links (9), rechts (9), gleich (2)\n" in text
    assert "    prompt: Frage   # is it the prompt?\n" in text
    assert not init_questions.is_terminal()


def test_single_answers_under_other_names_lead_to_their_pipeline(folder: Path) -> None:
    rows = [{"inputs": f"q{n}", "targets": f"answer {n}"} for n in range(5)]
    write_jsonl(folder / "sft.jsonl", rows)
    invoke("init", "--data", "sft.jsonl")
    config = yaml.safe_load(Path("pipeline.yaml").read_text())
    assert config["input"]["columns"] == {"prompt": "inputs", "answer": "targets"}
    assert config["output"]["format"] == "sft"
    invoke("run", "--dry-run")


@pytest.mark.parametrize(
    ("rows", "mapping", "pairs"),
    [
        (
            [{"q": f"p{n // 2}", "reply": f"a{n}", "is_safe": n % 2 == 0} for n in range(8)],
            {"prompt": "q", "answer": "reply", "label": "is_safe"},
            4,
        ),
        (
            [
                {"query": f"p{n // 2}", "reply": f"a{n}", "rank": n % 2 + 1, "lang": "en"}
                for n in range(8)
            ],
            {"prompt": "query", "answer": "reply", "rank": "rank"},
            4,
        ),
        (
            [{"data": {"ask": f"p{n}", "good": f"a{n}", "bad": f"b{n}"}} for n in range(4)],
            {"prompt": "data.ask", "chosen": "data.good", "rejected": "data.bad"},
            4,
        ),
    ],
)
def test_guesses_of_nested_and_judged_answers_lead_to_a_trained_file(
    folder: Path, rows: list[dict[str, Any]], mapping: dict[str, str], pairs: int
) -> None:
    write_jsonl(folder / "rows.jsonl", rows)
    assert run_to_trained_file("rows.jsonl")["in"] == pairs
    columns = yaml.safe_load(Path("pipeline.yaml").read_text())["input"]["columns"]
    assert columns == mapping
