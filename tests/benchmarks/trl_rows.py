"""What TRL makes of exported rows: a reward head trained on six exports of one noisy set.

    python -m tests.benchmarks.trl_rows DATA OUT [--set hh] [--seeds 5] [--known-reward]

The unanimous pairs of a published set are taken as clean, a share of the labels is flipped, and a
posterior of known quality judges them: log-odds of the flips plus normal evidence of variance
`--strength`, calibrated by construction. Each arm is a run of curate whose shards TRL's
RewardTrainer reads; the accuracy is on clean pairs of prompts that it never saw. `columns` is
curate.trl's trainer. What is measured stands in OUT, a line a cell, and is not measured again.
Steps and learning rate were chosen on the oracle and on keeping all of HH, not on the other arms.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from datasets import Dataset, load_dataset
from scipy.special import expit, logit
from transformers import AutoTokenizer, BertForSequenceClassification, set_seed
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardConfig, RewardTrainer

from curate import Pairs, Pipeline, read_pairs
from curate.benchmark.data import consensus_rows, held_out_mask
from curate.data.json_fields import with_extra_key
from curate.data.table import messages_text
from curate.models.embed.embedder import SHIPPED, model_folder
from curate.steps.context import Context
from curate.steps.relabel import swap_answers
from curate.trl import WeightedRewardTrainer

SETS = {
    "auto-j": "auto-j/autoj_pairwise.json",
    "llmbar": "llmbar/*.json",
    "pandalm": "pandalm/testset-v1.json",
    "hh": "hh-rlhf-harmless/test.jsonl.gz",
}
SIDES = ("chosen", "rejected")
RIGHT = "extra.right"
SOFT = {"type": "soft_labels", "column": RIGHT}
ARMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "keep all": ([], {}),
    "drop": ([{"type": "drop_wrong", "column": RIGHT}], {}),
    "rows, signed": ([SOFT], {"soft_labels": "signed"}),
    "rows, sampled": ([SOFT], {"soft_labels": "sampled"}),
    "columns": ([SOFT], {"weights": "column"}),
    "oracle": ([], {}),
}
_LONGEST = 192
"""Tokens of prompt and answer together: what a small machine trains in minutes."""


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        set: of the data.
        rate: of the flips.
        seed: of split, flips, draws and training.
        arm: of `ARMS`.
        rows: that were trained on.
        accuracy: on clean test pairs.
    """

    set: str
    rate: float
    seed: int
    arm: str
    rows: int
    accuracy: float


def clean_pairs(path: str) -> pl.DataFrame:
    """The unanimous pairs of a set that are short enough."""
    pairs = read_pairs(path, on_error="skip").frame
    pairs = pairs[consensus_rows(pairs)]
    tokenizer = AutoTokenizer.from_pretrained(model_folder(SHIPPED))
    sides = [[len(ids) for ids in tokenizer(texts_of(pairs, s))["input_ids"]] for s in SIDES]
    return pairs.filter(pl.Series(np.max(sides, axis=0) <= _LONGEST))


def texts_of(pairs: pl.DataFrame, side: str) -> list[str]:
    """Prompt and answer as TRL joins them."""
    return pairs.select(t=messages_text("prompt") + messages_text(side))["t"].to_list()


def with_known_reward(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs with labels by one linear reward on token vectors, without noise."""
    model, tokenizer = model_and_tokenizer()
    draw = np.random.default_rng(0).normal(size=model.config.hidden_size)
    with torch.no_grad():
        model.classifier.weight[0, :-1] = torch.from_numpy(draw).float()
    chosen, rejected = (rewards(model, tokenizer, pairs, side) for side in SIDES)
    wrong = pl.Series((chosen < rejected).numpy())
    return pairs.with_columns(swap_answers(pairs, wrong).get_columns())


def noisy(pairs: pl.DataFrame, rate: float, strength: float, seed: int) -> pl.DataFrame:
    """The pairs with flips, and the posterior of each label as `extra.right`."""
    rng = np.random.default_rng(seed)
    flips = rng.random(len(pairs)) < rate
    # Of two normals of variance s2 whose means are s2 apart the log-odds are the value itself.
    evidence = np.where(flips, -1.0, 1.0) * strength / 2 + np.sqrt(strength) * rng.normal(
        size=len(pairs)
    )
    right = expit(evidence + logit(1.0 - rate))
    frame = pairs.with_columns(swap_answers(pairs, pl.Series(flips)).get_columns())
    values = pl.Series([f"{value:.6f}" for value in right])
    return (
        frame.with_columns(values.alias("right"))
        .with_columns(with_extra_key("extra", "right", pl.col("right")))
        .drop("right")
    )


def exported(pairs: pl.DataFrame, arm: str, seed: int, folder: Path) -> Dataset:
    """The shards of a run, as TRL's users load them."""
    filters, output = ARMS[arm]
    settings = {"filters": filters, "seed": seed, "store": None}
    settings["output"] = {"format": "trl_text", "report": False, **output}
    Pipeline(settings).run(Pairs(pairs), output=folder)
    cache = str(folder / "cache")
    return load_dataset(str(folder), split="train", cache_dir=cache)


class RewardHead(BertForSequenceClassification):
    """A linear reward on the mean of MiniLM's token vectors and the log of the length."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.classifier = torch.nn.Linear(config.hidden_size + 1, 1)
        self.bert.requires_grad_(False)

    def forward(self, input_ids: Any, attention_mask: Any, **_: Any) -> SequenceClassifierOutput:
        """The reward of each text."""
        tokens = self.bert.embeddings.word_embeddings(input_ids)
        length = attention_mask.sum(dim=1, keepdim=True)
        mean = (tokens * attention_mask[..., None]).sum(dim=1) / length
        scaled = torch.nn.functional.normalize(mean, dim=1) * mean.shape[1] ** 0.5
        features = torch.cat([scaled, length.log() - 4.0], dim=1)
        return SequenceClassifierOutput(logits=self.classifier(features))


def model_and_tokenizer() -> tuple[Any, Any]:
    """A new head, and MiniLM's tokenizer."""
    place = model_folder(SHIPPED)
    tokenizer = AutoTokenizer.from_pretrained(place)
    tokenizer.eos_token = tokenizer.sep_token
    model = RewardHead.from_pretrained(place, num_labels=1, ignore_mismatched_sizes=True)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()
    return model, tokenizer


def trained(rows: Dataset, arm: str, seed: int, arguments: argparse.Namespace, folder: Path) -> Any:
    """A reward model after the same number of steps for every arm."""
    set_seed(seed)
    model, tokenizer = model_and_tokenizer()
    args = RewardConfig(
        output_dir=str(folder / "log"),
        per_device_train_batch_size=64,
        max_steps=arguments.steps,
        learning_rate=arguments.rate_of_learning,
        seed=seed,
        max_length=None,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        weight_decay=0.1,
        disable_tqdm=True,
        logging_strategy="no",
    )
    kind = WeightedRewardTrainer if arm == "columns" else RewardTrainer
    columns = [c for c in rows.column_names if c != "pair_id"]
    trainer = kind(
        model=model,
        args=args,
        train_dataset=rows.select_columns(columns),
        processing_class=tokenizer,
    )
    trainer.train()
    return model.eval(), tokenizer


def rewards(model: Any, tokenizer: Any, pairs: pl.DataFrame, side: str) -> torch.Tensor:
    """The reward of each answer, (pairs,)."""
    texts, values = texts_of(pairs, side), []
    for start in range(0, len(texts), 32):
        some = [text + tokenizer.eos_token for text in texts[start : start + 32]]
        batch = tokenizer(some, padding=True, return_tensors="pt")
        with torch.no_grad():
            values.append(model(**batch).logits[:, 0])
    return torch.cat(values)


def accuracy(model: Any, tokenizer: Any, pairs: pl.DataFrame) -> float:
    """Share of clean pairs whose chosen answer has the higher reward."""
    chosen, rejected = (rewards(model, tokenizer, pairs, side) for side in SIDES)
    return float((chosen > rejected).float().mean())


def measured(pairs: pl.DataFrame, arm: str, seed: int, arguments: argparse.Namespace) -> Cell:
    """One arm on one split."""
    test = held_out_mask(Context().prompt_groups(pairs), seed)
    train, held_out = pairs.filter(pl.Series(~test)), pairs.filter(pl.Series(test))
    if arm != "oracle":
        train = noisy(train, arguments.rate, arguments.strength, seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = exported(train, arm, seed, folder / "run")
        model, tokenizer = trained(rows, arm, seed, arguments, folder)
    share = accuracy(model, tokenizer, held_out)
    return Cell(arguments.set, arguments.rate, seed, arm, len(rows), share)


def table(cells: list[dict[str, Any]]) -> None:
    """Print mean and standard deviation of each arm."""
    frame = pl.DataFrame(cells)
    means = frame.group_by("set", "rate", "arm", maintain_order=True).agg(
        pl.col("accuracy").mean().round(3),
        deviation=pl.col("accuracy").std().round(3),
        rows=pl.col("rows").mean().round(0),
        seeds=pl.len(),
    )
    with pl.Config(tbl_rows=-1):
        print(means)


def main() -> None:
    """Measure what is lacking, and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", choices=list(SETS), default="hh")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.4)
    parser.add_argument("--strength", type=float, default=2.0, help="Variance of the log-odds.")
    parser.add_argument("--known-reward", action="store_true", help="Labels by a linear reward.")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate-of-learning", type=float, default=3e-3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells = [json.loads(line) for line in arguments.out.open()] if arguments.out.exists() else []
    finished = {(c["set"], c["rate"], c["seed"], c["arm"]) for c in cells}
    pairs = clean_pairs(str(arguments.folder / SETS[arguments.set]))
    if arguments.known_reward:
        arguments.set, pairs = f"{arguments.set}, known reward", with_known_reward(pairs)
    print(f"{len(pairs):,} clean pairs", flush=True)
    for seed in range(arguments.seeds):
        for arm in arguments.arms:
            if (arguments.set, arguments.rate, seed, arm) in finished:
                continue
            cell = asdict(measured(pairs, arm, seed, arguments))
            cells.append(cell)
            with arguments.out.open("a") as file:
                file.write(json.dumps(cell) + "\n")
            print(cell, flush=True)
    table(cells)


if __name__ == "__main__":
    main()
