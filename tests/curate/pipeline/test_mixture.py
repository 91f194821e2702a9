"""Mixtures: each source is read, drawn from, filtered and told on its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from curate import CurateError, Pipeline
from curate.cli.app import app
from curate.data.sources import count_shared_between_sources
from curate.pipeline.config import SourceConfig
from curate.pipeline.mixture import _draw_rows, _target_shares
from curate.pipeline.run import Pipeline as Run
from tests.helpers import numbered_pairs, pairs_of, write_jsonl


def rows(name: str, count: int, each: int = 1) -> list[dict[str, Any]]:
    """`count` prompts with `each` pairs; chosen of a is longer, of others shorter."""
    long, short = ("long answer " * 3, "short") if name == "a" else ("short", "long answer " * 3)
    return [
        {"prompt": f"{name} {i}", "chosen": f"{long} {i} {n}", "rejected": f"{short} {i} {n}"}
        for i in range(count)
        for n in range(each)
    ]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    contents = {"a": rows("a", 40), "b": rows("b", 20, 2), "c": rows("c", 10)}
    return {n: str(write_jsonl(tmp_path / f"{n}.jsonl", r)) for n, r in contents.items()}


def counts(result: Any) -> dict[str, int]:
    return dict(result.kept["source"].value_counts().iter_rows())


def test_sources_are_named_and_come_in_their_order(files: dict[str, str]) -> None:
    result = Pipeline({"input": [{"path": files["a"]}, {"path": files["b"], "name": "bee"}]}).run()
    assert result.kept["source"].unique(maintain_order=True).to_list() == ["a", "bee"]
    assert counts(result) == {"a": 40, "bee": 40}
    read = result.steps[0]
    assert [s["taken"] for s in read.facts["sources"]] == [40, 40]
    assert read.rows_in == 80


@pytest.mark.parametrize(("share", "pairs"), [(0.5, 20), (1.0, 40), (2.0, 80), (1.25, 50)])
def test_shares_take_whole_prompts_by_seed(files: dict[str, str], share: float, pairs: int) -> None:
    config = {"input": [{"path": files["b"], "share": share}, {"path": files["c"]}]}
    result = Pipeline(config).run()
    pairs_of_b = result.kept.filter(source="b")
    assert len(pairs_of_b) == pairs
    # Both pairs of each prompt, as often as one another.
    per_prompt = pairs_of_b.group_by(pl.col("prompt").list.first().struct.field("content")).len()[
        "len"
    ]
    assert (per_prompt % 2 == 0).all()
    assert pairs_of_b["pair_id"].n_unique() == pairs
    again = Pipeline(config).run()
    assert again.kept.equals(result.kept)
    if share == 0.5:
        other = Pipeline(config | {"seed": 1}).run()
        assert not other.kept.equals(result.kept)


@pytest.mark.parametrize("setting", ["share", "weight"])
def test_a_source_of_which_nothing_is_drawn_is_a_warning(
    setting: str, files: dict[str, str], tmp_path: Path
) -> None:
    one_prompt = write_jsonl(tmp_path / "one.jsonl", rows("one", 1, 90))
    small, other = {"path": str(one_prompt)}, {"path": files["c"]}
    both = [small | {setting: 0.001}, other | ({"weight": 1.0} if setting == "weight" else {})]
    result = Pipeline({"input": both}).run()
    assert counts(result) == {"c": 10}
    (warning,) = [w for w in result.steps[0].warnings if "none of its 90 pairs" in w]
    assert warning.startswith("one: none of its 90 pairs is in the mixture, because whole prompts")
    assert f"{setting} 0.001" in warning


def test_pairs_that_are_not_drawn_are_counted(files: dict[str, str], tmp_path: Path) -> None:
    sources = [{"path": files["a"], "share": 0.5}, {"path": files["b"], "share": 1.25}]
    result = Pipeline({"input": sources, "store": None}).run(output=tmp_path / "out")
    facts = result.steps[0].facts["sources"]
    assert [(s["not_drawn"], s["repeated"]) for s in facts] == [(20, 0), (0, 10)]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    read = manifest["input"]
    assert (read["not_drawn"], read["repeated"]) == (20, 10)
    pairs_in_files = read["rows_read"] - read["rows_rejected"]
    in_run = pairs_in_files - read["not_drawn"] + read["repeated"]
    assert in_run == read["pairs"] == manifest["rows"]["kept"] + manifest["rows"]["dropped"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "rows without a pair: 0; pairs that were not drawn: 20; pairs drawn again: 10" in card


def test_a_source_whose_pairs_are_all_dropped_is_a_warning(files: dict[str, str]) -> None:
    drop_all = {"type": "expression", "drop": "strength IS NULL"}
    sources = [{"path": files["a"], "filters": [drop_all]}, {"path": files["b"]}]
    result = Pipeline({"input": sources, "store": None}).run()
    assert "a: none of its 40 pairs is kept; see dropped/ for why" in result.warnings


def test_weights_are_proportions(files: dict[str, str]) -> None:
    weights = {"a": 0.5, "b": 0.3, "c": 0.2}
    result = Pipeline(
        {"input": [{"path": files[n], "weight": w} for n, w in weights.items()]}
    ).run()
    # c's ten pairs are a fifth of fifty.
    assert counts(result) == {"a": 25, "b": 16, "c": 10}


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=40),
    share=st.floats(0.01, 3.0),
)
@settings(max_examples=80, deadline=None)
def test_a_draw_is_near_what_is_wanted(sizes: list[int], share: float) -> None:
    pairs = pairs_of(
        [
            {"prompt": f"p{i}", "chosen": f"a{i} {n}", "rejected": "b"}
            for i, size in enumerate(sizes)
            for n in range(size)
        ]
    )
    result = _draw_rows(pairs, share, np.random.default_rng(0))
    assert abs(len(result) - share * len(pairs)) <= max(sizes)
    prompts = np.repeat(np.arange(len(sizes)), sizes)
    times = np.bincount(result, minlength=len(pairs))
    for prompt in range(len(sizes)):
        assert len(set(times[prompts == prompt])) == 1


def test_wanted_shares_by_weight() -> None:
    sources = [SourceConfig(path="x", weight=w) for w in (3.0, 1.0)]
    assert _target_shares(sources, [300, 50]) == pytest.approx([0.5, 1.0])
    assert _target_shares([SourceConfig(path="x", share=0.5), SourceConfig(path="y")], [9, 9]) == [
        0.5,
        1.0,
    ]


def test_filters_of_a_source_act_on_it_alone(files: dict[str, str]) -> None:
    config = {
        "input": [
            {
                "path": files["a"],
                "filters": [{"type": "sample", "rows": 5}, {"type": "sample", "rows": 3}],
            },
            {"path": files["b"]},
        ],
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "threshold", "column": "lengths.difference", "min": 0}],
    }
    result = Pipeline(config).run()
    assert counts(result) == {"a": 3}
    filters = {s.name: (s.rows_in, s.rows_out) for s in result.steps if s.kind == "filter"}
    assert filters == {"a/sample": (80, 45), "a/sample-2": (45, 43), "threshold": (43, 3)}
    assert len(result.kept) + len(result.dropped) == 80
    assert not any("as is" in w for w in result.warnings)


def test_what_is_told_by_source(files: dict[str, str], tmp_path: Path) -> None:
    config = {
        "input": [{"path": files["a"]}, {"path": files["b"], "share": 0.5}],
        "scorers": [{"type": "lengths"}, {"type": "noise_score"}],
        "filters": [{"type": "expression", "drop": "`lengths.chosen` % 2 = 0"}],
        "output": {"path": str(tmp_path / "out"), "columns": {"source": "source"}},
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(config))
    done = CliRunner().invoke(app, ["run", str(tmp_path / "p.yaml")])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "By source" in done.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    by_name = {row["source"]: row for row in manifest["by_source"]}
    assert (by_name["a"]["pairs"], by_name["b"]["pairs"]) == (40, 20)
    assert (by_name["a"]["longer_before"], by_name["b"]["longer_before"]) == (1.0, 0.0)
    assert by_name["a"]["noise"].startswith("too few pairs")
    shard = pl.read_parquet(tmp_path / "out" / "kept" / "part-00000.parquet")
    assert set(shard["source"]) <= {"a", "b"}
    assert "share 0.5" in (tmp_path / "out" / "README.md").read_text()
    assert "## By source" in (tmp_path / "out" / "README.md").read_text()
    assert "What the run did to each source" in (tmp_path / "out" / "report.html").read_text()
    # The manifest's configuration is one that runs again.
    again = Run(manifest["config"] | {"output": {}}).run()
    assert again.rows_in == 60
    out = ["export", str(tmp_path / "out"), "-o", str(tmp_path / "src"), "--to"]
    refused = CliRunner().invoke(app, [*out, "source"])
    assert "a mixture has several sources" in str(refused.exception)
    for form in ("trl", "trl_kto", "llamafactory", "swift", "pairs", "axolotl", "openrlhf"):
        done = CliRunner().invoke(app, [*out, form, "--overwrite"])
        assert done.exit_code == 0, (form, done.exception)
        exported = pl.read_parquet(tmp_path / "src" / "kept" / "part-00000.parquet")
        assert set(exported["source"]) == set(shard["source"]), form
    shown_text = CliRunner().invoke(app, ["inspect", str(tmp_path / "p.yaml"), "--json"])
    assert json.loads(shown_text.output)["sources"] == {"a": 40, "b": 20}


def test_repeats_contradictions_and_leaks_across_sources(tmp_path: Path) -> None:
    both = [{"prompt": "same", "chosen": "x", "rejected": "y"}]
    against = [{"prompt": "same", "chosen": "y", "rejected": "x"}]
    first = write_jsonl(tmp_path / "one.jsonl", [*rows("a", 3), *both])
    second = write_jsonl(tmp_path / "two.jsonl", [*rows("b", 3), *both, *against])
    inputs = [{"path": str(first)}, {"path": str(second)}]
    result = Pipeline({"input": inputs, "filters": [{"type": "exact_duplicates"}]}).run()
    assert any("1 prompts stand in several sources" in w for w in result.warnings)
    assert any(
        "1 pairs of answers" in w and "1 of them with opposite" in w for w in result.warnings
    )
    assert len(result.dropped) == 1
    ids = [*result.kept["pair_id"], *result.dropped["pair_id"]]
    assert len(set(ids)) == 9
    shared = count_shared_between_sources(
        pl.concat([result.kept, result.dropped.select(result.kept.columns)])
    )
    assert shared == {
        "prompts_in_several_sources": 1,
        "answers_in_several_sources": 1,
        "contradicted_across_sources": 1,
    }
    assert count_shared_between_sources(numbered_pairs(3)) == {}


def test_a_subset_that_rows_name_is_kept_in_extra(tmp_path: Path) -> None:
    named = [r | {"dataset": 'my "set"'} for r in rows("a", 3)]
    path = write_jsonl(tmp_path / "a.jsonl", named)
    columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected", "source": "dataset"}
    unnamed = write_jsonl(tmp_path / "b.jsonl", rows("b", 3))
    inputs = [{"path": str(path), "columns": columns}, {"path": str(unnamed), "name": "again"}]
    result = Pipeline({"input": inputs}).run()
    first, *_ = result.kept.to_dicts()
    assert first["source"] == "a"
    assert json.loads(first["extra"])["subset"] == 'my "set"'
    assert "subset" not in json.loads(result.kept.filter(source="again")["extra"][0] or "{}")


def test_names_of_files_in_a_folder_are_no_subset(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("one", "two"):
        write_jsonl(tmp_path / "a" / f"{name}.jsonl", rows(name, 2))
    result = Pipeline({"input": [{"path": str(tmp_path / "a"), "name": "a"}]}).run()
    assert result.kept["source"].to_list() == ["a"] * 4
    assert not any("subset" in (extra or "") for extra in result.kept["extra"])


def test_ranks_within_each_source(files: dict[str, str]) -> None:
    config = {
        "input": [{"path": files["a"]}, {"path": files["b"]}],
        "scorers": [{"type": "lengths"}],
        "filters": [
            {"type": "topsis", "criteria": {"lengths.chosen": "max"}, "keep": 0.5, "by": "source"}
        ],
    }
    assert counts(Pipeline(config).run()) == {"a": 20, "b": 20}
    group = {"type": "per_group", "by": "source", "keep": 7}
    assert counts(Pipeline(config | {"filters": [group]}).run()) == {"a": 7, "b": 7}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([{"path": "a.jsonl", "share": 0.5, "weight": 1}], "share or weight, not both"),
        ([{"path": "a.jsonl", "weight": 1}, {"path": "b.jsonl"}], "every source a weight, or none"),
        ([{"path": "x/a.jsonl"}, {"path": "y/a.jsonl"}], "two sources have the name 'a'"),
        ([{"path": "a.jsonl", "sare": 0.5}], "did you mean 'share'"),
        ([{"path": "a.jsonl", "share": 0}], "greater than 0"),
        ([{"path": "a.jsonl", "filters": [{"type": "tiess"}]}], "did you mean 'ties'"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, inputs: list[dict[str, Any]], expected: str
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump({"input": inputs}))
    with pytest.raises(CurateError) as result:
        Pipeline(path)
    assert expected in str(result.value)
    assert "line" in str(result.value)
    assert "input" in str(result.value)
