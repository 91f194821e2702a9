"""Weighted pairs as rows: in every form, by either engine, and from a finished run."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from curate import Context, CurateError, Filter, FilterResult, Pairs, Pipeline, keep_all, read_pairs
from curate.cli.app import app
from curate.data.row_selection import RowSelection
from curate.steps.contracts import Column, Parameters
from curate.write.as_dataset import to_dataset
from curate.write.drawn_rows import DrawnRows, WeighedRows, weigh_pairs
from curate.write.export import ExportTarget, export_pairs
from curate.write.exports import export_names, get_export
from curate.write.exports.base import ShardSchema
from curate.write.manifest import ShardFile
from curate.write.run_files import RunFiles
from curate.write.shards import write_shards
from curate.write.weighing import Weighing, resolve_weighing
from curate.write.worker_shards import shards_by_workers
from tests.helpers import numbered_pairs, trl_rows, write_jsonl
from tests.workers import PickledWorkers

COUNT = 60
LIKELY = np.linspace(0.0, 1.0, COUNT)


class Weigher(Filter[Parameters]):
    """Weights from 0 to 2 and probabilities from 0 to 1 by the place of a pair."""

    name = "weigher"
    summary = "for tests"
    weight: ClassVar[str | None] = "weight"
    label_probability: ClassVar[str | None] = "right"
    Params = Parameters

    def reads(self) -> tuple[str, ...]:
        return ("pair_id",)

    def adds(self) -> tuple[Column, ...]:
        return (Column("weight", "for tests"), Column("right", "for tests"))

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        share = pl.int_range(pl.len()) / (pl.len() - 1)
        return keep_all(pairs, pairs.select(weight=2.0 * share, right=share))


class WeightAlone(Weigher):
    """Weights without probabilities."""

    label_probability: ClassVar[str | None] = None


@pytest.fixture(autouse=True)
def weighers(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {"weigher": Weigher, "weight_alone": WeightAlone}
    from curate.steps.registry import filter_class

    def lookup(name: str, where: str) -> Any:
        return classes.get(name) or filter_class(name, where)

    monkeypatch.setattr("curate.pipeline.plan.filter_class", lookup)


def run(folder: Path, output: dict[str, Any], kind: str = "weigher", **more: Any) -> dict[str, Any]:
    config = {"filters": [{"type": kind}], "output": output, "store": None, "seed": 3, **more}
    Pipeline(config).run(Pairs(numbered_pairs(COUNT)), output=folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def kept_in(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "kept" / "*.parquet")


def weighted(count: int = COUNT) -> pl.DataFrame:
    share = np.linspace(0.0, 1.0, count)
    return numbered_pairs(count).with_columns(weight=2.0 * share, label_probability=share)


def pair_ids(rows: pl.DataFrame) -> pl.Series:
    """The pair of each row, whose id has a number from the second row of a pair on."""
    return rows["pair_id"].str.replace(r"-row\d+$", "")


def test_what_was_drawn_can_be_read_again(tmp_path: Path) -> None:
    manifest = run(tmp_path / "run", {"format": "trl_text", "copies": 2})
    assert len(read_pairs(str(tmp_path / "run" / "kept"))) == manifest["rows"]["written"]


def test_a_run_writes_rows_and_accounts_for_each_pair(tmp_path: Path) -> None:
    manifest = run(tmp_path / "run", {"format": "trl_text"})
    rows, counts = kept_in(tmp_path / "run"), manifest["output"]["weights"]
    assert rows.columns == ["prompt", "chosen", "rejected", "pair_id"]
    assert len(rows) == counts["rows"] == manifest["rows"]["written"]
    assert abs(len(rows) - 2.0 * LIKELY.sum()) < 1
    assert rows["pair_id"].is_unique().all()
    times = Counter(pair_ids(rows).to_list())
    assert manifest["rows"]["kept"] == COUNT == len(times) + counts["undrawn"]
    assert manifest["rows"]["undrawn"] == counts["undrawn"] > 0
    # Each pair within 1 of its weight, and the labels of the first ones mostly flipped.
    ids = numbered_pairs(COUNT)["pair_id"]
    assert all(abs(times[name] - 2 * w) < 1 for name, w in zip(ids, LIKELY, strict=True))
    flipped = rows["chosen"].str.starts_with("evil")
    assert int(flipped.sum()) == counts["flipped"]
    assert abs(counts["flipped"] - (2 * LIKELY * (1 - LIKELY)).sum()) < 4
    assert rows.filter(flipped)["rejected"].str.starts_with("good").all()


def test_all_pairs_stay_in_the_run_with_their_weights(tmp_path: Path) -> None:
    for form in ("llamafactory", "pairs"):
        run(tmp_path / form, {"format": form, "weights": "rows"})
        kept_pairs = pl.concat(list(RunFiles(tmp_path / form).kept_batches()))
        assert len(kept_pairs) == COUNT
        np.testing.assert_allclose(kept_pairs["weight"], 2 * LIKELY)
        np.testing.assert_allclose(kept_pairs["label_probability"], LIKELY)


def test_extra_holds_the_draw(tmp_path: Path) -> None:
    output = {"format": "pairs", "weights": "rows", "copies": 2}
    run(tmp_path / "run", output)
    rows = kept_in(tmp_path / "run")
    draws = [json.loads(text)["draw"] for text in rows["extra"]]
    assert [draw["number"] for draw in draws] == sorted(draw["number"] for draw in draws)
    assert {draw["number"] for draw in draws} == {1, 2}
    flips = [draw["flipped"] for draw in draws]
    content = rows["chosen"].list.first().struct.field("content")
    assert flips == content.str.starts_with("evil").to_list()
    # No row stands twice in a draw under one number of its copy.
    keys = [(i, d["number"], d["copy"]) for i, d in zip(rows["pair_id"], draws, strict=True)]
    assert len(set(keys)) == len(keys)


def test_signed_rows_have_the_likelier_label_alone(tmp_path: Path) -> None:
    manifest = run(tmp_path / "run", {"format": "trl_text", "soft_labels": "signed"})
    rows = kept_in(tmp_path / "run")
    assert abs(len(rows) - (2 * LIKELY * np.abs(2 * LIKELY - 1)).sum()) < 1
    likely = dict(zip(numbered_pairs(COUNT)["pair_id"], LIKELY, strict=True))
    assert all(
        chosen.startswith("good") == (likely[name] >= 0.5)
        for name, chosen in zip(pair_ids(rows), rows["chosen"], strict=True)
    )
    assert manifest["output"]["weights"]["soft_labels"] == "signed"


@pytest.mark.parametrize("form", ["trl", "trl_text", "trl_reward", "pairs"])
def test_columns_where_something_reads_them(form: str, tmp_path: Path) -> None:
    manifest = run(tmp_path / "run", {"format": form, "weights": "column"})
    rows = kept_in(tmp_path / "run")
    np.testing.assert_allclose(rows["weight"], 2 * LIKELY)
    np.testing.assert_allclose(rows["label_probability"], LIKELY)
    assert manifest["output"]["weights"]["carrier"] == "column"


def test_none_is_none(tmp_path: Path) -> None:
    run(tmp_path / "run", {"format": "trl", "weights": "none"})
    rows = kept_in(tmp_path / "run")
    assert (len(rows), rows.columns) == (COUNT, ["prompt", "chosen", "rejected", "pair_id"])


@pytest.mark.parametrize("form", sorted(export_names()))
def test_no_form_drops_weights_in_silence(form: str) -> None:
    """Its columns carry them, or they are refused and become rows."""
    export_form = get_export(form)
    if "column" in export_form.carriers:
        columns = export_form.convert(weighted(4), export_form.schema()).columns
        assert {"weight", "label_probability"} <= set(columns)
    else:
        assert export_form.carriers[0] == "rows"
        with pytest.raises(CurateError, match="no trainer reads weights"):
            resolve_weighing(export_form, "column")


def test_a_column_that_nothing_reads_is_refused_before_anything_is_read() -> None:
    config = {"input": {"path": "nowhere.jsonl"}}
    with pytest.raises(CurateError, match="no trainer reads weights") as error:
        Pipeline(config | {"output": {"format": "openrlhf", "weights": "column"}})
    assert "output.weights" in str(error.value.where)
    with pytest.raises(CurateError, match="copies need weights: rows"):
        Pipeline(config | {"output": {"weights": "none", "copies": 2}})


def test_labels_are_not_flipped_behind_their_probabilities() -> None:
    soft, flip = {"type": "soft_labels"}, {"type": "flip"}
    config = {"scorers": [{"type": "label_em"}]}
    Pipeline(config | {"filters": [flip, soft]})
    with pytest.raises(CurateError, match="flipped after their probability is set"):
        Pipeline(config | {"filters": [soft, flip]})
    sources = [
        {"path": f"{name}.jsonl", "name": name, "filters": [step]}
        for name, step in (("a", soft), ("b", flip))
    ]
    Pipeline(config | {"input": sources})


def test_splits_are_drawn_apart_and_only_the_first_has_copies(tmp_path: Path) -> None:
    output = {"format": "trl_text", "splits": {"train": 0.5, "test": 0.5}, "copies": 3}
    manifest = run(tmp_path / "run", output)
    of_pair = pl.read_parquet(tmp_path / "run" / "splits.parquet")
    weight = dict(zip(numbered_pairs(COUNT)["pair_id"], 2 * LIKELY, strict=True))
    total = 0
    for name, copies in (("train", 3), ("test", 1)):
        rows = pl.read_parquet(tmp_path / "run" / "kept" / name / "*.parquet")
        split_ids = of_pair.filter(split=name)["pair_id"]
        assert set(pair_ids(rows)) <= set(split_ids)
        assert abs(len(rows) - copies * sum(weight[i] for i in split_ids)) < copies
        total += len(rows)
    assert manifest["output"]["weights"]["rows"] == total


@pytest.mark.parametrize("form", ["trl", "llamafactory", "trl_kto", "pairs"])
@pytest.mark.parametrize("splits", [None, {"train": 0.7, "test": 0.3}])
def test_a_later_export_has_the_rows_of_a_run(
    form: str, splits: dict[str, float] | None, tmp_path: Path
) -> None:
    output = {"soft_labels": "sampled", "copies": 2, "splits": splits}
    run(tmp_path / "first", output | {"format": "trl_text"})
    run(tmp_path / "second", output | {"format": form, "weights": "rows"})
    export = export_pairs(tmp_path / "first", tmp_path / "out", ExportTarget(form, weights="rows"))
    assert export.weights is not None
    assert export.pairs == COUNT
    for name in splits or [""]:
        later, at_end = (
            pl.read_parquet(tmp_path / folder / "kept" / name / "*.parquet")
            for folder in ("out", "second")
        )
        assert_frame_equal(later, at_end)
    mark = json.loads((tmp_path / "out" / "export.json").read_text())
    manifest = json.loads((tmp_path / "second" / "manifest.json").read_text())
    assert mark["weights"] == manifest["output"]["weights"]


def test_rows_do_not_depend_on_the_order_of_the_input(tmp_path: Path) -> None:
    pairs = weighted()
    order = np.random.default_rng(1).permutation(COUNT)
    keys = []
    for some in (pairs, pairs[order]):
        rows = to_dataset(some, "trl_text", weighing=Weighing(seed=4)).to_list()
        keys.append(Counter((row["pair_id"], row["chosen"]) for row in rows))
    assert keys[0] == keys[1]


@pytest.mark.parametrize("file_type", ["parquet", "jsonl"])
def test_workers_write_the_same_shards(file_type: str, tmp_path: Path) -> None:
    form = get_export("pairs")
    rows, counts = weigh_pairs(
        RowSelection.from_table(weighted()), Weighing("rows", copies=2, seed=5)
    )
    assert counts is not None
    convert = partial(form.convert, schema=ShardSchema())
    there = shards_by_workers(
        rows, convert, tmp_path / "there", file_type, 25, PickledWorkers(), lambda _: None
    )
    frames = form.stream(rows.iter_batches(), ShardSchema())
    local_shards = write_shards(frames, tmp_path / "here", file_type, 25)
    assert sum(shard.rows for shard in local_shards) == counts.rows
    assert [shard.rows for shard in there] == [shard.rows for shard in local_shards]
    read = pl.read_parquet if file_type == "parquet" else pl.read_ndjson
    for one, other in zip(there, local_shards, strict=True):
        assert_frame_equal(read(tmp_path / one.path), read(tmp_path / other.path))


def test_kto_writes_an_answer_once_in_each_copy() -> None:
    pairs = numbered_pairs(4).with_columns(weight=pl.Series([0.0, 1.0, 2.0, 3.0]))
    rows = to_dataset(pairs, "trl_kto").to_list()
    answers = Counter(row["completion"][0]["content"] for row in rows)
    assert answers == {f"{k} {i}": i for k in ("good", "evil") for i in (1, 2, 3)}


def test_weights_of_nothing_and_wrong_ones() -> None:
    pairs = numbered_pairs(3)
    rows, counts = weigh_pairs(RowSelection.from_table(pairs.with_columns(weight=0.0)), Weighing())
    assert counts is not None
    assert (len(rows), counts.undrawn) == (0, 3)
    assert counts.warnings == ["no row is written: all weights are nearly 0"]
    assert len(to_dataset(pairs.with_columns(weight=0.0))) == 0
    rows, counts = weigh_pairs(RowSelection.from_table(pairs), Weighing())
    assert counts is None
    # A pair that nobody could judge trains as it is.
    unknown = pairs.with_columns(pl.lit(None, dtype=pl.Float64).alias("weight"))
    assert len(to_dataset(unknown)) == 3
    for column, value in (
        ("weight", -1.0),
        ("weight", float("nan")),
        ("weight", float("inf")),
        ("label_probability", 1.5),
        ("label_probability", -0.1),
        ("label_probability", float("nan")),
    ):
        with pytest.raises(CurateError, match=f"impossible {column}"):
            to_dataset(pairs.with_columns(pl.lit(value).alias(column)))


def test_pieces_of_rows_are_the_rows() -> None:
    written = WeighedRows.of({"": RowSelection.from_table(weighted(30))}, Weighing(copies=2))
    rows = written.all_rows
    assert isinstance(rows, DrawnRows)
    every = pl.concat(rows.iter_batches())
    assert len(every) == len(rows) == len(written)
    for first, end in ((0, 7), (5, 40), (len(rows) - 3, len(rows)), (4, 4)):
        assert_frame_equal(pl.concat(rows.row_range(first, end).iter_batches()), every[first:end])


def test_soft_labels_are_not_smoothed_as_well(tmp_path: Path) -> None:
    """What is left wrong is in the labels' own probabilities; twice would be too much."""
    pairs = Pairs(numbered_pairs(COUNT).with_columns(extra=pl.lit('{"right": 0.8}')))
    read = {"type": "drop_wrong", "column": "extra.right"}
    for kind, expected in (("weigher", False), ("weight_alone", True)):
        config = {"filters": [read, {"type": kind}], "store": None}
        Pipeline(config).run(pairs, output=tmp_path / kind)
        settings = yaml.safe_load((tmp_path / kind / "dpo_config.yaml").read_text())
        assert (settings["loss_type"] == "robust") == expected
        card = (tmp_path / kind / "README.md").read_text()
        assert ("each label comes with its own probability" in card) != expected
        assert "None" not in card


def test_card_and_console_show_how_weights_were_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_jsonl(tmp_path / "data.jsonl", trl_rows(10))
    config = {"input": {"path": str(data)}, "filters": [{"type": "weight_alone"}], "store": None}
    Pipeline(config).run(output=tmp_path / "run")
    card = (tmp_path / "run" / "README.md").read_text()
    assert "10 pairs of total weight 10.0 are written as 10 rows (1 draw)" in card
    settings = ["--to", "openrlhf", "--copies", "2", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["export", str(tmp_path / "run"), *settings])
    assert result.exit_code == 0, result.output
    assert "are written as 20 rows (2 draws)" in result.output
    assert "train for one epoch" in (tmp_path / "out" / "README.md").read_text()
    refused = CliRunner().invoke(
        app, ["export", str(tmp_path / "run"), "--to", "swift", "--weights", "column", "-o", "x"]
    )
    assert refused.exit_code != 0
    assert "no trainer reads weights" in str(refused.output) + str(refused.exception)


def test_shards_of_other_rows_are_a_bug() -> None:
    written = WeighedRows.of({"": RowSelection.from_table(weighted(30))}, Weighing())
    written.check(get_export("trl"), [ShardFile("part", 1, len(written))])
    with pytest.raises(RuntimeError, match="rows were to be written"):
        written.check(get_export("trl"), [ShardFile("part", 1, len(written) - 1)])


def test_what_people_say_is_a_certain_label(tmp_path: Path) -> None:
    from curate.people.apply import apply_verdicts
    from curate.steps.context import SilentProgress

    run(tmp_path / "run", {"format": "trl_text"})
    ids = numbered_pairs(COUNT)["pair_id"]
    rows = [{"pair_id": ids[0], "verdict": "flip"}, {"pair_id": ids[1], "verdict": "keep"}]
    verdicts = write_jsonl(tmp_path / "verdicts.jsonl", rows)
    apply_verdicts(
        tmp_path / "run", [verdicts], tmp_path / "out", False, SilentProgress(), ignore_unknown=True
    )
    kept_pairs = pl.concat(list(RunFiles(tmp_path / "out").kept_batches()))
    assert kept_pairs["label_probability"][:3].to_list() == [1.0, 1.0, pytest.approx(LIKELY[2])]
    assert kept_pairs["chosen"].list.first().struct.field("content")[0] == "evil 0"


def test_rows_as_published_lose_weights_with_a_warning(tmp_path: Path) -> None:
    from curate.write.source_rows import export_source

    data = write_jsonl(tmp_path / "data.jsonl", trl_rows(10))
    config = {"input": {"path": str(data)}, "filters": [{"type": "weigher"}], "store": None}
    Pipeline(config).run(output=tmp_path / "run")
    default_export = export_source(tmp_path / "run", tmp_path / "out", ExportTarget())
    assert default_export.warnings == (
        "weight and label_probability of the pairs are lost: rows as published carry none",
    )
    with pytest.raises(CurateError, match="cannot have weights"):
        export_source(tmp_path / "run", tmp_path / "no", ExportTarget(weights="rows"))
    unweighted_export = export_source(
        tmp_path / "run", tmp_path / "yes", ExportTarget(weights="none")
    )
    assert unweighted_export.warnings == ()
