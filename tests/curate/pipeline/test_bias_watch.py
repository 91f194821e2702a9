"""A run goes on where length decides, says so first, and names what helps as lines that run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from curate import CurateError
from curate.cli.app import app
from curate.pipeline.bias_watch import bias_remedies
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.pipeline.result import Result
from curate.pipeline.run import Pipeline
from curate.read.pairs import Pairs
from tests.helpers import pairs_of, write_jsonl


def noisy_lengths(count: int = 300) -> Pairs:
    """Judges prefer the longer answer; a fifth of the labels is flipped."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        sides = ["word " * int(n) for n in rng.choice(np.arange(5, 60), 2, replace=False)]
        long, short = sorted(sides, key=len, reverse=True)
        chosen, rejected = (short, long) if rng.random() < 0.2 else (long, short)
        rows.append({"prompt": f"question {i}", "chosen": chosen, "rejected": rejected})
    return Pairs(pairs_of(rows))


DROP = {"type": "quantile", "column": "noise_score.score", "keep": 0.8, "prefer": "min"}
CONFIG: dict[str, Any] = {"scorers": [{"type": "noise_score"}], "filters": [DROP], "store": None}


def run(config: dict[str, Any], **more: Any) -> Result:
    return Pipeline(config).run(noisy_lengths(), **more)


def alert_of(result: Result) -> str:
    (alert,) = result.alerts
    return alert


def test_a_run_goes_on_and_says_first_that_length_decides(tmp_path: Path) -> None:
    result = run(CONFIG, output=tmp_path / "out")
    assert len(result.kept) == 240
    alert = alert_of(result)
    assert "the chosen answer is longer in" in alert
    assert "length alone predicts which labels it acts on" in alert
    assert result.warnings[0] == alert
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["warnings"][0] == alert
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("length alone predicts") < page.index('id="bias"')


def test_the_console_names_it_in_its_first_lines_and_warns(tmp_path: Path) -> None:
    frame = noisy_lengths().frame
    text = pl.element().struct.field("content")
    names = ("prompt", "chosen", "rejected")
    rows = frame.select(pl.col(*names).list.eval(text).list.first()).to_dicts()
    config = CONFIG | {"input": {"path": str(write_jsonl(tmp_path / "data.jsonl", rows))}}
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
    output = CliRunner().invoke(
        app, ["run", str(tmp_path / "pipeline.yaml"), "--output", str(tmp_path / "out")]
    )
    assert output.exit_code == 0
    lines = " ".join(output.output.split())
    assert lines.index("chosen is longer in 80% before") < lines.index("curated shards")
    assert "length alone predicts" in lines
    assert lines.count("length alone predicts") == 1


def remedy_lines(alert: str) -> list[str]:
    """The lines of pipeline.yaml in the alert, without their comments."""
    return [line.strip().partition("    #")[0] for line in alert.splitlines()[2:]]


def test_ways_out_come_in_the_order_of_what_they_are_worth() -> None:
    assert remedy_lines(alert_of(run(CONFIG))) == [
        "gold: DRAWN",
        "- {type: reward_model, models: [MODEL]}",
        "- {type: noise_score, style: false}",
        "- {type: noise_score, within: [length]}",
    ]


def test_what_is_there_already_is_no_way_out() -> None:
    scorers = [{"type": "reward_model", "models": ["m"]}, {"type": "noise_score", "style": False}]
    config = CONFIG | {"scorers": scorers, "gold": {"column": "extra.x"}}
    plan = make_plan(parse_config(config))
    lines = [
        way.line for way in bias_remedies(plan.learned(plan.filters[0]), "d.jsonl", plan.has_gold)
    ]
    assert lines == ["- {type: noise_score, style: false, within: [length]}"]


def test_commands_name_the_dataset() -> None:
    plan = make_plan(parse_config(CONFIG | {"input": {"path": "my prefs.jsonl"}}))
    gold = bias_remedies(plan.learned(plan.filters[0]), plan.data)[0]
    assert gold.line == "gold: my-prefs-drawn"
    assert "curate route 'my prefs.jsonl' --random 50 --output my-prefs-drawn" in gold.effect


def test_every_printed_line_is_a_line_of_a_pipeline_that_runs() -> None:
    for line in remedy_lines(alert_of(run(CONFIG))):
        change = yaml.safe_load(line)
        if isinstance(change, dict):
            assert make_plan(parse_config(CONFIG | change)).has_gold
            continue
        (scorer,) = change
        scorers = [scorer] if scorer["type"] == "noise_score" else [scorer, *CONFIG["scorers"]]
        make_plan(parse_config(CONFIG | {"scorers": scorers}))
        if scorer["type"] == "noise_score":
            assert len(run(CONFIG | {"scorers": scorers}).kept) == 240


def test_a_scorers_own_name_and_parameters_stand_in_its_line() -> None:
    scorer = {"type": "noise_score", "name": "doubt", "style": False}
    config = CONFIG | {"scorers": [scorer], "filters": [DROP | {"column": "doubt.score"}]}
    lines = remedy_lines(alert_of(run(config)))
    assert lines[-1] == "- {type: noise_score, name: doubt, style: false, within: [length]}"
    assert not any("style: false}" in line for line in lines)


def test_within_length_no_filter_goes_by_length() -> None:
    scorers = [{"type": "noise_score", "within": ["length"]}]
    result = run(CONFIG | {"scorers": scorers})
    (step,) = (s for s in result.steps if s.kind == "filter")
    auroc = step.facts.get("bias", {}).get("length_auroc")
    assert auroc is None or abs(auroc - 0.5) < 0.2


def test_who_wants_it_stops_before_anything_is_written_and_keeps_the_scores(tmp_path: Path) -> None:
    config = CONFIG | {"on_bias": "stop", "store": str(tmp_path / "store")}
    with pytest.raises(CurateError) as stopped:
        run(config, output=tmp_path / "out")
    text = str(stopped.value)
    assert "60 of 300 pairs" in text
    assert "nothing was written, and scores are stored for the next run" in text
    assert "within: [length]" in text
    assert "on_bias: warn" in text
    assert not (tmp_path / "out" / "manifest.json").exists()
    rerun = run(config | {"on_bias": "warn"}, output=tmp_path / "out")
    (scored,) = (s for s in rerun.steps if s.name == "noise_score")
    assert scored.facts["cached"]


def test_a_stop_that_would_lose_scores_is_refused_before_scoring() -> None:
    with pytest.raises(CurateError, match="needs a store"):
        Pipeline(CONFIG | {"on_bias": "stop"})
    with pytest.raises(CurateError, match="contradict"):
        Pipeline(CONFIG | {"on_bias": "stop", "accept_bias": True, "store": "auto"})


@pytest.mark.parametrize("key", ["accept_bias", "accept_chance"])
@pytest.mark.parametrize("value", [True, False])
def test_old_keys_are_taken_and_told_to_do_nothing(key: str, value: bool) -> None:
    plan = Pipeline(CONFIG | {key: value}).plan
    (notice,) = plan.notices()
    assert notice.startswith(f"{key} no longer has an effect")
    assert plan.on_bias == "warn"


def test_the_posterior_of_all_pairs_says_what_clean_labels_would_be(tmp_path: Path) -> None:
    scorers = [{"type": "label_em"}]
    config = CONFIG | {"scorers": scorers, "filters": [{"type": "drop_wrong"}]}
    result = run(config, output=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (step,) = (s for s in manifest["steps"] if s["kind"] == "filter")
    bias = step["facts"]["bias"]
    assert bias["posterior"] == "label_em.posterior"
    expected = bias["expected"]["longer"]
    # Every clean label prefers the longer answer; four fifths of the published ones do.
    assert bias["longer"][0] == pytest.approx(0.8, abs=0.05)
    # It reaches to what either end of the flip rate would mean for random flips.
    (rate,) = (s["facts"]["flip_rate"] for s in manifest["steps"] if s["name"] == "label_em")
    ends = [(bias["longer"][0] - e) / (1 - 2 * e) for e in (rate["low"], rate["high"])]
    assert expected["low"] <= min(*ends, 1.0) + 1e-3
    assert expected["high"] >= min(max(ends), 1.0) - 1e-3
    assert expected["share"] > bias["longer"][0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{expected['low']:.1%} to {expected['high']:.1%}" in page
    assert "expected with clean labels" in alert_of(result)
    assert "of the right labels whose chosen answer is shorter" in alert_of(result)


def test_behind_a_filter_by_learned_scores_nothing_more_is_expected() -> None:
    drop = {"type": "drop_wrong"}
    filters = [drop, drop | {"name": "again", "below": 0.9}]
    result = run(CONFIG | {"scorers": [{"type": "label_em"}], "filters": filters})
    first, second = (s.facts["bias"] for s in result.steps if s.kind == "filter")
    assert "expected" in first
    assert "expected" not in second


def test_scores_without_a_posterior_are_watched_without_an_expectation() -> None:
    keep = {"type": "quantile", "column": "lengths.difference", "keep": 0.7}
    result = run({"scorers": [{"type": "lengths"}], "filters": [keep], "store": None})
    alert = alert_of(result)
    assert "expected with clean labels" not in alert
    # No label taught these scores: there is nothing to change at the scorer.
    assert "what helps" not in alert
    assert isinstance(result.kept, pl.DataFrame)
