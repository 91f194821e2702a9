from __future__ import annotations

from pathlib import Path

import pytest

from curate import CurateError, Pipeline
from curate.pipeline.config import dump_config, load_config, parse_config
from curate.sample import default_pipeline
from tests.helpers import PANDALM_SAMPLE


def mistake(tmp_path: Path, text: str) -> str:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    with pytest.raises(CurateError) as caught:
        Pipeline(path)
    return str(caught.value)


MISTAKES = {
    "top key": (
        "input: {path: a}\nscorer: []\n",
        ["line 2, column 1: scorer", "did you mean 'scorers'"],
    ),
    "input key": ("input:\n  pth: a\n", ["line 2", "input.pth", "did you mean 'path'"]),
    "scorer": (
        "input: {path: a}\nscorers:\n  - {type: reward_margn}\n",
        ["line 3", "did you mean 'reward_margin'"],
    ),
    "parameter": (
        "input: {path: a}\nscorers:\n  - {type: mc_dropout, pases: 3}\n",
        ["line 3", "pases", "did you mean 'passes'"],
    ),
    "value": (
        "input: {path: a}\nscorers:\n  - {type: mc_dropout, passes: 1}\n",
        ["passes", "found:    1", "greater than or equal to 2"],
    ),
    "missing parameter": (
        "input: {path: a}\nfilters: [{type: quantile, column: is_tie}]\n",
        ["filters.0.keep", "Field required"],
    ),
    "column of a filter": (
        "input: {path: a}\nscorers: [{type: lengths}]\n"
        "filters:\n  - {type: threshold, column: lengths.chose, min: 1}\n",
        ["line 4", "unknown column", "did you mean 'lengths.chosen'"],
    ),
    "column of a scorer that is not there": (
        "input: {path: a}\nfilters: [{type: expression, keep: '`crm.loss_mean` < 1'}]\n",
        ["unknown column", "add the scorer 'crm'"],
    ),
    "export": (
        "input: {path: a}\noutput: {format: tlr}\n",
        ["line 2", "unknown export format", "did you mean 'trl'"],
    ),
    "both places": ("input: {path: a, hf: b}\n", ["exactly one of path and hf"]),
    "yaml": ("input: {path: a\nscorers: [", ["not valid YAML", "line"]),
    "key twice": ("seed: 1\nseed: 2\n", ["duplicate key", "line 2", "on line 1"]),
    "list": ("- a\n", ["not a mapping"]),
    "weights": (
        "input: {path: a}\nscorers: [{type: lengths}]\nfilters: [{type: topsis, "
        "criteria: {lengths.chosen: max}, weights: {lengths.chose: 1}}]\n",
        ["did you mean 'lengths.chosen'"],
    ),
    "sql": (
        "input: {path: a}\nfilters: [{type: expression, keep: 'is_tie ='}]\n",
        ["an SQL expression"],
    ),
    "name twice": (
        "input: {path: a}\nscorers: [{type: lengths, name: x}, {type: lengths, name: x}]\n",
        ["duplicate step name", "'x'"],
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_names_its_place_and_how_to_mend_it(tmp_path: Path, kind: str) -> None:
    text, parts = MISTAKES[kind]
    message = mistake(tmp_path, text)
    for part in parts:
        assert part in message


def test_no_such_file() -> None:
    with pytest.raises(CurateError, match="curate init"):
        load_config("nowhere.yaml")


def test_the_default_pipeline_is_valid_and_survives_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(default_pipeline(str(PANDALM_SAMPLE)))
    config, _ = load_config(path)
    path.write_text(dump_config(config))
    assert load_config(path)[0] == config
    assert Pipeline(config).plan.needs_embeddings


def test_a_type_used_twice_gets_a_number() -> None:
    config = parse_config(
        {
            "scorers": [{"type": "lengths"}, {"type": "lengths", "name": "again"}],
            "filters": [{"type": "ties"}, {"type": "ties"}],
        }
    )
    plan = Pipeline(config).plan
    assert [s.name for s in plan.scorers] == ["lengths", "again"]
    assert [s.name for s in plan.filters] == ["ties", "ties-2"]
    assert "again.chosen" in [c.name for c in plan.columns()]
