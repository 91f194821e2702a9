"""`curate bench`: reads, embeds, runs the experiments and writes what they say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from curate.bench.data import BenchData, real_data, semi_synthetic
from curate.bench.patterns import PATTERNS
from curate.bench.run import Plan, run_bench
from curate.bench.signal import Comparison, compare_methods
from curate.bench.summary import Advice, advise, summarise
from curate.errors import CurateError, suggestion
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.read.input import InputConfig
from curate.read.pairs import read_pairs
from curate.steps.context import Context, Progress
from curate.store.store import open_store
from curate.versions import versions
from curate.write.run_folder import staged
from curate.write.shards import write_frame, write_json

MARK = "bench.json"


@dataclass(frozen=True)
class Synthetic:
    """Semi-synthetic labels: how many pairs, and the standard deviation of their true margins."""

    pairs: int
    scale: float = 4.0
    seed: int = 0


@dataclass(frozen=True)
class Bench:
    """What was tried; the results, one row an experiment and method; what they say; what to do."""

    plan: Plan
    rows: pl.DataFrame
    summary: pl.DataFrame
    advice: list[Advice]
    comparisons: list[Comparison]


def check_plan(plan: Plan) -> None:
    """Raise CurateError for a rate or pattern that cannot be tried."""
    check_rates(plan.rates)
    for pattern in plan.patterns:
        if pattern not in PATTERNS:
            fix = suggestion(pattern, PATTERNS)
            raise CurateError(
                "unknown noise pattern", where="--patterns", found=repr(pattern), fix=fix
            )


def check_rates(rates: tuple[float, ...]) -> None:
    """Raise CurateError for a rate of flips that cannot be tried."""
    for rate in rates:
        if not 0 <= rate < 0.5:
            raise CurateError(
                "wrong noise rate", where="--noise", found=str(rate), expected="0 to below 0.5"
            )


def bench(
    inputs: list[InputConfig],
    plan: Plan,
    progress: Progress,
    synthetic: Synthetic | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
) -> Bench:
    """Run all experiments on all data sets.

    Args:
        inputs: the data sets.
        plan: what is tried on each.
        progress: where progress is shown.
        synthetic: label the texts by a known reward instead.
        embedder: of the features.
        store: as in pipeline.yaml; answers of language models and endpoints are kept in it.

    Raises:
        CurateError: a mistake in the plan or the data.
    """
    check_plan(plan)
    context = Context(store=open_store(store))
    parts = []
    for source in inputs:
        data = load(source, progress, synthetic, embedder or EmbedderConfig(), store)
        parts.append(run_bench(data, plan, progress, context))
    rows = pl.concat(parts)
    summary = summarise(rows)
    return Bench(plan, rows, summary, advise(summary), compare_methods(rows))


def load(
    source: InputConfig,
    progress: Progress,
    synthetic: Synthetic | None,
    embedder: EmbedderConfig,
    store: str | None,
) -> BenchData:
    """The pairs of a data set whose labels count as clean, with features."""
    pairs = read_pairs(**dict(source), progress=progress).frame
    features, _ = embed_frame(pairs, embedder, store, progress)
    name = source.hf or dataset_name(str(source.path))
    if synthetic is None:
        return real_data(name, pairs, features)
    return semi_synthetic(name, pairs, features, synthetic.pairs, synthetic.scale, synthetic.seed)


def dataset_name(path: str) -> str:
    """The folder and stem of a path: data sets often share the names of their files."""
    place = Path(path.replace("*", "").rstrip("/"))
    stem = place.name.split(".")[0]
    return "/".join(part for part in (place.parent.name, stem) if part)


def write_bench(found: Bench, folder: Path, overwrite: bool) -> None:
    """Write bench.parquet (all rows) and bench.json (summary, advice, plan, versions).

    Raises:
        CurateError: the folder holds something else, or cannot be written.
    """
    with staged(folder, overwrite, MARK) as stage:
        write_frame(found.rows, stage / "bench.parquet")
        write_json(
            {
                "versions": versions(),
                "plan": asdict(found.plan),
                "advice": [asdict(a) for a in found.advice],
                "comparisons": [asdict(c) for c in found.comparisons],
                "summary": found.summary.to_dicts(),
            },
            stage / MARK,
        )
