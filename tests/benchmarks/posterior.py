"""What the averaged posterior of labels is worth: alone, with judged pairs, and with real judges.

    python -m tests.benchmarks.posterior DATA [--seeds 6] [--only LLMBar*,Auto-J*]
        [--cases heads,judged,judges,length,blind] [--output rows.parquet]

DATA holds the published files in the folders that `denoising.sh` names, and judges/ with the
verdicts of real judges (LLMBar's and PandaLM's repositories). The sets marked * are those on which
constants were chosen. A fifth of the prompts is put aside with clean labels; labels of the others
are flipped. Of every cell:

    auroc        of the flips among pairs that nobody judged
    information  (sum of v s)^2 / (n sum of v^2), with weights v = 2 p - 1 and s = 1 or -1 for right
                 or wrong labels: the share of what clean labels would say that weighted ones do
    gain         points of accuracy, on the clean prompts, of a fresh head on embeddings trained on
                 flipped labels where p < .5 with weights |2 p - 1|, over one trained on all labels
                 as they are
    oracle       the same without the flipped labels
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from curate.benchmark.data import BenchData, split_train_test
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.benchmark.run import experiment_seed
from curate.data.table import messages_text
from curate.models.heads.posterior.label_posterior import label_posterior
from curate.steps.context import Context
from curate.steps.evidence import EvidenceSource, LabelEvidence, Trust
from curate.steps.features import Features
from tests.benchmarks.noise_score import real_sets

RATES = (0.0, 0.2, 0.4)
JUDGED = (0, 50, 100)


@dataclass(frozen=True)
class Case:
    """What is known beside the labels, and how these were flipped."""

    name: str
    judge: str = ""
    verdict_count: int = 0
    pattern: str = "symmetric"
    blind: bool = False
    trust: Trust = "unknown"


def judge_margins(folder: Path, pairs: pl.DataFrame) -> dict[str, np.ndarray]:
    """Margin of each real judge on the pairs, oriented to the label; 0 where both orders differ."""
    texts = pairs.select(messages_text("chosen").alias("c"), messages_text("rejected").alias("r"))
    position = {(c, r): (i, 1.0) for i, (c, r) in enumerate(texts.iter_rows())}
    position |= {(r, c): (i, -1.0) for i, (c, r) in enumerate(texts.iter_rows())}
    margins: dict[str, np.ndarray] = {}
    for name, first, second, side in _verdicts(folder):
        if (first, second) in position:
            row, orientation = position[first, second]
            margins.setdefault(name, np.zeros(len(pairs)))[row] = orientation * side
    return {name: margin for name, margin in margins.items() if (margin != 0).mean() > 0.3}


def _verdicts(folder: Path) -> Iterator[tuple[str, str, str, float]]:
    """Judge, both answers, and how far it sides with the first one."""
    for line in (folder / "judges/llmbar-judges.jsonl").read_text().splitlines():
        row = json.loads(line)
        for name, winners in row["judges"].items():
            # LLMBar's second verdict is of the answers swapped, its winner by the first order.
            side = sum({1: 0.5, 2: -0.5}.get(winner, 0.0) for winner in winners)
            yield name, row["output_1"], row["output_2"], side
    panda = json.loads((folder / "pandalm/testset-v1.json").read_text())
    answers = {row["idx"]: (row["response1"], row["response2"]) for row in panda}
    for line in (folder / "judges/pandalm-judges.jsonl").read_text().splitlines():
        row = json.loads(line)
        for name in ("gpt_3_5", "pandalm_7b"):
            yield name, *answers[row["idx"]], {"1": 1.0, "2": -1.0}.get(str(row[name]), 0.0)


def flips_of(data: BenchData, pattern: str, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Which labels go wrong: all alike, or half of those whose rejected answer is longer."""
    if pattern == "symmetric":
        return rng.random(len(data.pairs)) < rate
    longer = data.pairs.select(
        messages_text("rejected").str.len_chars() > messages_text("chosen").str.len_chars()
    ).to_series()
    return longer.to_numpy() & (rng.random(len(data.pairs)) < 0.5)


def blinded(data: BenchData, rng: np.random.Generator) -> BenchData:
    """The data with features of other answers, which say nothing of the labels."""
    order = rng.permutation(len(data.features.vectors))
    index = {part: order[rows] for part, rows in data.features.index.items()}
    return replace(data, features=Features(data.features.vectors, data.features.style, index))


def information(right: np.ndarray, wrong: np.ndarray) -> float:
    """Share of the information of clean labels that labels weighted by 2 p - 1 keep."""
    weights, sides = 2.0 * right - 1.0, np.where(wrong, -1.0, 1.0)
    total = float(weights @ sides)
    return float(np.sign(total)) * total**2 / (len(sides) * float(weights @ weights) + 1e-12)


def cell(
    data: BenchData, case: Case, rate: float, seed: int, margins: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The figures of one noisy file."""
    rng = np.random.default_rng(experiment_seed("posterior", data.name, case.pattern, rate, seed))
    marked = replace(data, margin=np.arange(len(data.pairs), dtype=float))
    train, clean = split_train_test(marked, seed)
    assert train.margin is not None
    rows = train.margin.astype(int)
    train = replace(train, margin=None)
    flips = flips_of(train, case.pattern, rate, rng)
    noisy = train.flipped(flips)
    verdicts = np.zeros(len(flips), dtype=np.int8)
    sample = rng.permutation(len(flips))[: case.verdict_count]
    verdicts[sample] = np.where(flips[sample], -1, 1)
    sources = ()
    if case.judge:
        margin = np.where(flips, -1.0, 1.0) * margins[case.judge][rows]
        sources = (EvidenceSource(case.judge, margin, trust=case.trust),)
    evidence = LabelEvidence(sources, verdicts if case.verdict_count else None)
    simulation = blinded(noisy, rng) if case.blind else noisy
    started = time.process_time()
    context = Context(seed=seed).for_pairs(simulation.pairs, simulation.features)
    context = replace(context, evidence=evidence)
    posterior = label_posterior(simulation.pairs, context, style=not case.blind)
    seconds = time.process_time() - started
    return _figures(posterior, noisy, flips, clean) | {
        "set": data.name,
        "case": case.name,
        "rate": rate,
        "seed": seed,
        "seconds": seconds,
    }


def _figures(
    posterior: Any, noisy: BenchData, flips: np.ndarray, clean: BenchData
) -> dict[str, float]:
    right, open_ = posterior.right, posterior.verdicts == 0
    score = 2.0 * right - 1.0
    weights = {
        "all": Weights(np.ones(len(flips))),
        "oracle": Weights((~flips).astype(float)),
        "posterior": Weights(np.maximum(score, 0.0), np.maximum(-score, 0.0)),
    }
    accuracy = accuracy_by_weighting(noisy, clean, weights, style=False)
    mixed = 0 < flips[open_].sum() < open_.sum()
    low, high = (posterior.averaged.rate_quantile(share) for share in (0.025, 0.975))
    return {
        "wrong": float(flips.mean()),
        "auroc": roc_auc_score(flips[open_], -right[open_]) if mixed else float("nan"),
        "information": information(right, flips),
        "gain": 100.0 * (accuracy["posterior"] - accuracy["all"]),
        "oracle": 100.0 * (accuracy["oracle"] - accuracy["all"]),
        "rate_mean": posterior.averaged.rate,
        "covered": float(low <= flips.mean() <= high),
    }


def cases_for(names: list[str], judges: list[str]) -> list[tuple[Case, tuple[float, ...]]]:
    """The cases of a data set, and the flip rates of each."""
    cases: list[tuple[Case, tuple[float, ...]]] = []
    if "heads" in names:
        cases.append((Case("heads"), RATES))
    if "judged" in names:
        cases += [(Case(f"{count} judged", verdict_count=count), RATES) for count in JUDGED[1:]]
    if "judges" in names:
        cases += [(Case(judge, judge), RATES[1:]) for judge in judges]
        cases += [(Case(f"{judge}, 50 judged", judge, 50), RATES[2:]) for judge in judges]
        cases += [(Case(f"{judge}, strong", judge, trust="strong"), RATES[2:]) for judge in judges]
    if "length" in names:
        cases += [
            (Case(f"length, {count} judged", verdict_count=count, pattern="length"), (0.5,))
            for count in JUDGED
        ]
    if "blind" in names:
        cases.append((Case("blind", blind=True), RATES[:1]))
    return cases


def main() -> None:
    """Print means and their standard errors by case and rate, of each set and of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--only", default="")
    parser.add_argument("--cases", default="heads,judged,judges,length,blind")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    rows = []
    for name, data in real_sets(arguments.data):
        if only and name not in only:
            continue
        margins = judge_margins(arguments.data, data.pairs)
        for case, rates in cases_for(arguments.cases.split(","), sorted(margins)):
            for rate in rates:
                seeds = range(arguments.seeds)
                rows += [{**cell(data, case, rate, s, margins), "set": name} for s in seeds]
    table = pl.DataFrame(rows, infer_schema_length=None)
    if arguments.output:
        table.write_parquet(arguments.output)
    names = ("auroc", "information", "gain", "oracle", "rate_mean", "covered", "seconds")
    values = [pl.col(name).fill_nan(None).mean() for name in names]
    error = (pl.col("gain").std() / pl.len().sqrt()).alias("gain_se")
    with pl.Config(tbl_rows=200, tbl_cols=20, tbl_hide_dataframe_shape=True, float_precision=3):
        for by in (["set", "case", "rate"], ["case", "rate"]):
            grouped = table.group_by(by, maintain_order=True)
            print(grouped.agg(pl.col("wrong").mean(), *values, error))


if __name__ == "__main__":
    main()
