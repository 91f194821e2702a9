"""Media that the data name by paths: absolute paths in the shards, or the files themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from datasets import load_dataset

from curate import CurateError, Pipeline
from curate.write import push as push_module
from curate.write.export import ExportTarget, export_pairs
from curate.write.push import push_folder
from tests.helpers import published, write_jsonl
from tests.pictures import picture

FORMS = ("trl", "trl_kto", "llamafactory", "swift")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two rows about a picture beside the file, and one about a picture that is not there."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "red.png").write_bytes(picture(seed=1))
    image_question = [{"type": "image"}, {"type": "text", "text": "What?"}]
    rows = [
        {
            "prompt": [{"role": "user", "content": image_question}],
            "chosen": published(f"a cat {i}"),
            "rejected": published("a dog"),
            "images": ["gone.png" if i == 2 else "red.png"],
        }
        for i in range(3)
    ]
    return write_jsonl(folder / "rows.jsonl", rows)


def loaded(folder: Path, cache: Path) -> Any:
    return load_dataset(str(folder / "kept"), split="train", cache_dir=str(cache / "cache"))


@pytest.mark.parametrize("form", FORMS)
def test_paths_open_from_everywhere_and_are_told(form: str, data: Path, tmp_path: Path) -> None:
    export = export_pairs(str(data), tmp_path / "out", ExportTarget(form))
    paths = {row["images"][0] for row in loaded(tmp_path / "out", tmp_path)}
    assert paths == {str(data.with_name("red.png")), "gone.png"}
    assert any("media are stored as local paths" in warning for warning in export.warnings)
    assert any("media files are missing" in warning for warning in export.warnings)


@pytest.mark.parametrize("form", FORMS)
def test_files_are_embedded_as_the_hub_has_images(form: str, data: Path, tmp_path: Path) -> None:
    export = export_pairs(str(data), tmp_path / "out", ExportTarget(form, media="embed"))
    shard = pl.read_parquet(tmp_path / "out" / "kept")
    media = shard["images"].list.first()
    embedded = media.filter(media.struct.field("bytes").is_not_null())
    assert set(embedded.to_list()[0].items()) == {("path", "red.png"), ("bytes", picture(seed=1))}
    assert len(shard) - len(embedded) == (2 if form == "trl_kto" else 1)
    if form in ("trl", "trl_kto"):
        images = loaded(tmp_path / "out", tmp_path).features["images"]
        assert str(images) == "List(Image(mode=None, decode=True))"
    assert not any("local paths" in warning for warning in export.warnings)
    assert any("media files are missing" in warning for warning in export.warnings)


def test_a_run_embeds_them_too(data: Path, tmp_path: Path) -> None:
    config = {"input": {"path": str(data), "limit": 2}, "output": {"media": "embed"}}
    Pipeline(config).run(output=tmp_path / "out")
    rows = loaded(tmp_path / "out", tmp_path)
    assert [image.size for row in rows for image in row["images"]] == [(64, 64)] * 2


@pytest.mark.parametrize(
    "target", [ExportTarget("trl", "jsonl"), ExportTarget("axolotl"), ExportTarget("trl_text")]
)
def test_what_cannot_hold_files_is_refused(
    target: ExportTarget, data: Path, tmp_path: Path
) -> None:
    embedding_target = ExportTarget(target.format, target.file_type, media="embed", allow_loss=True)
    with pytest.raises(CurateError, match="cannot embed media files"):
        export_pairs(str(data), tmp_path / "out", embedding_target)
    output = {"format": target.format, "file_type": target.file_type, "media": "embed"}
    with pytest.raises(CurateError, match="cannot embed media files"):
        Pipeline({"input": {"path": str(data)}, "output": output})


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What would be uploaded: rows of the shards, and names of the files."""
    uploaded: list[Any] = []

    def upload(folder: Path, *_: Any) -> str:
        rows = loaded(folder, tmp_path)
        uploaded.append((rows.to_list() if "images" not in rows.features else rows, folder))
        return "url"

    monkeypatch.setattr(push_module, "_upload_folder", upload)
    return uploaded


def test_push_always_embeds(data: Path, tmp_path: Path, uploads: list[Any]) -> None:
    config = {"input": {"path": str(data), "limit": 2}}
    Pipeline(config).run(output=tmp_path / "run")
    push_folder(tmp_path / "run", "me/set", ExportTarget())
    ((rows, _),) = uploads
    assert [image.size for row in rows for image in row["images"]] == [(64, 64)] * 2


def test_an_export_is_pushed_as_it_is(tmp_path: Path, uploads: list[Any]) -> None:
    rows = [{"prompt": "p", "chosen": "a", "rejected": "b"}]
    source = str(write_jsonl(tmp_path / "rows.jsonl", rows))
    export_pairs(source, tmp_path / "out", ExportTarget("axolotl"))
    push = push_folder(tmp_path / "out", "me/set", ExportTarget())
    assert [name for name, _ in push.files] == [
        *("README.md", "axolotl.yaml", "kept/part-00000.parquet")
    ]
    assert uploads[0][1] == tmp_path / "out"
    push_folder(tmp_path / "out", "me/set", ExportTarget("axolotl"))
    for settings in ({"format": "trl_kto"}, {"license": "mit"}, {"copies": 2}):
        with pytest.raises(CurateError, match="an export is uploaded unchanged"):
            push_folder(tmp_path / "out", "me/set", ExportTarget(**settings))
    (tmp_path / "out" / "axolotl.yaml").write_text("rl: orpo")
    with pytest.raises(CurateError, match="checksum mismatch"):
        push_folder(tmp_path / "out", "me/set", ExportTarget())


def test_an_export_that_names_paths_is_not_pushed(data: Path, tmp_path: Path) -> None:
    export_pairs(str(data), tmp_path / "out", ExportTarget())
    with pytest.raises(CurateError, match="refers to media by local paths"):
        push_folder(tmp_path / "out", "me/set", ExportTarget(), dry_run=True)
    export_pairs(str(data), tmp_path / "embedded", ExportTarget(media="embed"))
    assert push_folder(tmp_path / "embedded", "me/set", ExportTarget(), dry_run=True).url is None
