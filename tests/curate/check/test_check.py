"""What a trainer would trip over is told, pair by pair, with its own token ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pipeline, read_pairs
from curate.check.command import check_data
from curate.check.problems import (
    BORDER,
    CUT,
    EMPTY,
    EQUAL,
    FATAL,
    FULL,
    MEANS,
    REFUSED,
    STOP,
    TIE,
    TURN,
)
from curate.cli.app import app
from curate.models.lm.conversations import distinct_conversations
from curate.models.lm.trainer_rules import TRAINERS
from curate.models.lm.trainer_tokens import ConversationTokens, TrainerTokens
from curate.read.pairs import Pairs
from curate.steps.context import SilentProgress
from curate.steps.models import ModelSpec
from curate.write.manifest import RowCounts
from curate.write.run_files import RunFiles
from tests.helpers import pairs_of, trl_rows, turn
from tests.models import tiny_tokenizer

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
STRICT = TEMPLATE.replace(
    "{% for m in messages %}",
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turn') }}"
    "{% endif %}",
)


def model(folder: Path, template: str = TEMPLATE) -> str:
    tiny_tokenizer(folder, template=template)
    return str(folder)


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pairs_of(rows)


def hurt(pairs: pl.DataFrame, name: str, most: int = 64) -> dict[str, list[int]]:
    """Rows with each problem."""
    report = check_data([pairs], "trl", ModelSpec(name=name), SilentProgress(), most)
    at = {i: n for n, i in enumerate(pairs["pair_id"])}
    rows_by_problem = {k: [at[i] for i in ids] for k, ids in report.checked.hurt.items() if ids}
    assert report.checked.pairs == len(pairs)
    return rows_by_problem


def plain(**more: Any) -> dict[str, Any]:
    return {"prompt": "what is a cat?", "chosen": "an animal", "rejected": "a dog"} | more


def test_a_sound_pair_has_no_problem(tmp_path: Path) -> None:
    assert hurt(table([plain()]), model(tmp_path / "m")) == {}


def test_each_problem_is_found_on_the_pair_that_has_it(tmp_path: Path) -> None:
    rows = [
        plain(),
        plain(prompt="what " * 200),  # 1: the prompt alone fills it
        plain(prompt="same start", chosen="cat " * 90 + "x", rejected="cat " * 90 + "y"),  # 2
        plain(prompt="empty", chosen="  "),  # 3
        plain(prompt="ends with the assistant"),  # 4
        plain(prompt="a tie", is_tie=True),  # 5
        plain(prompt="long", chosen="a cat " * 90),  # 6
        plain(prompt="none"),  # 7: no prompt at all
        plain(prompt="equal", chosen="one", rejected="one"),  # 8
    ]
    pairs = table(rows)
    prompts = pairs["prompt"].to_list()
    prompts[4] = prompts[4] + turn("well", "assistant")
    prompts[7] = []
    pairs = pairs.with_columns(pl.Series("prompt", prompts, dtype=pairs.schema["prompt"]))
    rows_by_problem = hurt(pairs, model(tmp_path / "m"))
    assert rows_by_problem == {
        REFUSED: [7],
        FULL: [1],
        EQUAL: [1, 2, 8],
        EMPTY: [3],
        TURN: [4, 7],
        TIE: [5],
        CUT: [1, 2, 6],
    }


def test_what_the_template_refuses(tmp_path: Path) -> None:
    pairs = table([plain(), plain(prompt="other")])
    prompts = pairs["prompt"].to_list()
    prompts[1] = turn("be good", "system") + prompts[1]
    pairs = pairs.with_columns(pl.Series("prompt", prompts, dtype=pairs.schema["prompt"]))
    name = model(tmp_path / "m", STRICT)
    assert hurt(pairs, name) == {REFUSED: [1]}
    report = check_data([pairs], "trl", ModelSpec(name=name), SilentProgress())
    assert report.checked.reasons == {"no system turn": 1}
    assert not report.clean


def test_a_template_that_opens_the_answer_in_its_own_way_moves_the_border(tmp_path: Path) -> None:
    odd = TEMPLATE.replace("<|assistant|>\n{% endif %}", "<|assistant|>\n<think>\n{% endif %}")
    assert hurt(table([plain()]), model(tmp_path / "m", odd)) == {BORDER: [0]}


def test_a_template_without_an_end(tmp_path: Path) -> None:
    endless = TEMPLATE.replace("<eos>", "")
    assert hurt(table([plain()]), model(tmp_path / "m", endless)) == {STOP: [0]}


def test_token_ids_are_those_of_trl(tmp_path: Path) -> None:
    data_utils = pytest.importorskip("trl.data_utils")
    tokenizer = tiny_tokenizer(tmp_path / "m")
    pairs = read_pairs(trl_rows(3)).frame
    texts = distinct_conversations(pairs)
    tokens = TrainerTokens(tokenizer, TRAINERS["trl"])
    conversations = tokens.encode(tokens.write(texts.prompts, texts.answers))
    for prompt, answer, conversation in zip(
        texts.prompts, texts.answers, conversations, strict=True
    ):
        plain_prompt = [{"role": m["role"], "content": m["content"]} for m in prompt.messages]
        plain_answer = [{"role": m["role"], "content": m["content"]} for m in answer]
        before = data_utils._tokenize(tokenizer, plain_prompt, add_generation_prompt=True)
        trl_tokens = data_utils._tokenize(tokenizer, plain_prompt + plain_answer)
        assert isinstance(conversation, ConversationTokens)
        assert list(conversation.prompt) == before["input_ids"]
        assert list(conversation.both) == trl_tokens["input_ids"]


def test_the_tokenizer_itself(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path / "m")
    tokenizer.pad_token = None
    tokenizer.save_pretrained(str(tmp_path / "no-pad"))
    tokenizer.pad_token, tokenizer.chat_template = "<eos>", None
    tokenizer.save_pretrained(str(tmp_path / "bare"))
    progress = SilentProgress()
    report = check_data(
        [table([plain()])], "trl", ModelSpec(name=str(tmp_path / "no-pad")), progress
    )
    assert "no padding token" in report.tokenizer[0]
    with pytest.raises(CurateError, match="no chat template"):
        check_data([], "trl", ModelSpec(name=str(tmp_path / "bare")), progress)
    with pytest.raises(CurateError, match="did you mean 'trl'"):
        check_data([], "tlr", ModelSpec(name=str(tmp_path / "m")), progress)


def test_the_command_on_a_run_and_its_mending(tmp_path: Path) -> None:
    name = model(tmp_path / "m")
    rows = [plain(prompt=f"question {i}", chosen="" if i < 3 else "an animal") for i in range(10)]
    run = tmp_path / "run"
    config = {"filters": [{"type": "sample", "rows": 9}], "output": {"report": False}}
    Pipeline(config).run(Pairs(table(rows)), output=run)
    result = CliRunner().invoke(app, ["check", str(run), "--model", name])
    assert result.exit_code == 3
    assert "pairs are unusable or harmful for training" in result.output
    assert EMPTY in result.output
    as_json = CliRunner().invoke(app, ["check", str(run), "--model", name, "--json"])
    facts = json.loads(as_json.output)
    count = facts["problems"][EMPTY]
    assert 2 <= count <= 3
    fixed = tmp_path / "fixed"
    done = CliRunner().invoke(app, ["check", str(run), "--model", name, "--fix", str(fixed)])
    assert done.exit_code == 0, (done.output, done.exception)
    after = RunFiles(fixed)
    assert after.manifest.rows == RowCounts(10, 9 - count, 1 + count)
    dropped = pl.concat(after.dropped_batches())
    assert (
        dropped.filter(drop_step="check")["drop_reason"].to_list()
        == [f"{EMPTY}: {MEANS[EMPTY]}"] * count
    )
    clean = CliRunner().invoke(app, ["check", str(fixed), "--model", name])
    assert clean.exit_code == 0
    assert "no problems found" in clean.output


def test_data_that_is_no_run(tmp_path: Path) -> None:
    name = model(tmp_path / "m")
    from tests.helpers import write_jsonl

    data = write_jsonl(tmp_path / "rows.jsonl", trl_rows(5))
    assert CliRunner().invoke(app, ["check", str(data), "--model", name]).exit_code == 0
    fix = ["check", str(data), "--model", name, "--fix", str(tmp_path / "new")]
    assert "only a run can be fixed" in str(CliRunner().invoke(app, fix).exception)
    cut = CliRunner().invoke(app, ["check", str(data), "--model", name, "--max-length", "5"])
    assert cut.exit_code == 3
    assert FULL in cut.output
    assert set(FATAL) < set(MEANS)
