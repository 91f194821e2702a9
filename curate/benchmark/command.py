"""`curate bench`: reads, embeds, runs the experiments and writes what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from curate.benchmark.advice import Advice, advise
from curate.benchmark.data import BenchData, labels_as_given, semi_synthetic, unanimous_data
from curate.benchmark.given_labels import GivenLabelNoise, label_truth, run_given_labels
from curate.benchmark.method_comparison import compare_methods
from curate.benchmark.methods import missing_control_notes
from curate.benchmark.page import bench_html
from curate.benchmark.patterns import PATTERNS
from curate.benchmark.report import BenchReport
from curate.benchmark.run import BenchPlan, Experiments, run_bench
from curate.benchmark.summary import summarise_experiments
from curate.data.json_types import Json
from curate.errors import CurateError, suggestion
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.option_names import option_name
from curate.read.pairs import Pairs
from curate.report.page import write_page
from curate.steps.context import Context, Progress
from curate.steps.features import Features
from curate.steps.next_steps import PAIRS_TO_JUDGE, judging_commands
from curate.store.store import open_store
from curate.verdicts.gold import GoldConfig, gold_verdicts
from curate.verdicts.match import match_verdicts
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_frame, write_json

BENCH_FILE, BENCH_PAGE = "bench.json", "bench.html"


@dataclass(frozen=True)
class Synthetic:
    """Semi-synthetic labels: how many pairs, and the standard deviation of their true margins."""

    pairs: int
    scale: float = 4.0
    seed: int = 0


def check_plan(plan: BenchPlan) -> None:
    """Raise CurateError for a rate or pattern that cannot be tried."""
    check_rates(plan.rates)
    for pattern in plan.patterns:
        if pattern not in PATTERNS:
            fix = suggestion(pattern, PATTERNS)
            where = option_name("patterns")
            raise CurateError("unknown noise pattern", where=where, found=repr(pattern), fix=fix)


def check_rates(rates: tuple[float, ...]) -> None:
    """Raise CurateError for a rate of flips that cannot be tried."""
    for rate in rates:
        if not 0 <= rate < 0.5:
            raise CurateError(
                "wrong noise rate",
                where=option_name("noise"),
                found=str(rate),
                expected="0 to below 0.5",
            )


@dataclass(frozen=True)
class _CollectedResults:
    """Results, label noise and notes, collected dataset by dataset."""

    plan: BenchPlan
    context: Context
    results: list[Experiments] = field(default_factory=list)
    noise: dict[str, GivenLabelNoise] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, name: str, lines: list[str]) -> None:
        """Add notes on the dataset `name`."""
        self.notes.extend(f"{name}: {line}" for line in lines)

    def run_as_labelled(self, data: BenchData) -> None:
        """Run the experiments on the labels as they are."""
        truth, self.noise[data.name] = label_truth(data, self.context)
        progress = self.context.progress
        self.results.append(run_given_labels(data, self.plan, progress, truth, self.context))

    def run_with_flips(self, data: BenchData) -> None:
        """Run the experiments on clean labels with injected flips."""
        self.results.append(run_bench(data, self.plan, self.context.progress, self.context))

    def summarise(self, sections: Mapping[str, Mapping[str, Json]]) -> BenchReport:
        """Return the bench with its summary, advice and comparisons."""
        tested = [rankings for result in self.results for rankings in result.tested]
        experiments = Experiments(pl.concat(result.rows for result in self.results), tested)
        summary = summarise_experiments(experiments, self.plan)
        advice = _advise_on_all(experiments, summary, self.plan, sections, self.noise)
        comparisons = compare_methods(experiments.rows)
        notes = [*(missing_control_notes() if self.plan.rates else ()), *self.notes]
        return BenchReport(
            self.plan, experiments.rows, summary, advice, comparisons, self.noise, notes
        )


def bench_datasets(
    sets: Iterable[tuple[str, Pairs]],
    plan: BenchPlan,
    progress: Progress,
    synthetic: Synthetic | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
    gold: pl.DataFrame | GoldConfig | None = None,
    sections: Mapping[str, Mapping[str, Json]] | None = None,
) -> BenchReport:
    """Run all experiments on all datasets.

    Args:
        sets: name and pairs of each dataset; of an iterator one at a time is in memory.
        plan: what is tried on each.
        progress: receives the progress.
        synthetic: label the texts by a known reward instead of using their labels.
        embedder: embedder of the features.
        store: see `store` in pipeline.yaml; it also holds answers of language models and endpoints.
        gold: verdicts on pairs, or where they are; steps and tests take them as the truth.
        sections: other sections of the recommended pipeline, by dataset.

    Raises:
        CurateError: a mistake in the plan or the data.
    """
    check_plan(plan)
    collected = _CollectedResults(plan, Context(store=open_store(store), progress=progress))
    settings = embedder or EmbedderConfig()
    for name, source in sets:
        pairs = source.frame
        features, embedding = embed_frame(pairs, settings, store, progress, media=source.folders)
        collected.note(name, [*source.reading_notes(), *embedding.notes])
        if synthetic is None and plan.as_labelled:
            verdicts = _match_gold(name, pairs, gold, collected.notes)
            collected.run_as_labelled(labels_as_given(name, pairs, features, verdicts))
        # Injected flips need labels that count as clean; labels as they are need none.
        if list(plan.cells()):
            collected.run_with_flips(_clean_labels(name, pairs, features, synthetic))
    return collected.summarise(sections or {})


def _match_gold(
    name: str, pairs: pl.DataFrame, gold: pl.DataFrame | GoldConfig | None, notes: list[str]
) -> pl.DataFrame | None:
    """Return the verdicts on labels as they stand in the pairs; notes get what the user should
    know.
    """
    if gold is None:
        return None
    warnings: list[str] = []
    matched = match_verdicts(pairs, gold_verdicts(gold, pairs, warnings))
    notes += [f"{name}: gold: {line}" for line in (*warnings, *matched.warnings())]
    return matched.frame


def _advise_on_all(
    experiments: Experiments,
    summary: pl.DataFrame,
    plan: BenchPlan,
    sections: Mapping[str, Mapping[str, Json]],
    noise: dict[str, GivenLabelNoise],
) -> list[Advice]:
    advice = []
    for tested in experiments.tested:
        name, rows = tested.key.dataset, tested.key.rows(summary)
        tested_advice = advise(tested, rows, plan.writable, sections.get(name))
        is_own = tested.key.is_as_labelled
        if is_own and not tested_advice.proven and not noise[name].judged_pairs:
            commands = _judging_commands(sections.get(name, {}).get("input"))
            tested_advice = replace(tested_advice, next_step=commands)
        advice.append(tested_advice)
    # The user's own labels come first; injected flips only illustrate.
    return sorted(advice, key=lambda a: not a.key.is_as_labelled)


def _judging_commands(source: Json) -> str:
    """Return the commands that judge a few pairs of an `input`, and bench again with them."""
    source = source if isinstance(source, Mapping) else {}
    data = f"hf:{source['hf']}" if "hf" in source else source.get("path")
    options = [
        (f"--{key}", str(source[key])) for key in ("format", "split", "config") if key in source
    ]
    columns = source.get("columns")
    if isinstance(columns, Mapping) and columns:
        named = {k: "|".join(map(str, v)) if isinstance(v, list) else v for k, v in columns.items()}
        options.append(("--columns", ",".join(f"{k}={v}" for k, v in named.items())))
    words = [word for option in options for word in option]
    commands = judging_commands(None if data is None else str(data), options=words)
    again = commands.audit.replace("curate audit", "curate bench", 1)
    intro = f"{PAIRS_TO_JUDGE} randomly drawn and reviewed pairs would show more:"
    return "\n  ".join((intro, commands.route, commands.review, f"{again} --noise none"))


def clean_data(
    name: str,
    pairs: pl.DataFrame,
    embedder: EmbedderConfig,
    progress: Progress,
    store: str | None = "auto",
    folders: tuple[Path, ...] = (),
) -> tuple[BenchData, list[str]]:
    """Return the pairs of a dataset whose labels count as clean, and what vectors do not see of
    them.
    """
    features, embedding = embed_frame(pairs, embedder, store, progress, media=folders)
    return unanimous_data(name, pairs, features), embedding.notes


def _clean_labels(
    name: str, pairs: pl.DataFrame, features: Features, synthetic: Synthetic | None
) -> BenchData:
    if synthetic is None:
        return unanimous_data(name, pairs, features)
    return semi_synthetic(name, pairs, features, synthetic.pairs, synthetic.scale, synthetic.seed)


def dataset_name(path: str) -> str:
    """Return the folder and stem of a path: datasets often share the names of their files."""
    if path.startswith("hf:"):
        return path.removeprefix("hf:")
    file_path = Path(path.replace("*", "").rstrip("/"))
    stem = file_path.name.split(".")[0]
    return "/".join(component for component in (file_path.parent.name, stem) if component)


def write_bench(result: BenchReport, folder: Path, overwrite: bool) -> None:
    """Write bench.parquet (all rows), bench.json (summary, advice, plan, versions) and its page.

    Raises:
        CurateError: the folder holds something else, or cannot be written.
    """
    with atomic_folder(folder, overwrite, BENCH_FILE) as stage:
        write_frame(result.rows, stage / "bench.parquet")
        write_json(result.to_json(), stage / BENCH_FILE)
        write_page(bench_html(result.findings()), stage / BENCH_PAGE)
