from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from curate import read_pairs
from curate.cli.app import app
from curate.read.inspection import first_pair, inspect_pairs
from tests.helpers import read_rows
from tests.media_models import tiny_clip
from tests.pictures import picture


def test_different_images_are_no_identical_answers(tmp_path: Path) -> None:
    a, b = picture(seed=1), picture(seed=2)
    rows = [
        {"caption": "cat", "jpg_0": a, "jpg_1": b, "label_0": 1.0},
        {"caption": "cat", "jpg_0": a, "jpg_1": a, "label_0": 0.0},
    ]
    pairs = read_rows(tmp_path, rows, "parquet")
    summary = inspect_pairs(pairs)
    assert summary.identical_answers == 1
    assert summary.besides_texts["rejected_images"] == 2
    first = first_pair(pairs)
    assert first["images"] == f"{len(a):,} bytes"


def test_an_audit_of_images_wants_a_model_of_images(tmp_path: Path) -> None:
    for i in range(60):
        (tmp_path / f"{i}.png").write_bytes(picture(seed=i))
    rows = [
        {"prompt": f"p {i}", "image_0": f"{i}.png", "image_1": f"{i + 1}.png", "label_0": i % 2}
        for i in range(59)
    ]
    read_rows(tmp_path, rows)
    source, out = str(tmp_path / "rows.jsonl"), str(tmp_path / "audit.json")
    refused = CliRunner().invoke(app, ["audit", source, "-o", out])
    assert "images, which the embedder does not see" in str(refused.exception)
    clip = str(tiny_clip(tmp_path / "clip"))
    done = CliRunner().invoke(app, ["audit", source, "-o", out, "--embedder", clip])
    assert done.exit_code == 0, done.output


def test_a_new_pipeline_for_images_runs(tmp_path: Path) -> None:
    rows = [
        {"caption": f"c {i}", "jpg_0": picture(seed=i), "jpg_1": picture(seed=90 + i)}
        | {"label_0": 1.0}
        for i in range(12)
    ]
    # No trainer can read this one.
    rows[3]["jpg_1"] = picture(seed=93)[:60]
    read_rows(tmp_path, rows, "parquet")
    place = tmp_path / "pipeline.yaml"
    result = CliRunner().invoke(app, ["init", str(place), "--data", str(tmp_path / "rows.parquet")])
    assert result.exit_code == 0, result.output
    text = place.read_text()
    assert "clip-ViT-B-32" in text
    assert "format: diffusers" in text
    clip = str(tiny_clip(tmp_path / "clip"))
    place.write_text(text.replace("sentence-transformers/clip-ViT-B-32", clip))
    done = CliRunner().invoke(app, ["run", str(place), "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.exception
    back = read_pairs(str(tmp_path / "out" / "kept"))
    assert back.format == "image_pairs"
    assert len(back) == 11


def test_answers_that_are_urls_are_told_to_be_such(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"p {i}",
            "image_0": f"https://x.test/{i}.png",
            "image_1": f"https://x.test/b{i}",
        }
        | {"label_0": i % 2}
        for i in range(20)
    ]
    read_rows(tmp_path, rows)
    clip = str(tiny_clip(tmp_path / "clip"))
    words = ["audit", str(tmp_path / "rows.jsonl"), "-o", str(tmp_path / "a.json")]
    done = CliRunner().invoke(app, [*words, "--embedder", clip])
    assert "the images are URLs, which are not fetched" in str(done.exception)
    assert "https://x.test/b0" in str(done.exception)
