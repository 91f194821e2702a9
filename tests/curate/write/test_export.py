"""`curate export` and `curate push`: from a run or from data, whole, and in any form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline, read_pairs
from curate.cli.app import app
from curate.read.input import InputConfig
from curate.write.export import ExportTarget, export_pairs
from curate.write.exports import TrainerHints, get_export
from curate.write.push import push_folder
from curate.write.run_files import RunFiles
from tests.curate.write.exports.round_trips import text_forms
from tests.helpers import numbered_pairs, trl_rows, write_jsonl


def run_of(tmp_path: Path, config: dict[str, Any] | None = None, count: int = 6) -> Path:
    path = write_jsonl(tmp_path / "data.jsonl", trl_rows(count))
    config = {"input": {"path": str(path)}, "store": None, **(config or {})}
    Pipeline(config).run(output=tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("name", text_forms())
def test_a_later_export_is_the_same_as_one_at_the_end_of_the_run(name: str, tmp_path: Path) -> None:
    filters = [{"type": "sample", "rows": 4}]
    later = run_of(tmp_path, {"filters": filters})
    export = export_pairs(later, tmp_path / "out", ExportTarget(name))
    assert export.pairs == 4
    config = {"filters": filters, "output": {"format": name}, "store": None}
    Pipeline(config).run(read_pairs(str(tmp_path / "data.jsonl")), output=tmp_path / "at-end")
    at_end, exported = (
        pl.read_parquet(tmp_path / folder / "kept" / "*.parquet") for folder in ("at-end", "out")
    )
    assert exported.equals(at_end)


def test_every_kept_pair_is_in_the_run_whatever_the_form(tmp_path: Path) -> None:
    for form in ("trl_kto", "pairs"):
        pairs = Pairs(numbered_pairs(5).with_columns(annotator=pl.lit("me")))
        config = {"output": {"format": form}, "filters": [{"type": "sample", "rows": 3}]}
        Pipeline(config | {"store": None}).run(pairs, output=tmp_path / form)
        run = RunFiles(tmp_path / form)
        kept_pairs = pl.concat(list(run.kept_batches()))
        assert (len(kept_pairs), kept_pairs["annotator"].unique().to_list()) == (3, ["me"])
        assert run.all_pairs()["pair_id"].to_list() == pairs.frame["pair_id"].to_list()


def test_data_is_exported_in_batches_with_shards_of_the_wanted_size(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "data.jsonl", trl_rows(9000))
    export = export_pairs(
        path, tmp_path / "out", ExportTarget("trl_text", "jsonl", rows_per_shard=4000)
    )
    assert [shard.rows for shard in export.shards] == [4000, 4000, 1000]
    rows = [
        json.loads(line)
        for shard in export.shards
        for line in (tmp_path / "out" / shard.path).read_text().splitlines()
    ]
    ids = read_pairs(str(path)).frame["pair_id"].to_list()
    assert [row["pair_id"] for row in rows] == ids
    assert rows[8999]["prompt"] == "question 8999"


def test_a_saved_dataset_dict_with_a_card(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    export = export_pairs(run, tmp_path / "out", ExportTarget("trl", "dataset", license="mit"))
    loaded = datasets.load_from_disk(str(tmp_path / "out" / "kept"))
    assert loaded["train"].num_rows == 6
    assert loaded["train"][0]["chosen"] == [{"role": "assistant", "content": "good answer 0"}]
    assert export.shards[0].bytes > 0
    again = read_pairs(str(tmp_path / "out" / "kept"))
    assert (again.format, len(again)) == ("trl", 6)


def test_the_run_folder_loads_by_its_card(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"filters": [{"type": "sample", "rows": 4}]})
    loaded = datasets.load_dataset(str(run), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 4


def test_the_card_says_how_the_set_was_made_and_names_no_folder(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"filters": [{"type": "ties"}, {"type": "sample", "rows": 4}]})
    export_pairs(run, tmp_path / "out", ExportTarget("trl", license="cc-by-4.0"))
    card = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "cc-by-4.0"
    assert front["configs"][0]["data_files"][0]["path"] == "kept/*.parquet"
    assert "4 of 6 pairs" in card
    assert "| sample | filter | 6 | 4 |" in card
    assert "type: sample" in card
    assert str(tmp_path) not in card


def test_wrong_labels_that_are_left_become_advice_for_the_trainer(tmp_path: Path) -> None:
    advice = TrainerHints(0.12345)
    assert get_export("trl").files(advice)["dpo_config.yaml"] == {
        "loss_type": "robust",
        "label_smoothing": 0.1235,
    }
    assert get_export("llamafactory").files(advice)["llamafactory.yaml"]["pref_loss"] == "sigmoid"
    assert get_export("axolotl").files(advice)["axolotl.yaml"]["dpo_label_smoothing"] == 0.1235
    assert get_export("trl").files(TrainerHints())["dpo_config.yaml"]["loss_type"] == "sigmoid"


def test_an_export_is_not_overwritten_unasked_and_a_run_never(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    export_pairs(run, tmp_path / "out", ExportTarget())
    with pytest.raises(CurateError, match="finished run"):
        export_pairs(run, tmp_path / "out", ExportTarget())
    export_pairs(run, tmp_path / "out", ExportTarget("torchtune"), overwrite=True)
    with pytest.raises(CurateError, match="files that curate did not write"):
        export_pairs(run, run, ExportTarget(), overwrite=True)
    assert RunFiles(run).manifest.rows.rows_kept == 6


def test_warnings_of_many_batches_are_told_once(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "first": "a", "second": "b", "label": 0, "n": i} for i in range(9000)]
    path = write_jsonl(tmp_path / "data.jsonl", rows)
    mapping = {"prompt": "prompt", "first": "first", "second": "second", "label": "label"}
    place = InputConfig.model_validate({"path": str(path), "columns": mapping})
    export = export_pairs(place, tmp_path / "out", ExportTarget())
    assert len(export.warnings) == 1
    assert "are ties" in export.warnings[0]


def test_malformed_rows_stop_an_export_and_leave_nothing(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "data.jsonl", [*trl_rows(3), "{oops"])
    with pytest.raises(CurateError, match="row 4: not valid JSON"):
        export_pairs(path, tmp_path / "out", ExportTarget())
    assert not (tmp_path / "out").exists()


def test_commands(tmp_path: Path) -> None:
    run, out = run_of(tmp_path), tmp_path / "out"
    command = CliRunner()
    done = command.invoke(app, ["export", str(run), "--to", "nemo_rl", "--output", str(out)])
    assert done.exit_code == 0, done.output
    assert "6 pairs, 1 files" in done.output
    wrong = command.invoke(app, ["export", str(run), "--file-type", "csv", "--output", str(out)])
    assert isinstance(wrong.exception, CurateError)
    dry_run = command.invoke(app, ["push", str(run), "me/set", "--dry-run"])
    assert "nothing was uploaded" in dry_run.output
    assert "kept/part-00000.parquet" in dry_run.output


class Hub:
    """Takes the place of HfApi, and remembers what it is sent."""

    calls: list[tuple[str, dict[str, Any]]]

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        Hub.calls = []

    def create_repo(self, repo: str, **options: Any) -> None:
        Hub.calls.append((repo, options))

    def upload_folder(self, **options: Any) -> str:
        folder = Path(options["folder_path"])
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        Hub.calls.append(("upload", options | {"names": names}))
        return "https://hub/datasets/me/set/commit/1"


def test_push_sends_shards_and_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    run = run_of(tmp_path)
    dry = push_folder(run, "me/set", ExportTarget(license="mit"), dry_run=True)
    assert dry.url is None
    assert "license: mit" in dry.card
    push = push_folder(run, "me/set", ExportTarget(license="mit"), private=False)
    assert push.url == "https://hub/datasets/me/set/commit/1"
    (repo, options), (_, upload) = Hub.calls
    assert (repo, options["private"], options["repo_type"]) == ("me/set", False, "dataset")
    assert upload["names"] == ["README.md", "dpo_config.yaml", "kept/part-00000.parquet"]
    assert [name for name, _ in dry.files] == upload["names"]


def test_push_without_a_network_or_a_name_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path)
    with pytest.raises(CurateError, match="expected: owner/name"):
        push_folder(run, "set", ExportTarget())
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", _refuse)
    with pytest.raises(CurateError, match="check the name, the network and the login"):
        push_folder(run, "me/set", ExportTarget())
    with pytest.raises(CurateError, match="not a finished run"):
        RunFiles(tmp_path / "nowhere")


def _refuse(*_: Any, **__: Any) -> None:
    raise OSError("no network")
