"""Runs end to end on row scorers and on real embeddings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs, Pipeline, read_pairs
from curate.sample import default_pipeline
from curate.write.exports.base import PairCounts, ShardSchema
from tests.helpers import PANDALM_SAMPLE, numbered_pairs, pairs_of, trl_rows, write_jsonl

CHEAP: dict[str, Any] = {
    "scorers": [{"type": "lengths"}],
    "filters": [
        {"type": "ties"},
        {"type": "identical_answers"},
        {"type": "threshold", "column": "lengths.chosen", "min": 6},
        {"type": "topsis", "criteria": {"lengths.chosen": "max"}, "keep": 0.5},
    ],
}
ROWS = [
    {"prompt": "p", "chosen": "long enough", "rejected": "b"},
    {"prompt": "p", "chosen": "longer even", "rejected": "b", "is_tie": True},
    {"prompt": "p", "chosen": "the same", "rejected": "the same"},
    {"prompt": "p", "chosen": "short", "rejected": "b"},
    {"prompt": "p", "chosen": "the longest of them", "rejected": "b"},
]


def test_every_pair_is_kept_or_dropped_with_step_and_reason(tmp_path: Path) -> None:
    pairs = Pairs(pairs_of(ROWS))
    result = Pipeline(CHEAP).run(pairs, output=tmp_path / "out")
    ids = pairs.frame["pair_id"].to_list()
    assert result.kept["pair_id"].to_list() == [ids[4]]
    assert result.dropped["pair_id"].to_list() == ids[:4]
    assert result.dropped["drop_step"].to_list() == [
        "topsis",
        "ties",
        "identical_answers",
        "threshold",
    ]
    assert result.dropped["drop_reason"].to_list() == [
        "rank 2 of 2 by TOPSIS, 1 kept",
        "the data marks a tie",
        "the chosen answer is the rejected answer",
        "lengths.chosen 5.0 below min 6.0",
    ]
    codes = ["topsis_rank", "tie", "identical_answers", "threshold_min"]
    assert result.dropped["drop_code"].to_list() == codes
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["drop_codes"] == dict.fromkeys(sorted(codes), 1)
    report = (tmp_path / "out" / "report.html").read_text()
    assert '<tr><td>topsis_rank</td><td class="n">1</td></tr>' in report
    scores = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    assert scores["pair_id"].to_list() == ids
    assert scores["topsis.score"].to_list() == [0.0, None, None, None, 1.0]


def test_the_run_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = {**CHEAP, "output": {"rows_per_shard": 4}, "filters": [{"type": "ties"}], "seed": 7}
    Pipeline(config).run(Pairs(pairs_of(ROWS)), output=out)
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert files == [
        "README.md",
        "dpo_config.yaml",
        "dropped/part-00000.parquet",
        "kept/part-00000.parquet",
        "manifest.json",
        "pairs/part-00000.parquet",
        "rejected_rows.parquet",
        "report.html",
        "scores.parquet",
    ]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["rows"] == {"in": 5, "kept": 4, "dropped": 1}
    assert manifest["seed"] == 7
    assert [s["name"] for s in manifest["steps"]] == ["read", "lengths", "ties", "write"]
    assert {"curate", "python", "polars", "torch"} <= set(manifest["versions"])
    kept_pairs = pl.read_parquet(out / "kept" / "*.parquet")
    assert kept_pairs.columns == ["prompt", "chosen", "rejected", "pair_id"]
    assert kept_pairs["chosen"].to_list()[0] == [{"role": "assistant", "content": "long enough"}]


def test_jsonl_shards_are_read_back(tmp_path: Path) -> None:
    config = {"output": {"file_type": "jsonl", "rows_per_shard": 3}}
    pairs = Pairs(numbered_pairs(7))
    Pipeline(config).run(pairs, output=tmp_path / "out")
    shards = sorted(p.name for p in (tmp_path / "out" / "kept").iterdir())
    assert shards == ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    again = read_pairs(str(tmp_path / "out" / "kept"))
    assert again.format == "trl"
    same = ["pair_id", "prompt", "chosen", "rejected"]
    assert again.frame.select(same).equals(pairs.frame.select(same))


def test_dropped_shards_are_read_back_as_pairs(tmp_path: Path) -> None:
    config = {"filters": [{"type": "sample", "share": 0.0}]}
    pairs = Pairs(pairs_of(ROWS))
    Pipeline(config).run(pairs, output=tmp_path / "out")
    again = read_pairs(str(tmp_path / "out" / "dropped"))
    assert again.format == "pairs"
    same = ["pair_id", "prompt", "chosen", "rejected", "is_tie"]
    assert again.frame.select(same).equals(pairs.frame.select(same))
    assert json.loads(again.frame["extra"][0])["drop_step"] == "sample"


def test_a_filter_that_drops_everything_warns_and_writes_a_valid_output(tmp_path: Path) -> None:
    config = {
        "scorers": [{"type": "lengths"}],
        "filters": [
            {"type": "threshold", "column": "lengths.chosen", "min": 10_000},
            {"type": "topsis", "criteria": {"lengths.chosen": "max"}},
        ],
    }
    result = Pipeline(config).run(Pairs(pairs_of(ROWS)), output=tmp_path / "out")
    assert result.warnings == ["the filter 'threshold' dropped every pair that reached it"]
    kept_pairs = pl.read_parquet(tmp_path / "out" / "kept" / "part-00000.parquet")
    assert (len(kept_pairs), kept_pairs.columns) == (0, ["prompt", "chosen", "rejected", "pair_id"])
    assert len(result.dropped) == len(ROWS)


def test_ties_among_the_kept_are_warned_of() -> None:
    result = Pipeline({}).run(Pairs(pairs_of(ROWS)))
    assert result.warnings == []
    export, kept_pairs = Pipeline({}).plan.export, PairCounts()
    kept_pairs.add(result.kept)
    assert "1 of 5 kept pairs are ties" in export.warnings(kept_pairs, ShardSchema())[0]


def test_filters_read_extra_keys_as_numbers_or_text() -> None:
    rows = [
        {**ROWS[0], "extra": json.dumps({"score": i, "a b": f"x{i}"}), "annotator": str(i)}
        for i in range(4)
    ]
    condition = "`extra.score` >= 1 AND `extra.a b` <> 'x3'"
    result = Pipeline({"filters": [{"type": "expression", "keep": condition}]}).run(
        Pairs(pairs_of(rows))
    )
    assert result.kept["annotator"].to_list() == ["1", "2"]


def test_without_input(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="names no input"):
        Pipeline(CHEAP).run()


def test_rejected_rows_are_written(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [*trl_rows(2), {"prompt": "p"}])
    config = {"input": {"path": str(path), "on_error": "skip"}}
    Pipeline(config).run(output=tmp_path / "out")
    rejected = pl.read_parquet(tmp_path / "out" / "rejected_rows.parquet")
    assert rejected.select("file", "row").rows() == [("a.jsonl", 3)]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["input"]["rows_rejected"] == 1


@pytest.mark.slow
def test_the_default_pipeline_on_the_sample_twice(tmp_path: Path) -> None:
    """Real embeddings: the same scores byte for byte, the second time from the store."""
    import yaml

    config = yaml.safe_load(default_pipeline(str(PANDALM_SAMPLE)))
    config["store"] = str(tmp_path / "store")
    first = Pipeline(config).run(output=tmp_path / "one")
    # Scores too would come from the store: without them they are computed again.
    shutil.rmtree(tmp_path / "store" / "scores")
    second = Pipeline(config).run(output=tmp_path / "two")
    embedded = [s.facts["cached"] for r in (first, second) for s in r.steps if s.name == "embed"]
    assert embedded == [False, True]
    one, two = ((tmp_path / n / "scores.parquet").read_bytes() for n in ("one", "two"))
    assert one == two
    assert len(first.kept) + len(first.dropped) == 750
    scorers = tuple(f"{step['type']}." for step in config["scorers"])
    schema = first.scores.schema
    floats = [c for c, t in schema.items() if t == pl.Float64 and c.startswith(scorers)]
    ok = first.scores.filter(pl.col("reward_margin.status") == "ok").select(floats)
    assert ok.null_count().sum_horizontal().item() == 0
