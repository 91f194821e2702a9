"""LLaMA-Factory reads all that its forms claim, by its own loader, template and processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from curate import CurateError, Pipeline
from curate.write.export import ExportTarget, export_pairs
from tests.curate.write.exports.test_axolotl import CALLS, PLAIN
from tests.helpers import published, write_jsonl
from tests.models import tiny_tokenizer
from tests.trainers import llamafactory_rows

pytestmark = pytest.mark.slow
ROWS = [CALLS[0], CALLS[1], CALLS[3]]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    return tiny_tokenizer(tmp_path)


def exported(rows: list[dict[str, Any]], folder: Path, form: str) -> Path:
    export_pairs(str(write_jsonl(folder / "rows.jsonl", rows)), folder / "out", ExportTarget(form))
    return folder / "out"


def test_calls_tools_and_traces_are_trained_on(tmp_path: Path, tokenizer: Any) -> None:
    first, second, plain = llamafactory_rows(exported(ROWS, tmp_path, "llamafactory"), tokenizer)
    assert "# Tools" in first.prompt
    assert first.answers[0].startswith('<tool_call>\n{"name": "zoom", "arguments": {"time": "2025-')
    assert second.answers[0].startswith("<think>\nhm\n</think>\n\n<tool_call>")
    assert "# Tools" not in second.prompt
    assert plain.answers == ("yes<|im_end|>\n", "no more<|im_end|>\n")
    assert plain.prompt.startswith("<|im_start|>system\nBe kind.<|im_end|>")


def test_kto_takes_tags_calls_and_tools(tmp_path: Path, tokenizer: Any) -> None:
    rows = llamafactory_rows(exported(ROWS, tmp_path, "llamafactory_kto"), tokenizer)
    good = {row.answers[0] for row in rows if row.label}
    assert {row.answers[0] for row in rows if not row.label} == {
        "no<|im_end|>\n",
        "no more<|im_end|>\n",
    }
    assert "yes<|im_end|>\n" in good
    assert sum(answer.endswith("</tool_call><|im_end|>\n") for answer in good) == 2
    assert sum("# Tools" in row.prompt for row in rows) == 2


def test_kto_refuses_answers_of_several_messages(tmp_path: Path) -> None:
    long = [*published("a"), *published("b", "user"), *published("c")]
    with pytest.raises(CurateError, match="answers of several messages"):
        exported([PLAIN | {"chosen": long}], tmp_path, "llamafactory_kto")


@pytest.mark.parametrize("form", ["llamafactory", "llamafactory_kto"])
def test_the_settings_name_the_data_to_train_on_and_to_validate_on(
    form: str, tmp_path: Path, tokenizer: Any
) -> None:
    rows = [PLAIN | {"prompt": published(f"q {i}", "user")} for i in range(20)]
    splits = {"train": 0.8, "test": 0.2}
    config = {
        "input": {"path": str(write_jsonl(tmp_path / "rows.jsonl", rows))},
        "output": {"format": form, "rows_per_shard": 5, "splits": splits},
    }
    Pipeline(config).run(output=tmp_path / "out")
    settings = yaml.safe_load((tmp_path / "out" / "llamafactory.yaml").read_text())
    assert settings["stage"] == ("kto" if form.endswith("kto") else "dpo")
    assert (settings["dataset"], settings["eval_dataset"]) == ("curated", "curated_test")
    trained_rows = llamafactory_rows(tmp_path / "out", tokenizer)
    assert len(trained_rows) == 16 * (2 if form.endswith("kto") else 1)
