"""The order of unpaired rows: no answer meets its own prompt in a batch of any size up to 64."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from datasets import load_dataset

from curate import Pairs, Pipeline
from curate.data.table import MESSAGES
from curate.write.exports import get_export, prompt_spacing
from curate.write.exports.base import PairCounts, ShardSchema
from curate.write.exports.prompt_spacing import PromptSpacing
from tests.helpers import numbered_pairs, turn
from tests.models import tiny_causal

SIZES = range(2, 65)


def clashes(prompts: list[Any], size: int) -> int:
    """Rows that get the answer of a row of their own prompt, in batches of this size."""
    values, places = np.array(prompts), np.arange(len(prompts))
    ends = np.minimum(places - places % size + size, len(prompts)) - 1
    before = np.where(places % size, places - 1, ends)
    return int(((values == values[before]) & (before != places)).sum())


def in_order(numbers: list[int], rows_a_frame: int = 1000) -> tuple[list[int], PromptSpacing]:
    """The numbers of prompts as `PromptSpacing` puts their rows."""
    prompts = pl.Series("prompt", [turn(str(n), "user") for n in numbers], dtype=MESSAGES)
    frame = pl.DataFrame([prompts, pl.Series("number", numbers, dtype=pl.Int64)])
    spacing = PromptSpacing()
    spaced_frames = list(spacing.order(frame.iter_slices(rows_a_frame)))
    return pl.concat(spaced_frames)["number"].to_list(), spacing


def numbers_of(kind: str, rng: np.random.Generator) -> list[int]:
    """Prompts of rows: two each; by groups of eight; some with hundreds; at random."""
    return {
        "two each": [i // 2 for i in range(9001)],
        "eight each": [i // 8 for i in range(9001)],
        "heavy": [i // 300 for i in range(3000)] + [100 + i // 2 for i in range(60_000)],
        "random": rng.integers(0, 700, 9001).tolist(),
        "eighty": [i // 2 for i in range(160)],
        "twelve, often": [i % 20 for i in range(6000)],
        "one and many": [0] * 20 + [1 + i // 2 for i in range(4000)],
    }[kind]


KINDS = (
    "two each",
    "eight each",
    "heavy",
    "random",
    "eighty",
    "twelve, often",
    "one and many",
)


@pytest.mark.parametrize("kind", KINDS)
def test_no_batch_holds_a_prompt_beside_itself(kind: str) -> None:
    numbers = numbers_of(kind, np.random.default_rng(0))
    spaced_numbers, spacing = in_order(numbers)
    assert sorted(spaced_numbers) == sorted(numbers)
    assert [size for size in SIZES if clashes(spaced_numbers, size)] == []
    assert (spacing.rows, spacing.clashes) == (len(numbers), 0)
    assert in_order(numbers)[0] == spaced_numbers


@pytest.mark.parametrize("prompts", range(2, 66))
def test_small_sets_of_two_answers_each(prompts: int) -> None:
    """Up to 64 rows the first one and its twin end a batch of one size, whatever the order."""
    spaced_numbers, spacing = in_order([i // 2 for i in range(2 * prompts)])
    sizes = [size for size in SIZES if clashes(spaced_numbers, size)]
    assert len(sizes) == spacing.clashes == (prompts <= 32)
    assert spacing.sizes == set(sizes)
    assert all(size % 2 for size in sizes)


def test_no_order_of_few_rows_does_better() -> None:
    """All orders of four prompts with two answers each."""
    orders = {tuple(o) for o in permutations([0, 0, 1, 1, 2, 2, 3, 3])}
    assert min(sum(clashes(list(o), size) > 0 for size in SIZES) for o in orders) == 1


@pytest.mark.parametrize("numbers", [[0, 0], [0] * 9, [0, 0, 0, 1], [0] * 50 + list(range(1, 40))])
def test_what_cannot_be_kept_apart_is_counted(numbers: list[int]) -> None:
    spaced_numbers, spacing = in_order(numbers)
    assert sorted(spaced_numbers) == sorted(numbers)
    assert spacing.clashes > 0


def test_the_order_is_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few prompts with most rows: not all of them wait for the end."""
    monkeypatch.setattr(prompt_spacing, "_MOST", 6000)
    lengths = []
    draw = prompt_spacing._draw_order
    monkeypatch.setattr(
        prompt_spacing,
        "_draw_order",
        lambda keys, *arguments: lengths.append(len(keys)) or draw(keys, *arguments),
    )
    numbers = [i // 2000 for i in range(60_000)]
    spaced_numbers, _ = in_order(numbers)
    assert sorted(spaced_numbers) == numbers
    assert max(lengths) <= 6000 + 4096


def test_rows_with_media_wait_in_smaller_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = pl.Series("prompt", [turn(str(i // 2), "user") for i in range(2000)], dtype=MESSAGES)
    read = []
    frames = (read.append(part) or part for part in prompts.to_frame().iter_slices(100))
    monkeypatch.setattr(prompt_spacing, "_BYTES", 1 << 10)
    next(PromptSpacing().order(frames))
    assert len(read) == 6


def test_both_labels_are_everywhere() -> None:
    rows = get_export("trl_kto").convert(numbered_pairs(3000), ShardSchema())
    labels = rows["label"].to_numpy().reshape(-1, 100).mean(axis=1)
    assert labels.min() >= 0.4
    assert labels.max() <= 0.6


def test_too_few_prompts_are_told() -> None:
    form, schema = get_export("trl_kto"), ShardSchema()
    assert len(form.convert(numbered_pairs(4, prompts=1), schema)) == 8
    (warning,) = form.warnings(PairCounts(), schema)
    assert warning.startswith(
        "8 of 8 rows are next to an answer to the same prompt in batches of many"
    )
    schema = ShardSchema()
    form.convert(numbered_pairs(12), schema)
    (warning,) = form.warnings(PairCounts(), schema)
    assert re.match(r"1 of 24 rows .* in batches of \d*[13579], because", warning)


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 40])
def test_trl_pairs_no_answer_with_its_own_prompt(count: int, tmp_path: Path) -> None:
    """Shards of 30 rows through KTOTrainer's own preparation, for every batch size."""
    trl = pytest.importorskip("trl", reason="needs the extra 'trainers'")
    from transformers import AutoTokenizer

    output = {"format": "trl_kto", "rows_per_shard": 30}
    Pipeline({"output": output}).run(Pairs(numbered_pairs(count)), output=tmp_path / "out")
    shard_folder, cache = str(tmp_path / "out" / "kept"), str(tmp_path / "cache")
    data = load_dataset(shard_folder, split="train", cache_dir=cache)
    assert data.num_rows == 2 * count
    tokenizer = AutoTokenizer.from_pretrained(tiny_causal(tmp_path / "model"))
    trainer = trl.KTOTrainer.__new__(trl.KTOTrainer)
    trainer.calculate_KL, trainer.desirable_weight, trainer.undesirable_weight = True, 1.0, 1.0
    trainer._tokenizer = tokenizer
    settings = {"output_dir": str(tmp_path), "use_cpu": True, "bf16": False}
    sizes = [size for size in SIZES if count > 32 or size % 2 == 0]
    for size in sizes:
        args = trl.KTOConfig(**settings, per_device_train_batch_size=size)
        prepared = trainer._prepare_dataset(data, tokenizer, args, "train")
        ids = [tuple(row["completion_ids"]) for row in prepared]
        prompt_of = dict(zip(ids, (r["prompt"][0]["content"] for r in data), strict=True))
        pairs = zip(data, prepared, strict=True)
        met = [
            prompt_of[tuple(p["KL_completion_ids"])] == r["prompt"][0]["content"] for r, p in pairs
        ]
        # A last batch of one row has no other answer.
        assert sum(met) == (len(data) % size == 1)
