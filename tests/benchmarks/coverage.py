"""Whether what is reported of the noise rate holds, on real sets with wrong labels of known shares.

    python -m tests.benchmarks.coverage DATA [--seeds 3] [--sets small,real] [--output x.parquet]

DATA holds the published files in the folders that `denoising.sh` names and, for `real`,
alpaca-eval/pairs.parquet (CC BY-NC: measured, never copied). Labels on which all votes agree, or
GPT-4's, count as right; embeddings are static. By pattern:

    symmetric         every label is flipped with the same probability
    ambiguity, topic  those of `curate bench`
    longer            flipped with this probability where the rejected answer is longer
    longer, symmetric .5 of `longer`, and then symmetric

A cell reports nothing (heads learn nothing, or labels follow a rule), a bound, or an estimate with
its interval, as `curate audit` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.benchmark.data import BenchData
from curate.benchmark.patterns import ambiguity_flips, symmetric_flips, topic_flips
from curate.benchmark.run import experiment_seed
from curate.models.heads.noise.calibration import fit_scale
from curate.models.heads.noise.rate import estimate_noise_rate
from curate.models.heads.partitions import pair_partitions
from curate.models.heads.posterior.averaging import Priors, average_posterior
from curate.models.heads.posterior.axes import DIFFUSE
from curate.models.heads.posterior.observations import Observations, unit_scale
from curate.models.heads.ridge.data import RidgeData
from curate.models.heads.ridge.evidence import Evidence, Ridge
from curate.models.heads.ridge.margins import VIEWS, vote_weights
from curate.models.text.style import LENGTH
from curate.steps.context import Context
from tests.benchmarks.model_pairs import against_baseline, bench_data, between_models
from tests.benchmarks.noise_score import SETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = (
    *(("symmetric", rate) for rate in (0.0, 0.1, 0.2, 0.3, 0.4)),
    *(("ambiguity", rate) for rate in (0.1, 0.2, 0.3, 0.4)),
    *(("topic", rate) for rate in (0.1, 0.2, 0.3, 0.4)),
    *(("longer", rate) for rate in (0.25, 0.5, 0.75, 1.0)),
    *(("longer, symmetric", rate) for rate in (0.1, 0.2, 0.3)),
)
BETWEEN = (1250, 2500, 5000, 10_000)


class FlippableMargins:
    """Held-out margins of one dataset under any flips of its labels.

    A flipped label turns its pair's features and leaves its target, or leaves the features and
    turns the target: so words are counted once for all cells.
    """

    def __init__(self, data: BenchData) -> None:
        context = Context().for_pairs(data.pairs, data.features)
        self._partitions = pair_partitions(data.pairs, context)
        one = np.ones(len(data.pairs))
        weights = vote_weights(context.vote_keys(data.pairs), one.astype(bool))
        self._rows = RidgeData(self._partitions, data.pairs, weights, one, styled=True)

    def margins(self, flips: NDArray[np.bool_]) -> NDArray[np.float64]:
        """As `held_out_margins` of the flipped pairs, up to a factor."""
        side = np.where(flips, -1.0, 1.0)
        rows = copy(self._rows)
        differences, counts, weights, _, groups = rows._columns
        rows._columns = [differences, counts, weights, [*self._partitions.split(side)], groups]
        sums, total = rows.sums(), np.zeros(len(side))
        for centre in VIEWS:
            evidence = Evidence(rows.widths, centre)
            view = rows.left_out(Ridge.fit(sums, evidence, evidence.strengths(sums)))
            total += view / float(view.std())
        return total * side


def flipped_labels(
    data: BenchData, pattern: str, rate: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(pairs,) which labels a pattern makes wrong."""
    if pattern in {"symmetric", "ambiguity", "topic"}:
        return {"symmetric": symmetric_flips, "ambiguity": ambiguity_flips, "topic": topic_flips}[
            pattern
        ](data, rate, rng)
    length, index = data.features.style[:, LENGTH], data.features.index
    shorter = length[index["chosen"]] < length[index["rejected"]]
    draws = rng.random((2, len(data.pairs)))
    if pattern == "longer":
        return shorter & (draws[0] < rate)
    return (shorter & (draws[0] < 0.5)) ^ (draws[1] < rate)


def cell(
    data: BenchData, heads: FlippableMargins, pattern: str, rate: float, seed: int
) -> dict[str, Any]:
    """What is reported of one noisy set, and whether it holds."""
    rng = np.random.default_rng(experiment_seed(data.name, pattern, rate, seed))
    flips = flipped_labels(data, pattern, rate, rng)
    margins, true = heads.margins(flips), float(flips.mean())
    labels = Observations.from_margins(unit_scale(margins))
    noisy, averaged = data.flipped(flips), average_posterior(labels, Priors(DIFFUSE))
    estimate = estimate_noise_rate(margins, noisy.pairs, data.groups, averaged=averaged)
    is_bound, is_estimate = estimate.high is not None, estimate.rate is not None
    return {
        "set": data.name,
        "pairs": len(margins),
        "pattern": pattern,
        "rate": rate,
        "seed": seed,
        "true": true,
        "rule": estimate.rule is not None,
        "bound": is_bound,
        "bound_held": true <= estimate.high if estimate.high is not None else None,
        "above": estimate.high - true if estimate.high is not None else None,
        "estimate": is_estimate,
        "held": estimate.low <= true <= estimate.high if is_estimate else None,  # type: ignore[operator]
        "width": estimate.high - estimate.low if is_estimate else None,  # type: ignore[operator]
        "error": abs(estimate.rate - true) if estimate.rate is not None else None,
    }


def datasets(folder: Path, kinds: list[str]) -> Iterator[BenchData]:
    """The six small sets; parts of ten thousand pairs against one model, and between models."""
    if "small" in kinds:
        yield from (bench_data(folder / files, name) for name, files in SETS.items())
    if "real" in kinds:
        pairs = folder / "alpaca-eval" / "pairs.parquet"
        data = against_baseline(pairs)
        prompts = np.random.default_rng(0).permutation(int(data.groups.max()) + 1)
        for share in (0.25, 0.5, 1.0):
            chosen = prompts[: int(share * len(prompts))]
            yield data.take(np.flatnonzero(np.isin(data.groups, chosen)))
        yield from (between_models(pairs, count) for count in BETWEEN)


def main() -> None:
    """Print how often bounds and intervals hold the truth, by pattern, rate and set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default="small,real")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for data in datasets(arguments.data, arguments.sets.split(",")):
        heads = FlippableMargins(data)
        clean = heads.margins(np.zeros(len(data.pairs), dtype=bool))
        finished = replace(data, margin=fit_scale(clean) * clean)
        for pattern, rate in CELLS:
            rows += [cell(finished, heads, pattern, rate, seed) for seed in range(arguments.seeds)]
        print(f"{data.name}: {len(data.pairs):,} pairs", flush=True)
    table = pl.DataFrame(rows, infer_schema_length=None)
    if arguments.output is not None:
        table.write_parquet(arguments.output)
    wide = {"tbl_rows": 100, "tbl_cols": 20, "tbl_width_chars": 160, "float_precision": 3}
    with pl.Config(**wide):
        for by in (["pattern"], ["pattern", "rate"], ["set", "pairs"], ["seed"]):
            cells_of_set = table.group_by(by, maintain_order=True).agg(
                pl.len().alias("cells"),
                pl.col("rule", "bound", "bound_held", "above", "estimate", "held").mean(),
                pl.col("width", "error").mean(),
                pl.col("error").max().alias("largest"),
            )
            print(cells_of_set.sort(by))


if __name__ == "__main__":
    main()
