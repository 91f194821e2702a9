"""Every odd configuration ends in an error of our own, with its place, or runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate import CurateError, Pipeline
from curate.pipeline.yaml_locations import load_yaml
from tests.robustness.bad_configs import ERROR, PLAIN, Odd, all_odd
from tests.robustness.bad_inputs import lines, rows

CASES = all_odd()


@pytest.mark.parametrize("odd", CASES, ids=lambda o: f"{o.group}: {o.name}"[:80])
def test_odd_configuration(odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").write_bytes(lines(rows(20)))
    Path("pipeline.yaml").write_bytes(odd.text.encode())
    try:
        pipeline = Pipeline("pipeline.yaml")
        result = pipeline.run(output=pipeline.config.output.path)
    except CurateError as error:
        assert odd.outcome == ERROR, error
        assert error.problem
        assert error.where
        assert odd.says in str(error)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["data.jsonl", "pipeline.yaml"]
        return
    assert odd.outcome != ERROR
    assert len(result.kept) + len(result.dropped) == 20


def test_there_are_enough_kinds() -> None:
    assert len({(o.group, o.name) for o in CASES}) == len(CASES) > 150


def test_a_condition_cannot_read_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.csv").write_text("a\nhidden-word\n")
    Path("data.jsonl").write_bytes(lines(rows(3)))
    text = "chosen IN (SELECT a FROM read_csv('secret.csv'))"
    Path("pipeline.yaml").write_text(
        PLAIN.replace("filters: []", f'filters: [{{type: expression, keep: "{text}"}}]')
    )
    with pytest.raises(CurateError) as caught:
        Pipeline("pipeline.yaml")
    assert "hidden-word" not in str(caught.value)
    assert "SELECT" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("lengths.chosen > 3", "`lengths.chosen`"), ("1 < a.b.c", "`a.b.c`")],
)
def test_a_dotted_column_is_told_to_stand_in_backticks(text: str, message: str) -> None:
    from curate.steps.conditions import parse_condition

    with pytest.raises(ValueError, match="backticks") as caught:
        parse_condition(text)
    assert message in str(caught.value)


def test_numbers_are_read_as_they_are_written_today() -> None:
    data, _ = load_yaml("{a: 010, b: 1:30, c: 0x10, d: 1_000, e: -7, f: 1.5}", "x")
    assert data == {"a": 10, "b": "1:30", "c": 16, "d": 1000, "e": -7, "f": 1.5}


YAML = st.text(st.sampled_from("ab: []{}&*-\n\"'#,!|>1.?"), max_size=60)


@settings(max_examples=400, deadline=None)
@given(text=YAML)
def test_any_yaml_is_read_or_refused(text: str) -> None:
    try:
        load_yaml(text, "x")
    except CurateError as error:
        assert error.where


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(extra=YAML)
def test_any_pipeline_is_built_or_refused(extra: str, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(PLAIN + extra)
    try:
        Pipeline(path)
    except CurateError as error:
        assert error.where
