"""What the advice of `curate bench` regains on truly clean prompts, by noisy labels alone.

    python -m tests.benchmarks.bench_advice DATA [--seeds 5] [--only LLMBar*,alpaca-eval]
        [--rates 0,0.2,0.4] [--no-bench] [--output bench_advice.jsonl] [--show]

Sets are those of `noise_score.py` and, where DATA has them, AlpacaEval's pairs (`alpaca-eval`) and
pairs between its models (`between`; the better answer is that of the larger preference over the
common baseline), both with static vectors. Of each set a quarter of the prompts is put aside with
its clean labels. The labels of the others are flipped; the bench sees these alone and advises. Then
every step is applied to all of them, and a fresh head is tested on the prompts put aside: one that
sees all that scorers see, and one that sees embeddings alone.

Whether the bench's own estimates hold is measured on its held-out pairs, whose clean labels are
known here: errors (in points) and coverage of the 95 % interval, mean over steps, of labels counted
as they are and divided by 1 - 2e (`labels`), of the posterior alone (`posterior`), and of
`clean_gain` (`bench`). `false`: a step that gains nothing is called a help. `label noise`: how far
the labels alone are off for the default step, in standard errors of independent labels. Finished
cells are read from the output and not measured again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from curate.benchmark.actions import ACTIONS, DEFAULT
from curate.benchmark.advice import advise
from curate.benchmark.clean_gain import clean_difference
from curate.benchmark.data import BenchData, labels_as_given, unanimous_data
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.benchmark.given_labels import label_truth, run_given_labels
from curate.benchmark.paired_gains import HELPS, Rankings, paired_gain
from curate.benchmark.patterns import inject_flips
from curate.benchmark.recipes import apply_recipe
from curate.benchmark.run import KEEP_ALL, BenchPlan, experiment_seed
from curate.benchmark.summary import summarise_experiments
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.folds import group_folds
from curate.read.pairs import read_pairs
from curate.steps.context import Context, SilentProgress
from curate.store.store import open_store
from tests.benchmarks.noise_score import real_sets
from tests.benchmarks.real_size import read_data

ORACLE, ADVISED = "oracle", "advised"
EMBEDDINGS = "embeddings: "
"""Before the names of steps whose fresh heads see embeddings alone."""
ESTIMATES = ("labels", "posterior", "bench")
NAMES = tuple(action.name for action in ACTIONS)


def between_models(path: Path, most: int = 40_000) -> BenchData:
    """Answers of two models to one prompt, whose preferences over the baseline differ by .2."""
    raw = pl.read_parquet(path).select("instruction", "output_2", "preference", "generator_2")
    both = raw.join(raw, on="instruction", suffix="_other").filter(
        pl.col("generator_2") < pl.col("generator_2_other"),
        (pl.col("preference") - pl.col("preference_other")).abs() > 0.2,
    )
    sides = pl.col("output_2"), pl.col("output_2_other")
    first = pl.when(pl.col("preference") > pl.col("preference_other"))
    rows = both.sample(min(most, len(both)), seed=0).select(
        prompt="instruction",
        chosen=first.then(sides[0]).otherwise(sides[1]),
        rejected=first.then(sides[1]).otherwise(sides[0]),
    )
    pairs = read_pairs(rows).frame
    settings = EmbedderConfig(name="static")
    features, _ = embed_frame(pairs, settings, open_store("auto"), SilentProgress())
    return unanimous_data("between", pairs, features)


def read_sets(folder: Path, only: list[str]) -> list[BenchData]:
    """The data sets of these names; default all that are there."""
    sets = [data for _, data in real_sets(folder, only)]
    pairs = folder / "alpaca-eval" / "pairs.parquet"
    if pairs.exists() and (not only or "alpaca-eval" in only):
        sets.append(read_data(pairs, "static", None)[0])
    if pairs.exists() and (not only or "between" in only):
        sets.append(between_models(pairs))
    return sets


def check_estimates(tested: Rankings, sign: np.ndarray, rate: float) -> dict[str, float]:
    """Errors in points and coverage of three estimates of each step's gain on clean labels."""
    assert tested.truth is not None
    errors: dict[str, list[tuple[float, bool]]] = {}
    for column, name in enumerate(tested.methods):
        if name not in NAMES:
            continue
        labelled = tested.right[:, column] - tested.right[:, 0]
        true_gain = float((labelled * sign).mean())
        truth = tested.truth.take(tested.rows)
        shrunk = paired_gain(labelled / (1.0 - 2.0 * rate), tested.prompts, tested.seeds)
        posterior = clean_difference(labelled, truth, spread=0.0)
        alone = paired_gain(posterior.expected, tested.prompts, tested.seeds, posterior.means)
        estimates = {"labels": shrunk, "posterior": alone, "bench": tested.gain(name)}
        for kind, gain in estimates.items():
            covered = gain.low - 1e-9 <= true_gain <= gain.high + 1e-9
            errors.setdefault(kind, []).append((100 * (gain.mean - true_gain), covered))
    checks = {"label noise": label_noise(tested, sign, rate)}
    for kind, values in errors.items():
        checks[f"{kind} error"] = float(np.sqrt(np.mean([error**2 for error, _ in values])))
        checks[f"{kind} held"] = float(np.mean([covered for _, covered in values]))
    return checks


def label_noise(tested: Rankings, sign: np.ndarray, rate: float) -> float:
    """Error of the default step's gain by labels alone, in standard errors of independent labels.

    Its mean square is 1 if the labels of different folds err independently of the heads; 0 without
    flips.
    """
    column = tested.methods.index(DEFAULT)
    labelled = tested.right[:, column] - tested.right[:, 0]
    variance = 4.0 * rate * (1.0 - rate) * float(np.square(labelled).sum())
    error = float((labelled - (1.0 - 2.0 * rate) * labelled * sign).sum())
    return error / np.sqrt(variance) if variance > 0 else 0.0


def bench_noisy(noisy: BenchData, flips: np.ndarray, rate: float) -> dict[str, object]:
    """What the bench says of a noisy file, and whether that is true of its clean labels."""
    plan, context = BenchPlan(methods=()), Context()
    data = labels_as_given(noisy.name, noisy.pairs, noisy.features)
    truth, noise = label_truth(data, context)
    result = run_given_labels(data, plan, SilentProgress(), truth, context)
    (tested,), summary = result.tested, summarise_experiments(result, plan)
    advice = advise(tested, summary, plan.writable)
    sign = np.where(flips, -1.0, 1.0)[tested.rows]
    helping = summary.filter(pl.col("verdict") == HELPS)["method"].to_list()
    gains = {
        name: float(((tested.right[:, k] - tested.right[:, 0]) * sign).mean())
        for k, name in enumerate(tested.methods)
    }
    return {
        "advice": advice.method or KEEP_ALL,
        "proven": advice.proven,
        "false": any(gains[name] <= 0 for name in helping),
        "flip_rate": noise.rate,
    } | check_estimates(tested, sign, rate)


def cell(data: BenchData, rate: float, seed: int, with_bench: bool) -> dict[str, object]:
    """Accuracy on clean prompts after each step, and which one was advised."""
    rng = np.random.default_rng(experiment_seed("advice", data.name, rate, seed))
    aside = group_folds(data.groups, 4, 1000 + seed) == 0
    train, clean = data.take(np.flatnonzero(~aside)), data.take(np.flatnonzero(aside))
    noisy, flips = inject_flips(train, "symmetric", rate, rng)
    context = noisy.context(Context(), seed)
    weights = {KEEP_ALL: Weights(np.ones(len(flips))), ORACLE: Weights((~flips).astype(float))}
    weights |= {a.name: apply_recipe(noisy, a, context).weights() for a in ACTIONS}
    row: dict[str, object] = {"set": data.name, "rate": rate, "seed": seed}
    if with_bench:
        row |= bench_noisy(noisy, flips, rate)
    embedded = accuracy_by_weighting(noisy, clean, weights, style=False)
    row |= {f"{EMBEDDINGS}{name}": value for name, value in embedded.items()}
    return row | accuracy_by_weighting(noisy, clean, weights)


def measure(arguments: argparse.Namespace) -> None:
    """Append one line for each cell that is not finished."""
    output: Path = arguments.output
    lines = output.read_text().splitlines() if output.exists() else []
    finished = {tuple(json.loads(line)[key] for key in ("set", "rate", "seed")) for line in lines}
    only = [name for name in arguments.only.split(",") if name]
    rates = [float(rate) for rate in arguments.rates.split(",")]
    sets = read_sets(arguments.data, only)
    for seed in range(arguments.seeds):
        for data in sets:
            for rate in rates:
                if (data.name, rate, seed) not in finished:
                    row = cell(data, rate, seed, not arguments.no_bench)
                    with output.open("a") as file:
                        file.write(json.dumps(row) + "\n")


def show(output: Path) -> None:
    """Print mean gains over keeping all in points, and what the bench says of itself."""
    table = pl.read_ndjson(output, infer_schema_length=None)
    names = [KEEP_ALL, ORACLE, *NAMES]
    if "advice" in table.columns:
        advised = pl.coalesce(pl.when(pl.col("advice") == n).then(pl.col(n)) for n in names)
        table = table.with_columns(advised.alias(ADVISED))
    _print_gains(table, KEEP_ALL, [n for n in (*names[1:], ADVISED) if n in table.columns])
    if f"{EMBEDDINGS}{KEEP_ALL}" in table.columns:
        _print_gains(table, f"{EMBEDDINGS}{KEEP_ALL}", [f"{EMBEDDINGS}{n}" for n in names[1:]])
    kinds = [f"{kind} {what}" for what in ("error", "held") for kind in ESTIMATES]
    if "advice" in table.columns:
        sentence = [pl.col(n).mean() for n in ("proven", "false", "flip_rate", *kinds)]
        sentence.append(pl.col("label noise").pow(2).mean())
        _print(table.group_by("set", "rate", maintain_order=True).agg(pl.len(), *sentence))


def _print_gains(table: pl.DataFrame, base: str, names: list[str]) -> None:
    """Mean gains in points with their standard errors over cells, by rate."""
    gains = table.with_columns((100 * (pl.col(n) - pl.col(base))).alias(n) for n in names)
    means = [
        pl.format("{} ±{}", pl.col(n).mean().round(2), (pl.col(n).std() / pl.len().sqrt()).round(2))
        for n in names
    ]
    for keys in (["set", "rate"], ["rate"]):
        groups = gains.group_by(keys, maintain_order=True)
        _print(
            groups.agg(
                pl.len(),
                pl.col(base).mean(),
                *(m.alias(n) for m, n in zip(means, names, strict=True)),
            )
        )


def _print(table: pl.DataFrame) -> None:
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_formatting="MARKDOWN", float_precision=3,
        tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_width_chars=400,
    ):  # fmt: skip
        print(table)


def main() -> None:
    """Measure the cells that the output lacks, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="Names of sets by commas; default all.")
    parser.add_argument("--rates", default="0,0.2,0.4")
    parser.add_argument("--output", type=Path, default=Path("bench_advice.jsonl"))
    parser.add_argument("--no-bench", action="store_true", help="Every step, and no advice.")
    parser.add_argument("--show", action="store_true", help="Print the finished cells alone.")
    arguments = parser.parse_args()
    if not arguments.show:
        with threadpool_limits(1):
            measure(arguments)
    show(arguments.output)


if __name__ == "__main__":
    main()
