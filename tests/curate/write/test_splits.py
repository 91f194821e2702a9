"""Splits are exact to a prompt, never leak nearly equal prompts, and are kept by exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from curate import CurateError, Pipeline
from curate.cli.app import app
from curate.models.text.prompt_clusters import prompt_clusters
from curate.read.pairs import Pairs
from curate.steps.context import SilentProgress
from curate.write.run_files import RunFiles
from curate.write.splits import assign_splits
from tests.helpers import numbered_pairs, pairs_of

SHARES = {"train": 0.8, "test": 0.2}
LONG = "please explain in simple words how a cat can climb a tall tree without falling down number"


def similar_pairs() -> Pairs:
    """Eighty prompts; the last twenty are ten twins that differ in their last word."""
    words = [f"alpha{i} beta{i * 7} gamma{i * 13} delta{i}" for i in range(60)]
    twins = [f"{LONG} {i} {i} {i} {i} {end}" for i in range(10) for end in ("now", "today")]
    rows = [
        {"prompt": prompt, "chosen": f"good {i} {n}", "rejected": f"bad {i} {n}"}
        for i, prompt in enumerate([*words, *twins])
        for n in range(2)
    ]
    return Pairs(pairs_of(rows))


def test_twins_are_one_cluster_and_others_are_not() -> None:
    pairs = similar_pairs().frame
    prompts, clusters = prompt_clusters(pairs, SilentProgress())
    assert len(np.unique(prompts)) == 80
    first = clusters[:120]
    assert len(np.unique(first)) == 60
    for twin in clusters[120:].reshape(-1, 4):
        assert len(set(twin)) == 1


def test_a_chain_hangs_together() -> None:
    # Each is near the next, the first and the last are not.
    words = [f"word{i}" for i in range(60)]
    texts = [" ".join(words[start : start + 40]) for start in (0, 2, 4, 6, 8)]
    rows = [{"prompt": t, "chosen": f"a{i}", "rejected": f"b{i}"} for i, t in enumerate(texts)]
    order = [0, 4, 1, 3, 2]
    _, clusters = prompt_clusters(pairs_of([rows[i] for i in order]), SilentProgress())
    assert len(set(clusters)) == 1


@given(
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=60),
    test=st.floats(0.05, 0.5),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_sizes_are_met_as_clusters_allow(sizes: list[int], test: float, seed: int) -> None:
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    prompts = np.arange(len(clusters))
    shares = {"train": 1.0 - test, "test": test}
    splits = assign_splits(prompts, clusters, shares, seed).to_numpy()
    for cluster in range(len(sizes)):
        assert len(set(splits[clusters == cluster])) == 1
    count = int((splits == "test").sum())
    # Where single prompts can make up for the large clusters, to a prompt.
    if sum(1 for s in sizes if s == 1) >= max(sizes):
        assert abs(count - test * len(prompts)) <= 1.0
    assert (assign_splits(prompts, clusters, shares, seed).to_numpy() == splits).all()


def test_pairs_of_a_prompt_count_once() -> None:
    prompts = np.repeat(np.arange(50), 4)
    splits = assign_splits(prompts, prompts, SHARES, 0)
    assert prompts[(splits == "test").to_numpy()].size == 40
    other = assign_splits(prompts, prompts, SHARES, 1)
    assert not splits.equals(other)
    three = assign_splits(prompts, prompts, {"a": 0.5, "b": 0.3, "c": 0.2}, 0)
    assert [int((three == n).sum()) // 4 for n in "abc"] == [25, 15, 10]


def run(folder: Path, **output: Any) -> dict[str, Any]:
    config = {"output": {"path": str(folder), "splits": SHARES, "report": False} | output}
    Pipeline(config).run(similar_pairs(), output=folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


@pytest.mark.parametrize("form", ["trl", "pairs", "trl_kto"])
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "dataset"])
def test_a_run_with_splits(tmp_path: Path, form: str, kind: str) -> None:
    manifest = run(tmp_path / "run", format=form, file_type=kind, rows_per_shard=50)
    assert manifest["output"]["splits"] == {
        "train": {"pairs": 128, "prompts": 64},
        "test": {"pairs": 32, "prompts": 16},
    }
    run_files = RunFiles(tmp_path / "run")
    table = pl.concat(run_files.kept_batches())
    splits = run_files.splits()
    assert splits is not None
    assert splits["pair_id"].to_list() == table["pair_id"].to_list()
    _, clusters = prompt_clusters(table, SilentProgress())
    both = (
        pl.DataFrame({"c": clusters, "s": splits["split"]})
        .group_by("c")
        .agg(pl.col("s").n_unique())
    )
    assert both["s"].max() == 1
    place = tmp_path / "run" / "kept"
    if kind == "dataset":
        loaded = datasets.load_from_disk(str(place))
    else:
        files = {s: sorted(str(p) for p in (place / s).glob("*")) for s in SHARES}
        loader = "json" if kind == "jsonl" else "parquet"
        loaded = datasets.load_dataset(loader, data_files=files, cache_dir=str(tmp_path / "c"))
    rows = 2 if form == "trl_kto" else 1
    assert {s: len(loaded[s]) for s in SHARES} == {"train": 128 * rows, "test": 32 * rows}
    if form != "trl_kto":
        ids = {s: set(loaded[s]["pair_id"]) for s in SHARES}
        for name in SHARES:
            assert ids[name] == set(splits.filter(split=name)["pair_id"])
    card = (tmp_path / "run" / "README.md").read_text()
    if kind != "dataset":
        front = yaml.safe_load(card.split("---")[1])
        assert front["configs"][0]["data_files"] == [
            {"split": s, "path": f"kept/{s}/*.{kind}"} for s in SHARES
        ]


def test_exports_and_trainers_name_the_splits(tmp_path: Path) -> None:
    run(tmp_path / "run")
    setting_paths = {
        "axolotl": ("axolotl.yaml", ["datasets", 0, "path"], ["test_datasets", 0, "path"]),
        "llamafactory": (
            "dataset_info.json",
            ["curated", "file_name"],
            ["curated_test", "file_name"],
        ),
        "torchtune": ("torchtune.yaml", ["dataset", "data_files"], ["dataset_val", "data_files"]),
        "openrlhf": ("openrlhf.yaml", ["data.dataset"], ["eval.dataset"]),
        "nemo_rl": (
            "nemo_rl.yaml",
            ["data", "train", "data_path"],
            ["data", "validation", "data_path"],
        ),
        "swift": ("swift.yaml", ["dataset", 0], ["val_dataset", 0]),
    }
    for form, (name, train, test) in setting_paths.items():
        out = tmp_path / form
        done = CliRunner().invoke(
            app, ["export", str(tmp_path / "run"), "--to", form, "-o", str(out)]
        )
        assert done.exit_code == 0, (done.output, done.exception)
        settings = yaml.safe_load((out / name).read_text())
        for keys, place in ((train, "kept/train"), (test, "kept/test")):
            value: Any = settings
            for key in keys:
                value = value[key]
            assert value.startswith(place), (form, value)
            assert list(out.glob(value)), (form, value)
        counts = {
            s: sum(len(pl.read_parquet(p)) for p in (out / "kept" / s).glob("*")) for s in SHARES
        }
        assert counts == {"train": 128, "test": 32}


def test_an_export_as_a_dataset_and_a_push(tmp_path: Path) -> None:
    run(tmp_path / "run")
    out = tmp_path / "out"
    arguments = ["export", str(tmp_path / "run"), "-o", str(out), "--file-type", "dataset"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    loaded = datasets.load_from_disk(str(out / "kept"))
    assert {s: len(loaded[s]) for s in SHARES} == {"train": 128, "test": 32}
    done = CliRunner().invoke(app, ["push", str(tmp_path / "run"), "me/data", "--dry-run"])
    assert "kept/test/part-00000.parquet" in done.output
    assert "kept/train/part-00000.parquet" in done.output


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": 1.0}, "two splits or more"),
        ({"train": 0.9, "test": 0.2}, "add up to 1"),
        ({"train": 1.0, "test": 0.0}, "above 0"),
        ({"train": 0.9, "../x": 0.1}, "name is of letters"),
    ],
)
def test_wrong_splits(splits: dict[str, float], message: str) -> None:
    with pytest.raises(CurateError, match=message):
        Pipeline({"output": {"splits": splits}})


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    config = {"output": {"splits": {"train": 0.99, "test": 0.01}, "report": False}}
    with pytest.raises(CurateError, match="a split would be empty"):
        Pipeline(config).run(Pairs(numbered_pairs(6)), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_where_no_pair_is_kept_that_is_said(tmp_path: Path) -> None:
    drop = {"type": "expression", "keep": "is_tie"}
    config = {"filters": [drop], "output": {"splits": SHARES}, "store": None}
    with pytest.raises(CurateError, match="no pairs left to split"):
        Pipeline(config).run(Pairs(numbered_pairs(5)), output=tmp_path / "out")
