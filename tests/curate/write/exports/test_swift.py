"""ms-swift reads all that its forms claim, by its own loader and template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, Pairs, Pipeline
from curate.write.export import ExportTarget, export_pairs
from tests.curate.write.exports.test_axolotl import ASK, CALLS, PLAIN, TOOLS, calling
from tests.helpers import pairs_of, published, write_jsonl
from tests.models import tiny_tokenizer
from tests.trainers import swift_data, swift_modules, swift_rows

pytestmark = pytest.mark.slow
TEXTS = {"prompt": "p", "chosen": "a", "rejected": "b"}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    return tiny_tokenizer(tmp_path)


def exported(rows: list[dict[str, Any]], folder: Path, form: str = "swift") -> Path:
    export_pairs(str(write_jsonl(folder / "rows.jsonl", rows)), folder / "out", ExportTarget(form))
    return folder / "out"


def test_tools_stand_before_both_answers(tmp_path: Path, tokenizer: Any) -> None:
    """ms-swift reads `rejected_messages` with tools of their own."""
    first, second, third, plain = swift_rows(exported(CALLS, tmp_path), tokenizer)
    # `swift_rows` wants one prompt for both answers.
    assert "# Tools" in first.prompt
    assert first.answers[0].startswith('<tool_call>\n{"name": "zoom", "arguments": {"time": "2025-')
    assert "# Tools" not in second.prompt
    assert second.answers[0].startswith("<think>\nhm\n</think>")
    assert third.answers[0].startswith("Well.<tool_call>")
    assert plain.answers == ("yes<|im_end|>\n", "no more<|im_end|>\n")
    assert plain.prompt.startswith("<|im_start|>system\nBe kind.<|im_end|>")


def test_the_strength_is_the_margin(tmp_path: Path, tokenizer: Any) -> None:
    pairs = pairs_of([{**TEXTS, "strength": 2.5}, {**TEXTS, "rejected": "c"}])
    Pipeline({"output": {"format": "swift"}}).run(Pairs(pairs), output=tmp_path / "out")
    assert [row.margin for row in swift_rows(tmp_path / "out", tokenizer)] == [2.5, None]


def test_without_a_strength_there_is_no_margin(tmp_path: Path, tokenizer: Any) -> None:
    (row,) = swift_rows(exported([PLAIN], tmp_path), tokenizer)
    assert row.margin is None


@pytest.mark.parametrize("extra_columns", [{}, {"rejected_images": ["dog.png"]}])
def test_both_conversations_have_their_images(
    extra_columns: dict[str, Any], tmp_path: Path
) -> None:
    image_question = [{"type": "image"}, {"type": "text", "text": "What?"}]
    row = PLAIN | {
        "prompt": [{"role": "user", "content": image_question}],
        "images": ["cat.png"],
        **extra_columns,
    }
    folder = exported([row], tmp_path)
    with swift_modules(folder):
        loaded_row = swift_data(folder)[0]
    assert loaded_row["messages"][0]["content"] == loaded_row["rejected_messages"][0]["content"]
    assert loaded_row["messages"][0]["content"] == "<image>What?"
    assert [image["path"][-7:] for image in loaded_row["images"]] == ["cat.png"]
    other = extra_columns.get("rejected_images", ["cat.png"])
    assert [image["path"][-7:] for image in loaded_row["rejected_images"]] == other


def test_kto_takes_labels_and_tools(tmp_path: Path, tokenizer: Any) -> None:
    rows = [PLAIN | {"tools": TOOLS}, PLAIN | {"prompt": ASK[1:], "rejected": published("bad")}]
    trained_rows = swift_rows(exported(rows, tmp_path, "swift_kto"), tokenizer)
    assert sorted((row.label, row.answers[0], "# Tools" in row.prompt) for row in trained_rows) == [
        (False, "bad<|im_end|>\n", False),
        (False, "no<|im_end|>\n", True),
        (True, "yes<|im_end|>\n", False),
        (True, "yes<|im_end|>\n", True),
    ]


def test_kto_refuses_answers_that_end_with_a_call(tmp_path: Path) -> None:
    """`KTOPreprocessor` asserts that the last message is the assistant's."""
    with pytest.raises(CurateError, match="end with a tool call"):
        exported([PLAIN | {"chosen": [calling(None, {})]}], tmp_path, "swift_kto")


def test_all_shards_are_read(tmp_path: Path, tokenizer: Any) -> None:
    rows = [PLAIN | {"chosen": published(f"yes {i}")} for i in range(30)]
    config = {
        "input": {"path": str(write_jsonl(tmp_path / "rows.jsonl", rows))},
        "output": {"format": "swift", "rows_per_shard": 10},
    }
    Pipeline(config).run(output=tmp_path / "out")
    assert len(swift_rows(tmp_path / "out", tokenizer)) == 30
