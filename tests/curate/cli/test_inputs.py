"""Every verb that looks at data takes a file, a run's folder or a pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.cli.inputs import DatasetOptions
from curate.steps.context import SilentProgress
from tests.helpers import trl_rows, write_jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = write_jsonl(tmp_path / "rows.jsonl", trl_rows(8))
    (tmp_path / "pipeline.yaml").write_text(
        f"input: {{path: {data}, limit: 6}}\n"
        "filters: [{type: sample, rows: 4}]\n"
        f"output: {{path: {tmp_path / 'out'}, report: false}}\n"
    )
    done = CliRunner().invoke(app, ["run", str(tmp_path / "pipeline.yaml")])
    assert done.exit_code == 0, done.output
    return tmp_path


@pytest.mark.parametrize(("name", "pairs"), [("rows.jsonl", 8), ("pipeline.yaml", 6), ("out", 6)])
def test_inspect_takes_each(folder: Path, name: str, pairs: int) -> None:
    result = CliRunner().invoke(app, ["inspect", str(folder / name), "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    assert facts["pairs"] == pairs
    assert facts["first_pair"]["prompt"] == "question 0"
    assert facts["first_pair"]["chosen"] == "good answer 0"
    limited = CliRunner().invoke(app, ["inspect", str(folder / name), "--json", "--limit", "2"])
    assert json.loads(limited.output)["pairs"] == 2


ROWS = [
    {"question": f"q {i}", "a": f"one {i}", "b": f"two {i}", "winner": ["A>B", "B>A", "tie"][i % 3]}
    for i in range(60)
]
MAPPED = "prompt=question,first=a,second=b,label=winner,first_wins=A>B,second_wins=B>A,tie=tie"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "odd.jsonl", ROWS)


@pytest.mark.parametrize(
    "verb",
    [
        ["inspect"],
        ["derive", "-o", "OUT"],
        ["export", "-o", "OUT"],
        pytest.param(["audit", "-o", "OUT/a.json"], marks=pytest.mark.slow),
        pytest.param(
            ["explain", "-o", "OUT", "--features", "4", "--active", "2"], marks=pytest.mark.slow
        ),
        pytest.param(["worth", "--seeds", "2"], marks=pytest.mark.slow),
        pytest.param(["bench", "--noise", "none", "--seeds", "1"], marks=pytest.mark.slow),
    ],
)
def test_every_verb_takes_a_mapping(odd: Path, tmp_path: Path, verb: list[str]) -> None:
    options = [part.replace("OUT", str(tmp_path / "out")) for part in verb]
    (tmp_path / "out").mkdir(exist_ok=verb[0] == "audit")
    if verb[0] != "audit":
        (tmp_path / "out").rmdir()
    if verb[0] in ("worth", "bench", "explain"):
        # Ties teach nothing, and some pairs are needed.
        more = [
            r | {"question": f"{r['question']} {n}", "winner": "A>B"}
            for n in "stuvwxyz"
            for r in ROWS
        ]
        write_jsonl(odd, more)
    result = CliRunner().invoke(app, [*options, str(odd), "--columns", MAPPED])
    if verb[0] == "derive":
        assert "no pair could be derived" in str(result.exception)
    else:
        assert result.exit_code == 0, (result.output, result.exception)


def test_a_mapping_is_read_rightly(odd: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(odd), "--columns", MAPPED, "--json"])
    facts = json.loads(result.output)
    assert (facts["pairs"], facts["ties"], facts["format"]) == (60, 20, "columns")
    assert facts["first_pair"]["chosen"] == "one 0"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("promt=question", "did you mean 'prompt'"),
        ("prompt", "KEY=COLUMN"),
        ("prompt=question", "map either chosen and rejected"),
        ("chosen=a,rejected=nothing", "columns a, b, question, winner"),
    ],
)
def test_wrong_mappings(odd: Path, columns: str, message: str) -> None:
    result = CliRunner().invoke(app, ["inspect", str(odd), "--columns", columns])
    assert message in str(result.exception)


def test_an_unknown_label_shows_its_value_and_the_keys_that_map_it(odd: Path) -> None:
    plain = "prompt=question,first=a,second=b,label=winner"
    result = CliRunner().invoke(app, ["export", str(odd), "-o", "x", "--columns", plain])
    text = str(result.exception)
    assert "the label 'A>B' names neither answer nor a tie" in text
    assert "first_wins: ['A>B']" in text


def test_options_without_an_effect_are_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(folder / "pipeline.yaml"), "--format", "trl"])
    assert "the option has no effect here" in str(result.exception)
    result = CliRunner().invoke(app, ["inspect", str(folder / "out"), "--split", "train"])
    assert "a run's pairs are read already" in str(result.exception)


def test_init_looks_at_the_data(odd: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    result = CliRunner().invoke(app, ["init", str(path), "--data", str(odd)])
    assert result.exit_code == 0, result.output
    text = path.read_text()
    assert "its values in the first rows: A>B (20), B>A (20), tie (20)" in text
    inspected = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert json.loads(inspected.output)["ties"] == 20


def test_init_writes_the_format_that_it_finds(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", trl_rows(8))
    for name, options in (("a.yaml", []), ("b.yaml", ["--recipe", "vote-all-remove"])):
        CliRunner().invoke(app, ["init", str(tmp_path / name), "--data", str(data), *options])
        assert "format: trl " in (tmp_path / name).read_text()
    missing = CliRunner().invoke(app, ["init", str(tmp_path / "c.yaml"), "--data", "nothing.jsonl"])
    assert missing.exit_code == 0
    assert "nothing.jsonl: could not inspect the file" in missing.stderr
    assert "format: auto" in (tmp_path / "c.yaml").read_text()


def test_init_says_what_it_could_not_find(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [{"x": 1, "note": "t"}])
    CliRunner().invoke(app, ["init", str(tmp_path / "a.yaml"), "--data", str(data)])
    text = (tmp_path / "a.yaml").read_text()
    assert "Which columns hold the answers?" in text
    assert "columns of the file: x, note" in text


def test_init_takes_a_mapping(odd: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    CliRunner().invoke(app, ["init", str(path), "--data", str(odd), "--columns", MAPPED])
    inspected = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert json.loads(inspected.output)["pairs"] == 60


@pytest.mark.parametrize(("name", "pairs"), [("rows.jsonl", 8), ("pipeline.yaml", 6), ("out", 6)])
def test_a_sample_of_each_is_told(
    folder: Path, name: str, pairs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = DatasetOptions(str(folder / name))
    all_pairs = dataset.sample(SilentProgress(), 0)
    assert len(all_pairs) == len(dataset.sample(SilentProgress(), pairs)) == pairs
    assert capsys.readouterr().out == ""
    few = dataset.sample(SilentProgress(), 3)
    assert len(few) == 3
    assert set(few.frame["pair_id"]) < set(all_pairs.frame["pair_id"])
    assert f"3 of {pairs} pairs, all those of a random sample" in capsys.readouterr().out


def test_explain_tells_that_it_saw_a_sample(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", trl_rows(260))
    out = tmp_path / "explained"
    done = CliRunner().invoke(
        app, ["explain", str(data), "-o", str(out), "--most", "230", "--embedder", "static"]
    )
    assert done.exit_code == 0, done.output
    assert "230 of 260 pairs" in done.output
    assert json.loads((out / "explanation.json").read_text())["pairs"] == 230
