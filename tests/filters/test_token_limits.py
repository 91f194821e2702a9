"""The filter `token_limits`: counts by the tokenizer itself, limits, and what trainers would do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curate import Context, CurateError, Pipeline, read_pairs
from curate.filters.token_limits import TokenLimits
from tests.models import tiny_tokenizer

WORDS = {"short": 2, "long": 600, "longest": 3000}
REFUSING = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{% for m in messages %}{{ m['content'] }}<eos>{% endfor %}"
)


def pair(chosen: str, rejected: str = "b", prompt: str = "q") -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


@pytest.fixture
def rows() -> list[dict[str, str]]:
    return [pair("7 " * count, prompt=name) for name, count in WORDS.items()]


def test_lengths_are_those_of_the_tokenizer(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    step = TokenLimits(model=str(tmp_path), max_length=5000)
    added = step.apply(read_pairs(rows).frame, Context()).added
    assert added is not None
    for row, lengths in zip(rows, added.to_dicts(), strict=True):
        turns = [{"role": "user", "content": row["prompt"]}]
        before = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        prompt = len(tokenizer(before, add_special_tokens=False)["input_ids"])
        assert lengths["prompt"] == prompt
        for side in ("chosen", "rejected"):
            full = [*turns, {"role": "assistant", "content": row[side]}]
            text = tokenizer.apply_chat_template(full, tokenize=False)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert lengths[side] == len(ids) - prompt


@pytest.mark.parametrize(
    ("limits", "reason", "code"),
    [
        ({"max_length": 30}, r"prompt and answer: \d+ tokens, more than 30", "token_limits_length"),
        ({"max_answer": 20}, r"answer: \d+ tokens, more than 20", "token_limits_answer"),
        ({"max_prompt": 20}, r"prompt: \d+ tokens, more than 20", "token_limits_prompt"),
    ],
)
def test_the_reason_names_the_limit(
    tmp_path: Path, limits: dict[str, int], reason: str, code: str
) -> None:
    tiny_tokenizer(tmp_path)
    long = pair("a", prompt="z" * 40) if "max_prompt" in limits else pair("a", "x" * 40)
    rows = [pair("a"), long]
    config = {"filters": [{"type": "token_limits", "model": str(tmp_path), **limits}]}
    result = Pipeline(config).run(rows)
    (dropped,) = result.dropped.iter_rows(named=True)
    assert dropped["drop_code"] == code
    assert re.fullmatch(reason, dropped["drop_reason"])
    assert result.rows_kept == 1


def test_the_default_limit_is_the_trainers(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    tiny_tokenizer(tmp_path)
    decisions = {
        trainer: TokenLimits(model=str(tmp_path), trainer=trainer)
        .apply(read_pairs(rows).frame, Context())
        .keep.to_list()
        for trainer in ("axolotl", "trl", "llamafactory")
    }
    assert decisions["axolotl"] == [True, False, False]
    assert decisions["llamafactory"] == [True, True, False]


def test_the_manifest_counts_what_each_trainer_would_do(
    tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    tiny_tokenizer(tmp_path)
    config = {"filters": [{"type": "token_limits", "model": str(tmp_path), "max_length": 9999}]}
    result = Pipeline(config).run(rows)
    (by_trainer,) = [s.facts["by_trainer"] for s in result.steps if s.name == "token_limits"]
    assert by_trainer["trl"] == {"max_length": 1024, "cut": 1}
    assert by_trainer["axolotl"] == {"max_length": 512, "left_out": 2}
    assert by_trainer["swift"]["left_out"] == 1
    assert by_trainer["llamafactory"]["cut"] == 1


def test_a_pair_that_the_template_refuses_is_dropped(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path, template=REFUSING)
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    rows = [{"prompt": p, "chosen": "a", "rejected": "b"} for p in (turns, turns[1:])]
    config = {"filters": [{"type": "token_limits", "model": str(tmp_path)}]}
    result = Pipeline(config).run(rows)
    assert result.dropped["drop_reason"].to_list() == ["chat template: no system turn"]
    assert result.dropped["drop_code"].to_list() == ["chat_template"]


def test_a_tokenizer_without_template_is_an_error(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path, template=None)
    with pytest.raises(CurateError, match="no chat template") as caught:
        TokenLimits(model=str(tmp_path)).apply(read_pairs([pair("a")]).frame, Context())
    assert "token_limits" in str(caught.value)
