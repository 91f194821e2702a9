"""Traces, tool calls and images in pages: folded, embedded, bounded, and nothing else opened."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.pipeline.run import Pipeline
from curate.report.blocks import row_blocks, split_blocks
from curate.report.run_view import load_view
from curate.report.thumbnails import make_thumbnail
from tests.helpers import write_jsonl


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def medium(path: str | None = None, data: bytes | None = None) -> dict[str, Any]:
    return {"path": path, "bytes": data}


def test_traces_and_calls_are_folded_and_escaped() -> None:
    call = '<tool_call>\n{"name":"f","arguments":{"a":"<b>"}}\n</tool_call>'
    blocks, text = split_blocks(f"<think>\nwhy <i>\n</think>\n\nanswer\n{call}")
    assert text == "answer"
    assert blocks.count("<details") == 2
    assert "why &lt;i&gt;" in blocks
    assert "&lt;b&gt;" in blocks
    assert "<b>" not in blocks
    assert split_blocks("  plain\n") == ("", "  plain\n")
    assert split_blocks("<think>cut off")[1] == ""


def test_a_thumbnail_is_small_whatever_the_image() -> None:
    for data in (
        png(1000, 500),
        png(3, 2),
        png(50, 50, "P"),
        png(40, 30, "RGBA"),
        png(9, 9, "I;16"),
    ):
        preview = make_thumbnail(medium(data=data), [])
        assert preview.problem is None, preview
        assert preview.url is not None
        image = Image.open(io.BytesIO(base64.b64decode(preview.url.partition(",")[2])))
        assert max(image.size) <= 192


def test_large_damaged_and_foreign_files_are_not_shown(tmp_path: Path) -> None:
    large = make_thumbnail(medium(data=png(8000, 5000)), [])
    assert large.problem == "40 megapixels, not shown"
    assert make_thumbnail(medium(data=b"no image"), []).problem == "no image"
    assert "damaged" in str(make_thumbnail(medium(data=png(90, 90)[:-40]), []).problem)
    assert make_thumbnail(medium("gone.png"), [tmp_path]).problem == "not found beside the data"
    assert make_thumbnail(medium("http://example.org/a.png"), [tmp_path]).url is None
    assert make_thumbnail(medium("a.png"), []).url is None
    (tmp_path / "x").mkdir()
    (tmp_path / "secret.png").write_bytes(png(9, 9))
    (tmp_path / "x" / "link.png").symlink_to(tmp_path / "secret.png")
    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png"):
        assert "leads out" in str(make_thumbnail(medium(path), [tmp_path / "x"]).problem)
    assert "read" in str(make_thumbnail(medium("a\0b"), [tmp_path]).problem)


def test_a_row_shows_tools_and_at_most_four_images() -> None:
    row = {"tools": '[{"name":"f"}]', "images": [medium(data=png(5, 5))] * 6}
    html = row_blocks(row, [])
    assert html.count("<img") == 4
    assert "and 2 more" in html
    assert "tools" in html
    assert row_blocks({"tools": None, "images": None}, None) == ""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "cat.png").write_bytes(png(64, 64))
    votes = [
        {
            "pair_id": f"v{i}",
            "prompt": [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
            ],
            "chosen": [{"role": "assistant", "content": "cat", "reasoning_content": "whiskers"}],
            "rejected": [{"role": "assistant", "content": "dog"}],
            "images": ["cat.png"],
            "tools": [{"name": "zoom"}],
        }
        for i in range(3)
    ]
    write_jsonl(
        tmp_path / "rows.jsonl", [*votes, {**votes[0], "pair_id": "w", "images": ["no.png"]}]
    )
    config = {
        "input": {"path": str(tmp_path / "rows.jsonl")},
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "expression", "keep": "`lengths.chosen` > 1000"}],
    }
    Pipeline(config).run(output=tmp_path / "out")
    return tmp_path / "out"


def test_the_report_shows_them_and_a_pair_of_several_votes_once(run: Path) -> None:
    html = (run / "report.html").read_text()
    assert "data:image/jpeg;base64," in html
    assert "not found beside the data" in html
    assert "whiskers" in html
    assert "zoom" in html
    assert load_view(run).most_suspicious(20)["pair_id"].to_list() == ["v0", "w"]
    assert "<ins>cat</ins>" in html
    assert "<del>dog</del>" in html
