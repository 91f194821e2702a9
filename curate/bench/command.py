"""`curate bench`: reads, embeds, runs the experiments and writes what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from curate.bench.advice import Advice, advise
from curate.bench.data import FOLDS, BenchData, as_labelled, real_data, semi_synthetic
from curate.bench.own_labels import OwnNoise, label_truth, run_own_labels
from curate.bench.patterns import PATTERNS
from curate.bench.run import AS_LABELLED, Experiments, Plan, run_bench
from curate.bench.signal import Comparison, compare_methods
from curate.bench.summary import KEYS, summarise
from curate.data.html import facts_html, table_html
from curate.errors import CurateError, suggestion
from curate.models.embed.frame import embed_frame
from curate.models.embed.notes import embedding_notes
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import Pairs, read_pairs
from curate.report.json_pages import write_json_report
from curate.steps.context import Context, Progress, SilentProgress
from curate.steps.features import Features
from curate.steps.next_steps import PAIRS_TO_JUDGE, judging_commands
from curate.store.store import open_store
from curate.verdicts.gold import GoldConfig, as_gold, gold_verdicts
from curate.verdicts.match import match_verdicts
from curate.versions import versions
from curate.write.run_folder import staged
from curate.write.shards import write_frame, write_json

MARK = "bench.json"
_SHOWN = ("method", "downstream_accuracy", "gain", "gain_low", "gain_high", "p", "verdict")


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
        advice: what to do, one for each data set, pattern and rate; labels as they are first.
        comparisons: whether methods differ by more than chance.
        noise: what is known of the labels' own noise, by data set.
        notes: what the user should know.
    """

    plan: Plan
    rows: pl.DataFrame
    summary: pl.DataFrame
    advice: list[Advice]
    comparisons: list[Comparison]
    noise: dict[str, OwnNoise]
    notes: list[str] = field(default_factory=list)

    def _repr_html_(self) -> str:
        parts = []
        for advice in self.advice:
            k = advice.key
            title = f"{k['dataset']}, {k['pattern']} {k['rate']:.0%}"
            rows = self.summary.filter(pl.col(name) == k[name] for name in KEYS)
            shown = rows.select(*_SHOWN).sort("gain", descending=True)
            parts.append(facts_html({title: " ".join(advice.sentences)}))
            parts.append(table_html("", _SHOWN, shown.rows()))
        return "".join(parts)


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
    sets: Iterable[tuple[str, Pairs]],
    plan: Plan,
    progress: Progress,
    synthetic: Synthetic | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
    gold: pl.DataFrame | GoldConfig | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
) -> Bench:
    """Run all experiments on all data sets.

    Args:
        sets: name and pairs of each data set; of an iterator one at a time is in memory.
        plan: what is tried on each.
        progress: where progress is shown.
        synthetic: label the texts by a known reward instead; labels as they are are then no matter.
        embedder: of the features.
        store: as in pipeline.yaml; answers of language models and endpoints are kept in it.
        gold: verdicts on pairs, or where they are; steps and tests take them as the truth.
        sections: of the pipeline that is advised for a data set, beside scorers and filters.

    Raises:
        CurateError: a mistake in the plan or the data.
    """
    check_plan(plan)
    context = Context(store=open_store(store), progress=progress)
    parts: list[Experiments] = []
    noise: dict[str, OwnNoise] = {}
    notes: list[str] = []
    for name, read in sets:
        pairs = read.frame
        features, facts = embed_frame(
            pairs, embedder or EmbedderConfig(), store, progress, media=read.folders
        )
        notes += [f"{name}: {line}" for line in (*read.reading_notes(), *embedding_notes(facts))]
        if synthetic is None and plan.as_labelled:
            own = as_labelled(name, pairs, features, _verdicts(name, pairs, gold, notes))
            truth, noise[name] = label_truth(own, context)
            parts.append(run_own_labels(own, plan, progress, truth, context))
        # Injected flips need labels that count as clean; labels as they are need none.
        if list(plan.cells()):
            data = _clean(name, pairs, features, synthetic)
            parts.append(run_bench(data, plan, progress, context))
    both = Experiments(pl.concat(p.rows for p in parts), [t for p in parts for t in p.tested])
    summary = summarise(both, plan)
    return Bench(
        plan,
        both.rows,
        summary,
        _advice(both, summary, plan, sections or {}, noise),
        compare_methods(both.rows),
        noise,
        notes,
    )


def bench_data(
    data: Any,
    *,
    name: str = "pairs",
    noise: tuple[float, ...] = (),
    patterns: tuple[str, ...] = ("symmetric",),
    seeds: int = FOLDS,
    gold: Any = None,
    embedder: str | EmbedderConfig = "auto",
    progress: Progress | None = None,
    store: str | None = "auto",
) -> Bench:
    """Test steps on the labels as they are, and with flips where `noise` names shares.

    Args:
        data: pairs of `read_pairs`, or whatever that takes.
        name: of the data set, in tables.
        noise: shares of labels to flip.
        patterns: of flips.
        seeds: draws; five in a row test every prompt once.
        gold: judged pairs, which steps and tests then take as the truth: a file of verdicts,
            several, {"column": "extra.x"}, or verdicts of `read_verdicts`.
        embedder: its name or settings.
        progress: where progress is shown; default nowhere.
        store: as in pipeline.yaml.

    Raises:
        CurateError: a mistake in the options, or data that cannot be read.
    """
    pairs = data if isinstance(data, Pairs) else read_pairs(data)
    settings = EmbedderConfig(name=embedder) if isinstance(embedder, str) else embedder
    plan = Plan(noise, patterns, seeds)
    shown = progress or SilentProgress()
    judged = gold if isinstance(gold, pl.DataFrame) else as_gold(gold)
    return bench([(name, pairs)], plan, shown, embedder=settings, store=store, gold=judged)


def _verdicts(
    name: str, pairs: pl.DataFrame, gold: pl.DataFrame | GoldConfig | None, notes: list[str]
) -> pl.DataFrame | None:
    """The verdicts on labels as they stand in the pairs; notes get what the user should know."""
    if gold is None:
        return None
    warnings: list[str] = []
    matched = match_verdicts(pairs, gold_verdicts(gold, pairs, warnings))
    notes += [f"{name}: gold: {line}" for line in (*warnings, *matched.warnings())]
    return matched.frame


def _advice(
    found: Experiments,
    summary: pl.DataFrame,
    plan: Plan,
    sections: Mapping[str, Mapping[str, Any]],
    noise: dict[str, OwnNoise],
) -> list[Advice]:
    advice = []
    for tested in found.tested:
        name = tested.key["dataset"]
        rows = summary.filter(pl.col(k) == tested.key[k] for k in KEYS)
        made = advise(tested, rows, plan.writable, sections.get(name))
        is_own = tested.key["pattern"] == AS_LABELLED
        if is_own and not made.proven and not noise[name].judged_pairs:
            made = replace(made, next_step=_judging(sections.get(name, {}).get("input", {})))
        advice.append(made)
    return sorted(advice, key=lambda a: a.key["pattern"] != AS_LABELLED)


def _judging(source: Mapping[str, Any]) -> str:
    """The commands that judge a few pairs of an `input`, and bench again with them."""
    data = f"hf:{source['hf']}" if "hf" in source else source.get("path")
    options = [(f"--{key}", source[key]) for key in ("format", "split", "config") if key in source]
    if columns := source.get("columns"):
        named = {k: "|".join(v) if isinstance(v, list) else v for k, v in columns.items()}
        options.append(("--columns", ",".join(f"{k}={v}" for k, v in named.items())))
    commands = judging_commands(data, options=[word for option in options for word in option])
    again = commands.audit.replace("curate audit", "curate bench", 1)
    intro = f"{PAIRS_TO_JUDGE} judged pairs, drawn at random, would show more:"
    return "\n  ".join((intro, commands.route, commands.review, f"{again} --noise none"))


def clean_data(
    name: str,
    pairs: pl.DataFrame,
    embedder: EmbedderConfig,
    progress: Progress,
    store: str | None = "auto",
    folders: tuple[Path, ...] = (),
) -> tuple[BenchData, list[str]]:
    """The pairs of a data set whose labels count as clean, and what vectors do not see of them."""
    features, facts = embed_frame(pairs, embedder, store, progress, media=folders)
    return real_data(name, pairs, features), embedding_notes(facts)


def _clean(
    name: str, pairs: pl.DataFrame, features: Features, synthetic: Synthetic | None
) -> BenchData:
    if synthetic is None:
        return real_data(name, pairs, features)
    return semi_synthetic(name, pairs, features, synthetic.pairs, synthetic.scale, synthetic.seed)


def dataset_name(path: str) -> str:
    """The folder and stem of a path: data sets often share the names of their files."""
    if path.startswith("hf:"):
        return path.removeprefix("hf:")
    place = Path(path.replace("*", "").rstrip("/"))
    stem = place.name.split(".")[0]
    return "/".join(part for part in (place.parent.name, stem) if part)


def write_bench(found: Bench, folder: Path, overwrite: bool) -> None:
    """Write bench.parquet (all rows), bench.json (summary, advice, plan, versions) and its page.

    Raises:
        CurateError: the folder holds something else, or cannot be written.
    """
    with staged(folder, overwrite, MARK) as stage:
        write_frame(found.rows, stage / "bench.parquet")
        write_json(
            {
                "versions": versions(),
                "plan": asdict(found.plan),
                "notes": found.notes,
                "advice": [asdict(a) for a in found.advice],
                "comparisons": [asdict(c) for c in found.comparisons],
                "noise": {name: asdict(own) for name, own in found.noise.items()},
                "summary": found.summary.to_dicts(),
            },
            stage / MARK,
        )
        write_json_report(stage / MARK)
