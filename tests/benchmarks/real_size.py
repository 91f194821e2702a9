"""What the posterior finds and gains on ten thousand real pairs: alone, with people, with a judge.

    python -m tests.benchmarks.real_size DATA [--output real_size.jsonl] [--embedder static]
        [--prompts N] [--seeds 3] [--show]

DATA is the Parquet file of AlpacaEval's pairs (`instruction`, `output_1`, `output_2`,
`generator_2`, `dataset`, `preference`; CC BY-NC 4.0, so that no row of it is in this repository).
GPT-4's preferences count as clean labels; those nearer to 1.5 than .05 are left out as ties. A
quarter of the prompts is put aside with its labels. Those of the others are flipped by three
patterns:

    symmetric   every label with the same probability
    length      with probability .5 where the shorter answer is right: an annotator who likes length
    topics      with a probability that rises over the five sources of prompts

The posterior sees labels alone (`none`), fifty judged pairs drawn at random (`judged`), or a
simulated reward model that is right on 75 %, half of the variance of whose errors is length
(`reward`). One thread; finished cells are read from the output and not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from curate.benchmark.data import BenchData
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.benchmark.run import experiment_seed
from curate.filters.drop_wrong import most_informative_threshold
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.folds import group_folds
from curate.models.text.style import LENGTH
from curate.read.pairs import read_pairs
from curate.steps.context import Context, SilentProgress
from curate.steps.evidence import EvidenceSource, LabelEvidence
from curate.steps.registry import build_step, scorer_class
from curate.store.store import open_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIE = 0.05
JUDGED_PAIRS = 50
REWARD_ACCURACY, LENGTH_SHARE = 0.75, 0.5
NOISE = (
    ("symmetric", 0.0),
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("length", 0.5),
    ("topics", 0.2),
    ("topics", 0.4),
)
KNOWLEDGE = ("none", "judged", "reward")
KEYS = ("embedder", "prompts", "pattern", "rate", "knowledge", "seed")
MEASURES = (
    "wrong", "auroc", "information", "information_as_labelled", "calibration_error",
    "expected_wrong", "keep all", "oracle", "drop_wrong", "signed", "cpu_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class NoisyTraining:
    """Training pairs of one cell.

    Attributes:
        data: with their flipped labels.
        flips: (pairs,) which labels were flipped.
        longer: (pairs,) log length of the observed chosen answer less that of the other one.
    """

    data: BenchData
    flips: NDArray[np.bool_]
    longer: NDArray[np.float64]


def read_data(path: Path, embedder: str, prompts: int | None) -> tuple[BenchData, pl.Series]:
    """Pairs with the labels that count as clean, and the source of each prompt."""
    raw = pl.read_parquet(path).filter((pl.col("preference") - 1.5).abs() > TIE)
    if prompts is not None:
        texts = raw["instruction"].unique().sort()
        raw = raw.filter(pl.col("instruction").is_in(texts.sample(prompts, seed=0).implode()))
    second = pl.col("preference") > 1.5
    rows = raw.select(
        "dataset",
        prompt="instruction",
        chosen=pl.when(second).then("output_2").otherwise("output_1"),
        rejected=pl.when(second).then("output_1").otherwise("output_2"),
    )
    pairs = read_pairs(rows).frame
    settings = EmbedderConfig(name=embedder)
    features, _ = embed_frame(pairs, settings, open_store("auto"), SilentProgress())
    # The column `dataset` has few values, so that it is the source of the pairs.
    return BenchData("alpaca-eval", pairs, features), pairs["source"]


def length_difference(data: BenchData) -> NDArray[np.float64]:
    """Log length of chosen less that of rejected, (pairs,)."""
    length = data.features.style[:, LENGTH].astype(np.float64)
    difference: NDArray[np.float64] = (
        length[data.features.index["chosen"]] - length[data.features.index["rejected"]]
    )
    return difference


def flip_probability(
    pattern: str, rate: float, longer: NDArray[np.float64], topics: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of each label, (pairs,); see the module."""
    if pattern == "length":
        return np.where(longer < 0, rate, 0.0)
    if pattern == "topics":
        spread = min(rate, 0.5 - rate)
        count = int(topics.max()) + 1
        return np.linspace(rate - spread, rate + spread, count)[topics]
    return np.full(len(longer), rate)


def simulated_reward(
    longer: NDArray[np.float64], flips: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Margins that side with the right answer on `REWARD_ACCURACY`, oriented to observed labels."""
    sign = np.where(flips, -1.0, 1.0)
    # Oriented to the right answer; less its mean, since length that is right is no error.
    length = longer * sign
    length = (length - length.mean()) / length.std()
    noise = np.sqrt(LENGTH_SHARE) * length
    noise += np.sqrt(1.0 - LENGTH_SHARE) * rng.normal(size=len(length))
    shift = brentq(lambda s: float((noise + s > 0).mean()) - REWARD_ACCURACY, -9.0, 9.0)
    margin: NDArray[np.float64] = sign * (noise + shift)
    return margin


def known_evidence(knowledge: str, train: NoisyTraining, rng: np.random.Generator) -> LabelEvidence:
    """What the posterior is given beside the labels."""
    if knowledge == "judged":
        reviewed = np.zeros(len(train.flips), dtype=np.int8)
        rows = rng.choice(len(reviewed), JUDGED_PAIRS, replace=False)
        reviewed[rows] = np.where(train.flips[rows], -1, 1)
        return LabelEvidence(verdicts=reviewed)
    if knowledge == "reward":
        margin = simulated_reward(train.longer, train.flips, rng)
        return LabelEvidence((EvidenceSource("reward_model.margin", margin),))
    return LabelEvidence()


def information(signed: NDArray[np.float64], flips: NDArray[np.bool_]) -> float:
    """Share of the information of clean labels that weights keep.

    (sum v s)^2 / (n sum v^2) for the weight v of a label less that of its opposite, and s = 1 where
    the label is right, else -1.
    """
    total = float(signed @ np.where(flips, -1.0, 1.0))
    squares = float(signed @ signed)
    return np.sign(total) * total**2 / (len(signed) * squares) if squares > 0 else 0.0


def calibration_error(right: NDArray[np.float64], flips: NDArray[np.bool_]) -> float:
    """Mean difference between posterior and share of right labels, over ten equal groups."""
    order = np.array_split(np.argsort(right), 10)
    gaps = [abs(float(right[rows].mean()) - float((~flips[rows]).mean())) for rows in order]
    return float(np.mean(gaps))


def measure_cell(
    data: BenchData, topics: NDArray[np.int64], pattern: str, rate: float, knowledge: str, seed: int
) -> dict[str, Any]:
    """All measures of one cell."""
    rng = np.random.default_rng(experiment_seed("real size", pattern, rate, seed))
    aside = group_folds(data.groups, 4, 1000 + seed) == 0
    rows = np.flatnonzero(~aside)
    clean = data.take(rows)
    longer = length_difference(clean)
    flips = rng.random(len(rows)) < flip_probability(pattern, rate, longer, topics[rows])
    train = NoisyTraining(clean.flipped(flips), flips, np.where(flips, -longer, longer))
    evidence = known_evidence(knowledge, train, rng)
    features = train.data.features
    context = replace(Context(seed=seed).for_pairs(train.data.pairs, features), evidence=evidence)
    scorer = build_step(scorer_class("label_em"), {}, "label_em")
    started = time.process_time()
    scores = scorer.score(train.data.pairs, context)
    seconds = time.process_time() - started
    # A pair without a posterior stays as it is.
    right = scores["posterior"].fill_null(1.0).fill_nan(1.0).to_numpy()
    signed = 2.0 * right - 1.0
    unjudged = np.ones(len(flips), dtype=bool)
    if evidence.verdicts is not None:
        unjudged = evidence.verdicts == 0
    weights = {
        "keep all": Weights(np.ones(len(flips))),
        "oracle": Weights((~flips).astype(np.float64)),
        "drop_wrong": Weights((right >= most_informative_threshold(right)).astype(np.float64)),
        "signed": Weights(np.maximum(signed, 0.0), np.maximum(-signed, 0.0)),
    }
    result: dict[str, Any] = dict(
        accuracy_by_weighting(train.data, data.take(np.flatnonzero(aside)), weights)
    )
    if flips.any():
        result["auroc"] = float(roc_auc_score(flips[unjudged], -right[unjudged]))
    return result | {
        "pairs": len(flips),
        "wrong": float(flips.mean()),
        "information": information(signed, flips),
        "information_as_labelled": information(np.ones(len(flips)), flips),
        "calibration_error": calibration_error(right[unjudged], flips[unjudged]),
        "expected_wrong": float(1.0 - right.mean()),
        "cpu_seconds": seconds,
    }


def show(path: Path) -> None:
    """Print means over seeds and the spread of the gains, as a Markdown table."""
    table = pl.read_ndjson(path, infer_schema_length=None)
    gains = [(100 * (pl.col(n) - pl.col("keep all"))).alias(f"{n} gain") for n in
             ("oracle", "drop_wrong", "signed")]  # fmt: skip
    spread = pl.col("signed gain").std().alias("signed gain sd")
    keys = [key for key in KEYS if key != "seed"]
    means = table.with_columns(gains).group_by(keys, maintain_order=True).agg(
        pl.len().alias("seeds"), *(pl.col(m).mean() for m in MEASURES),
        *(pl.col(f"{n} gain").mean() for n in ("oracle", "drop_wrong", "signed")), spread,
    )  # fmt: skip
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_formatting="MARKDOWN", float_precision=3,
        tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_width_chars=400,
    ):  # fmt: skip
        print(means)


def main() -> None:
    """Measure the cells that the output lacks, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path("real_size.jsonl"))
    parser.add_argument("--embedder", default="static")
    parser.add_argument("--prompts", type=int, help="Random prompts alone; default all.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--knowledge", default=",".join(KNOWLEDGE))
    parser.add_argument("--show", action="store_true", help="Print the finished cells alone.")
    arguments = parser.parse_args()
    if not arguments.show:
        os.nice(10)
        torch.set_num_threads(1)
        with threadpool_limits(1):
            measure(arguments)
    show(arguments.output)


def measure(arguments: argparse.Namespace) -> None:
    """Append one line for each cell that is not finished."""
    lines = arguments.output.read_text().splitlines() if arguments.output.exists() else []
    finished = {tuple(json.loads(line)[key] for key in KEYS) for line in lines}
    data, sources = read_data(arguments.data, arguments.embedder, arguments.prompts)
    topics = sources.rank("dense").to_numpy().astype(np.int64) - 1
    for seed in range(arguments.seeds):
        for pattern, rate in NOISE:
            for knowledge in arguments.knowledge.split(","):
                key = (arguments.embedder, arguments.prompts, pattern, rate, knowledge, seed)
                if key in finished:
                    continue
                measured = measure_cell(data, topics, pattern, rate, knowledge, seed)
                row = dict(zip(KEYS, key, strict=True)) | measured
                with arguments.output.open("a") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
