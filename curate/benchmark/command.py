"""`curate bench`: reads, embeds, runs the experiments and writes what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from curate.benchmark.advice import Advice, advise
from curate.benchmark.data import BenchData, labels_as_given, semi_synthetic, unanimous_data
from curate.benchmark.given_labels import GivenLabelNoise, label_truth, run_given_labels
from curate.benchmark.method_comparison import MethodComparison, compare_methods
from curate.benchmark.methods import missing_control_notes
from curate.benchmark.patterns import PATTERNS
from curate.benchmark.run import AS_LABELLED, BenchPlan, Experiments, run_bench
from curate.benchmark.summary import KEYS, summarise_experiments
from curate.data.notebook_html import facts_html, table_html
from curate.errors import CurateError, suggestion
from curate.models.embed.frame import embed_frame
from curate.models.embed.notes import embedding_notes
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import Pairs
from curate.report.json_pages import write_json_report
from curate.steps.context import Context, Progress
from curate.steps.features import Features
from curate.steps.next_steps import PAIRS_TO_JUDGE, judging_commands
from curate.store.store import open_store
from curate.verdicts.gold import GoldConfig, gold_verdicts
from curate.verdicts.match import match_verdicts
from curate.versions import versions
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_frame, write_json

BENCH_FILE = "bench.json"
_SHOWN_COLUMNS = ("method", "downstream_accuracy", "gain", "gain_low", "gain_high", "p", "verdict")


@dataclass(frozen=True)
class Synthetic:
    """Semi-synthetic labels: how many pairs, and the standard deviation of their true margins."""

    pairs: int
    scale: float = 4.0
    seed: int = 0


@dataclass(frozen=True)
class Bench:
    """What a bench measured and says.

    Attributes:
        plan: what was tried.
        rows: the results, one row an experiment and method.
        summary: their means, gains and verdicts.
        advice: what to do, one for each dataset, pattern and rate; labels as they are first.
        comparisons: whether methods differ by more than chance.
        noise: what is known of the labels' own noise, by data set.
        notes: what the user should know.
    """

    plan: BenchPlan
    rows: pl.DataFrame
    summary: pl.DataFrame
    advice: list[Advice]
    comparisons: list[MethodComparison]
    noise: dict[str, GivenLabelNoise]
    notes: list[str] = field(default_factory=list)

    def _repr_html_(self) -> str:
        html_parts = []
        for advice in self.advice:
            k = advice.key
            title = f"{k['dataset']}, {k['pattern']} {k['rate']:.0%}"
            rows = self.summary.filter(pl.col(name) == k[name] for name in KEYS)
            table = rows.select(*_SHOWN_COLUMNS).sort("gain", descending=True)
            html_parts.append(facts_html({title: " ".join(advice.sentences)}))
            html_parts.append(table_html("", _SHOWN_COLUMNS, table.rows()))
        return "".join(html_parts)


def check_plan(plan: BenchPlan) -> None:
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

    def summarise(self, sections: Mapping[str, Mapping[str, Any]]) -> Bench:
        """Return the bench with its summary, advice and comparisons."""
        tested = [rankings for result in self.results for rankings in result.tested]
        experiments = Experiments(pl.concat(result.rows for result in self.results), tested)
        summary = summarise_experiments(experiments, self.plan)
        advice = _advise_on_all(experiments, summary, self.plan, sections, self.noise)
        comparisons = compare_methods(experiments.rows)
        notes = [*(missing_control_notes() if self.plan.rates else ()), *self.notes]
        return Bench(self.plan, experiments.rows, summary, advice, comparisons, self.noise, notes)


def bench_datasets(
    sets: Iterable[tuple[str, Pairs]],
    plan: BenchPlan,
    progress: Progress,
    synthetic: Synthetic | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
    gold: pl.DataFrame | GoldConfig | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
) -> Bench:
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
        features, facts = embed_frame(pairs, settings, store, progress, media=source.folders)
        collected.note(name, [*source.reading_notes(), *embedding_notes(facts)])
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
    sections: Mapping[str, Mapping[str, Any]],
    noise: dict[str, GivenLabelNoise],
) -> list[Advice]:
    advice = []
    for tested in experiments.tested:
        name = tested.key["dataset"]
        rows = summary.filter(pl.col(k) == tested.key[k] for k in KEYS)
        tested_advice = advise(tested, rows, plan.writable, sections.get(name))
        is_own = tested.key["pattern"] == AS_LABELLED
        if is_own and not tested_advice.proven and not noise[name].judged_pairs:
            tested_advice = replace(
                tested_advice, next_step=_judging_commands(sections.get(name, {}).get("input", {}))
            )
        advice.append(tested_advice)
    # The user's own labels come first; injected flips only illustrate.
    return sorted(advice, key=lambda a: a.key["pattern"] != AS_LABELLED)


def _judging_commands(source: Mapping[str, Any]) -> str:
    """Return the commands that judge a few pairs of an `input`, and bench again with them."""
    data = f"hf:{source['hf']}" if "hf" in source else source.get("path")
    options = [(f"--{key}", source[key]) for key in ("format", "split", "config") if key in source]
    if columns := source.get("columns"):
        named = {k: "|".join(v) if isinstance(v, list) else v for k, v in columns.items()}
        options.append(("--columns", ",".join(f"{k}={v}" for k, v in named.items())))
    commands = judging_commands(data, options=[word for option in options for word in option])
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
    features, facts = embed_frame(pairs, embedder, store, progress, media=folders)
    return unanimous_data(name, pairs, features), embedding_notes(facts)


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


def write_bench(result: Bench, folder: Path, overwrite: bool) -> None:
    """Write bench.parquet (all rows), bench.json (summary, advice, plan, versions) and its page.

    Raises:
        CurateError: the folder holds something else, or cannot be written.
    """
    with atomic_folder(folder, overwrite, BENCH_FILE) as stage:
        write_frame(result.rows, stage / "bench.parquet")
        write_json(
            {
                "versions": versions(),
                "plan": asdict(result.plan),
                "notes": result.notes,
                "advice": [asdict(a) for a in result.advice],
                "comparisons": [asdict(c) for c in result.comparisons],
                "noise": {name: asdict(estimate) for name, estimate in result.noise.items()},
                "summary": result.summary.to_dicts(),
            },
            stage / BENCH_FILE,
        )
        write_json_report(stage / BENCH_FILE)
