"""What `curate check` says that a trainer leaves out or cuts is what its own code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from curate import read_pairs
from curate.check.command import check_data
from curate.check.problems import ASKED, CUT, EQUAL, LEFT_OUT, LOST, SHAPE
from curate.steps.context import SilentProgress
from curate.steps.models import ModelSpec
from curate.write.export import ExportTarget, export_pairs
from tests import trainers
from tests.helpers import published, write_jsonl
from tests.models import tiny_tokenizer

pytestmark = pytest.mark.slow
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROWS = {"axolotl": "axolotl_rows", "openrlhf": "openrlhf_rows", "swift": "swift_rows"}
SETTINGS = {"axolotl": "sequence_len", "openrlhf": "max_length", "swift": "max_length"}
SYSTEM = published("Be kind.", "system")


def user_turn(text: str) -> list[dict[str, str]]:
    return [*SYSTEM, *published(text, "user")]


def row(number: int, prompt: Any, chosen: str = "yes", rejected: str = "no") -> dict[str, Any]:
    """A pair whose last message before the answers begins with its number."""
    last = prompt[-1] | {"content": f"{number}: {prompt[-1]['content']}"}
    prompt = [*prompt[:-1], last]
    return {"prompt": prompt, "chosen": published(chosen), "rejected": published(rejected)}


LENGTHS = [
    row(n, user_turn("q" * (3 * n)), "A" * (1 + 5 * (n % 4)), "B" * (1 + n % 7)) for n in range(24)
]
TURNS = [
    row(0, user_turn("q")),
    row(1, [*user_turn("q"), *published("a"), *published("r", "user")]),
    row(2, [*user_turn("q"), *published("r", "user")]),
    row(3, [*published("q", "user"), *SYSTEM, *published("r", "user")]),
    row(4, [*user_turn("q"), *published("a")]),
    row(5, [*user_turn("q"), *published("a"), *published("b"), *published("r", "user")]),
    row(6, [*published("a"), *published("r", "user")]),
    row(7, [*SYSTEM, *user_turn("q")]),
]


def chatml_model(folder: Path, template: str = CHATML) -> Any:
    """A tokenizer that knows the marks of turns as single tokens, as models with this template."""
    folder.mkdir()
    tokenizer = tiny_tokenizer(folder, template=template)
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """A tokenizer whose template is that of the trainers' own `chatml` and `qwen`."""
    return chatml_model(tmp_path / "model")


def trained(trainer: str, rows: list[Any], folder: Path, tokenizer: Any, most: int) -> set[int]:
    """The numbers of the rows that the trainer's own code trains on."""
    export_pairs(
        str(write_jsonl(folder / "rows.jsonl", rows)), folder / "out", ExportTarget(trainer)
    )
    if trainer == "llamafactory":
        trained_rows = trainers.llamafactory_rows(folder / "out", tokenizer, most)
    else:
        load = getattr(trainers, ROWS[trainer])
        trained_rows = load(folder / "out", tokenizer, **{SETTINGS[trainer]: most})
    return {int(re.findall(r"(\d+): ", one.prompt + one.answers[0])[-1]) for one in trained_rows}


def reported_rows(trainer: str, folder: Path, most: int) -> dict[str, set[int]]:
    """The numbers of the rows with each problem."""
    pairs = read_pairs(str(folder / "rows.jsonl")).frame
    numbers = {
        pair: int(turns[-1]["content"].partition(":")[0])
        for pair, turns in pairs.select("pair_id", "prompt").iter_rows()
    }
    report = check_data(
        [pairs], trainer, ModelSpec(name=str(folder / "model")), SilentProgress(), most
    )
    return {name: {numbers[i] for i in ids} for name, ids in report.checked.hurt.items()}


@pytest.mark.parametrize("trainer", ["axolotl", "openrlhf", "swift"])
@pytest.mark.parametrize("most", [70, 77, 78])
def test_pairs_that_are_too_long(trainer: str, most: int, tmp_path: Path, model: Any) -> None:
    trained_numbers = trained(trainer, LENGTHS, tmp_path, model, most)
    left_out = reported_rows(trainer, tmp_path, most)[LEFT_OUT]
    assert left_out == set(range(24)) - trained_numbers
    assert 0 < len(left_out) < 24


@pytest.mark.parametrize("trainer", ["llamafactory", "swift"])
def test_speakers_that_do_not_take_turns(trainer: str, tmp_path: Path, model: Any) -> None:
    trained_numbers = trained(trainer, TURNS, tmp_path, model, 2048)
    assert reported_rows(trainer, tmp_path, 2048)[SHAPE] == set(range(len(TURNS))) - trained_numbers


def test_llamafactory_cuts_prompts_and_answers(tmp_path: Path, model: Any) -> None:
    most = 60
    source = write_jsonl(tmp_path / "rows.jsonl", LENGTHS)
    export_pairs(str(source), tmp_path / "out", ExportTarget("llamafactory"))
    full_rows = trainers.llamafactory_rows(tmp_path / "out", model, 2048)
    cut_rows = trainers.llamafactory_rows(tmp_path / "out", model, most)
    problems = reported_rows("llamafactory", tmp_path, most)
    pairs = list(enumerate(zip(full_rows, cut_rows, strict=True)))
    cut_prompts = {n for n, (a, b) in pairs if len(b.prompt) < len(a.prompt)}
    cut = {n for n, (a, b) in pairs if list(map(len, b.answers)) != list(map(len, a.answers))}
    assert problems[ASKED] == cut_prompts
    assert problems[CUT] == cut
    assert cut_prompts
    assert problems[EQUAL] == {n for n, (_, b) in pairs if len(set(b.answers)) == 1}


def test_openrlhf_cuts_answers(tmp_path: Path, model: Any) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", LENGTHS)
    export_pairs(str(source), tmp_path / "out", ExportTarget("openrlhf"))
    full_rows = trainers.openrlhf_rows(tmp_path / "out", model, 2048)
    rows_by_prompt = {r.prompt: r for r in trainers.openrlhf_rows(tmp_path / "out", model, 80)}
    cut = {
        n
        for n, one in enumerate(full_rows)
        if one.prompt in rows_by_prompt and rows_by_prompt[one.prompt].answers != one.answers
    }
    assert reported_rows("openrlhf", tmp_path, 80)[CUT] == cut
    assert cut


def test_axolotl_loses_answers_that_the_template_trims(tmp_path: Path) -> None:
    trimmed = CHATML.replace("m['content']", "m['content'] | trim")
    tokenizer = chatml_model(tmp_path / "model", trimmed)
    rows = [row(0, user_turn("q")), row(1, user_turn("r"), chosen="yes \n")]
    export_pairs(
        str(write_jsonl(tmp_path / "rows.jsonl", rows)), tmp_path / "out", ExportTarget("axolotl")
    )
    # The answer becomes an empty text, which its own filter refuses.
    with pytest.raises(ValueError, match="chosen and rejected keys are required"):
        trainers.axolotl_rows(tmp_path / "out", tokenizer)
    assert reported_rows("axolotl", tmp_path, 2048)[LOST] == {1}


def test_axolotl_finds_short_answers_in_its_dummy_prompt(tmp_path: Path, model: Any) -> None:
    rows = [
        row(0, user_turn("q")),
        row(1, user_turn("q"), chosen="dummy"),
        row(2, user_turn("q"), chosen="a"),
    ]
    export_pairs(
        str(write_jsonl(tmp_path / "rows.jsonl", rows)), tmp_path / "out", ExportTarget("axolotl")
    )
    trained_rows = trainers.axolotl_rows(tmp_path / "out", model, shuffle_merged_datasets=False)
    assert ["dummy_message" in one.answers[0] for one in trained_rows] == [False, True, True]
    assert reported_rows("axolotl", tmp_path, 2048)[LOST] == {1, 2}


def test_axolotl_fails_at_roles_that_it_does_not_know(tmp_path: Path, model: Any) -> None:
    rows = [row(0, user_turn("q")), row(1, [*published("d", "developer"), *published("q", "user")])]
    export_pairs(
        str(write_jsonl(tmp_path / "rows.jsonl", rows)), tmp_path / "out", ExportTarget("axolotl")
    )
    with pytest.raises(KeyError, match="developer"):
        trainers.axolotl_rows(tmp_path / "out", model)
    assert reported_rows("axolotl", tmp_path, 2048)[SHAPE] == {1}


def test_axolotl_passes_pairs_with_calls_on_to_trl(tmp_path: Path, model: Any) -> None:
    """None is left out for its length: TRL cuts it."""
    rows = [*LENGTHS, row(24, user_turn("q")) | {"tools": [{"type": "function", "function": {}}]}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    problems = reported_rows("axolotl", tmp_path, 70)
    assert not problems[LEFT_OUT]
    assert problems[CUT]
