"""The bundled sample: its rows, its flipped labels, and what a run says of them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from curate.cli.app import app
from curate.errors import CurateError
from curate.pipeline.config import parse_config
from curate.read.pairs import read_pairs
from curate.sample import FLIPPED_IDS, SAMPLE_DATA, sample_pipeline
from curate.sample.truth import SampleTruth

ROWS, FLIPPED, JUDGED = 1758, 353, 50


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    assert "columns" not in yaml.safe_load(sample_pipeline())["input"]
    return read_pairs(str(SAMPLE_DATA)).frame


@pytest.fixture(scope="module")
def flipped() -> list[str]:
    return json.loads(FLIPPED_IDS.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("folder", "embedder"), [(Path("vectors"), "static"), (None, "auto")])
def test_the_sample_runs_on_static_vectors_where_they_are_installed(
    monkeypatch: pytest.MonkeyPatch, folder: Path | None, embedder: str
) -> None:
    monkeypatch.setattr("curate.models.embed.static.static_folder", lambda: folder)
    assert yaml.safe_load(sample_pipeline())["embedder"]["name"] == embedder


def test_the_quick_start_installs_the_static_vectors() -> None:
    root = Path(__file__).parents[3]
    for page in ("README.md", "docs/index.md"):
        assert '-c constraints.txt ".[static]"' in (root / page).read_text(encoding="utf-8"), page


def test_each_flipped_id_is_a_pair_of_the_sample(sample: pl.DataFrame, flipped: list[str]) -> None:
    assert (len(sample), len(flipped), len(set(flipped))) == (ROWS, FLIPPED, FLIPPED)
    assert set(flipped) <= set(sample["pair_id"])


def test_judgements_say_which_labels_were_flipped_and_nothing_else_does(
    sample: pl.DataFrame, flipped: list[str]
) -> None:
    extra = sample.select(
        pl.col("extra").str.json_path_match("$.judged").alias("judged"),
        pl.col("pair_id").is_in(flipped).alias("flipped"),
    )
    judged_rows = extra.filter(pl.col("judged").is_not_null())
    assert len(judged_rows) == JUDGED
    assert judged_rows.select((pl.col("judged") == "wrong") == pl.col("flipped")).to_series().all()
    keys = {key for text in sample["extra"].drop_nulls() for key in json.loads(text)}
    assert keys == {"gpt_3_5", "judged"}


def test_the_sample_holds_what_is_cleaned_beside_labels(sample: pl.DataFrame) -> None:
    votes = sample.filter(pl.col("annotator").is_not_null())
    texts = sample.select(pl.col("chosen").list.eval(pl.element().struct.field("content")))
    answers = texts["chosen"].list.join("\n")
    tools = sample.select(pl.col("chosen").list.eval(pl.element().struct.field("more")))["chosen"]
    assert votes["annotator"].n_unique() == 3
    assert answers.str.contains("jo.winter@example.org", literal=True).sum() == 1
    assert answers.str.contains("<think>", literal=True).sum() == 1
    assert tools.list.join("").str.contains("get_weather", literal=True).sum() == 1


def test_labels_only_leaves_out_judge_and_judgements() -> None:
    with_all = parse_config(yaml.safe_load(sample_pipeline()))
    labels = parse_config(yaml.safe_load(sample_pipeline(labels_only=True)))
    assert with_all.gold is not None
    assert labels.gold is None
    assert "gpt_3_5" in sample_pipeline()
    assert "gpt_3_5" not in sample_pipeline(labels_only=True)


def test_labels_only_needs_the_sample(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(tmp_path / "pipeline.yaml"), "--labels-only"])
    assert isinstance(result.exception, CurateError)
    assert result.exception.where == "--labels-only"


def test_truth_counts_what_is_suspected_and_ranks_it(flipped: list[str]) -> None:
    # Two flipped labels, three others; one flipped label and one other have a posterior below 0.5.
    scores = pl.DataFrame(
        {
            "pair_id": [*flipped[:2], "a", "b", "c", "d"],
            "label_em.posterior": [0.1, 0.7, 0.4, 0.8, 0.9, None],
        }
    )
    truth = SampleTruth.from_scores(scores, "18% to 23%")
    assert (truth.pairs, truth.flipped) == (5, 2)
    assert (truth.suspected, truth.correctly_suspected) == (2, 1)
    # Of six comparisons of a flipped label with another one, five are in the right order.
    assert truth.auroc == pytest.approx(5 / 6)
    assert "2 of 5 labels" in truth.text
    assert "curate estimated 18% to 23%. Its drop list, 2 labels" in truth.text
    assert "holds 1 of them (precision 0.50; 0.40 by chance)" in truth.text


def test_a_run_over_the_sample_ends_with_the_truth(tmp_path: Path) -> None:
    arguments = ["run", "--sample", "--limit", "150", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "flipped on purpose" in result.output
    assert pl.read_parquet(tmp_path / "out" / "scores.parquet").height == 150
