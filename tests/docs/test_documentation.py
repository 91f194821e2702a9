"""Every command, configuration and script that README and the documentation show works."""

from __future__ import annotations

import gzip
import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from curate import Pipeline
from curate.cli.app import app
from curate.cli.show_review import open_session
from curate.people.blind_review import BlindReview
from curate.pipeline.schema import pipeline_schema
from tests.helpers import PANDALM_SAMPLE, trl_rows, write_jsonl

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = {"review": "it serves until it is stopped"}
"""Commands that are looked up, with their options, and not run."""


def blocks(page: Path, language: str) -> Iterator[str]:
    """Fenced blocks of a language that are not marked as commands of another kind."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(
        r"(?P<before>[^\n]*)\n```(?P<kind>\w+)\n(?P<body>.*?)\n```", text, re.S
    ):
        if match["kind"] == language and not match["before"].startswith("<!--"):
            yield match["body"]


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(pipeline_schema())


def commands(page: Path) -> list[list[str]]:
    """The commands of curate that a page shows."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.strip()]
    return [w[1:] for w in words if w and w[0] == "curate"]


def other_programs(page: Path) -> list[str]:
    """First words of all other commands."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.strip()]
    return [w[0] for w in words if w and w[0] != "curate"]


def with_commands() -> list[Path]:
    # The tutorial's commands need each other: `test_tutorial.py`.
    pages = [page for page in PAGES if page.parent.name != "tutorial"]
    return [page for page in pages if commands(page) or list(blocks(page, "python"))]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What pages speak of: data, evaluation sets, and a finished run where a page makes none."""
    page: Path = request.param
    (tmp_path / "data").mkdir()
    with gzip.open(PANDALM_SAMPLE, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()[:120]
    with gzip.open(tmp_path / "data" / "train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    (tmp_path / "prefs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not any(words[0] == "init" for words in commands(page)):
        pipeline = "input: {path: prefs.jsonl}\nscorers: [{type: label_em}]\n"
        (tmp_path / "pipeline.yaml").write_text(pipeline, encoding="utf-8")
    for name in ("gsm8k.jsonl", "mt_bench.jsonl"):
        write_jsonl(tmp_path / name, trl_rows(5))
    page_commands = commands(page)
    if not any(w[:2] == ["run", "pipeline.yaml"] and "out" in w for w in page_commands):
        scorers = [{"type": "lengths"}, {"type": "reward_margin"}]
        config = {
            "input": {"path": str(tmp_path / "data" / "train.jsonl.gz")},
            "embedder": {"name": "static"},
            "scorers": scorers,
            "filters": [{"type": "ties"}],
        }
        Pipeline(config).run(output=tmp_path / "out")
        ids = Pipeline(config).read(limit=3).frame["pair_id"].to_list()
        (tmp_path / "out" / "verdicts").mkdir()
        write_jsonl(
            tmp_path / "out" / "verdicts" / "ann.jsonl",
            [{"pair_id": i, "reviewer": "ann", "verdict": "keep"} for i in ids],
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judge_as(words: list[str]) -> None:
    """Judge all pairs of a drawn sample, as the reviewer whom `curate review` was given."""
    options = dict(pairwise(words))
    sample = options.get("--sample")
    session = open_session(
        Path(words[1]), None if sample is None else Path(sample), options["--reviewer"]
    )
    if isinstance(session.review, BlindReview):
        while pair := session.review.state()["pair"]:
            session.review.judge(pair["id"], "A", "", None)
    session.review.log.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "folder"), [(p, p) for p in with_commands()], indirect=["folder"], ids=lambda p: p.stem
)
def test_what_a_page_shows_runs(page: Path, folder: Path) -> None:
    for words in commands(page):
        if words[0] in NOT_RUN:
            help_text = CliRunner().invoke(app, [words[0], "--help"]).output
            assert all(w.split("=")[0] in help_text for w in words if w.startswith("--")), words
            judge_as(words)
            continue
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.output, done.exception)
    for body in blocks(page, "python"):
        exec(compile(body, str(page), "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_configurations_are_valid(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for body in blocks(page, "yaml"):
        Path("pipeline.yaml").write_text(body, encoding="utf-8")
        data = yaml.safe_load(body)
        assert isinstance(data, dict), body
        Pipeline("pipeline.yaml")
        # What editors are given agrees.
        assert list(validator().iter_errors(data)) == [], body


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_other_commands_are_known(page: Path) -> None:
    allowed = {".venv/bin/python", ".venv/bin/zensical", "make", "python3", "python", "pip"}
    assert set(other_programs(page)) <= allowed


def test_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 12_000


def test_scripts_that_are_named_exist() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"python -m (tests\.benchmarks\.\w+)", text):
            assert (ROOT / f"{name.replace('.', '/')}.py").is_file(), (page, name)
        for name in re.findall(r"`?(tests/[\w/]+\.(?:sh|py|txt))`?", text):
            assert (ROOT / name).is_file(), (page, name)


def test_steps_that_are_named_exist() -> None:
    from curate.steps.entries import filter_names, scorer_names

    step_names = {*scorer_names(), *filter_names()}
    for page in PAGES:
        for body in blocks(page, "yaml"):
            for name in re.findall(r"\btype: (\w+)", body):
                assert name in step_names, (page, name)
