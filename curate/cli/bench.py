"""The command `curate bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from curate.cli.bench_training import TrainingChoice, bench_by_training
from curate.cli.inputs import DatasetOptions
from curate.cli.options import (
    Columns,
    ConfigName,
    EmbedderName,
    EndpointUrl,
    FormatName,
    Limit,
    Most,
    OverwriteFolder,
    Split,
)
from curate.data.limits import DEFAULT_MAX_PAIRS
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.benchmark.report import BenchReport
    from curate.benchmark.run import BenchPlan
    from curate.data.json_types import JsonObject
    from curate.recipes import RecipeModels

_TRAINING = "Your training as the judge"
_DEFAULT_NOISE = "0.2,0.4"
_Noise = Annotated[
    str,
    typer.Option(help="Comma-separated flip rates to test (none: use the labels as they are)."),
]
_Patterns = Annotated[
    str,
    typer.Option(help="Noise patterns, comma-separated: symmetric, ambiguity, annotator, topic."),
]
_Recipes = Annotated[
    str | None,
    typer.Option(help="Published methods to compare: comma-separated names, or all."),
]
_Policy = Annotated[
    str | None,
    typer.Option(help="Tuned model for implicit-reward recipes; --model is its base."),
]
_RewardModel = Annotated[
    list[str] | None,
    typer.Option(help="Reward model for recipes; repeat (default: small probe models vote)."),
]
_JudgeModel = Annotated[
    str | None, typer.Option(help="Endpoint model for recipes that use an LLM judge.")
]
_SemiSynthetic = Annotated[
    int | None,
    typer.Option(min=100, help="Relabel this many pairs with a known reward function."),
]
_Gold = Annotated[
    list[str] | None,
    typer.Option(
        help="Reviewed pairs to use as ground truth: a verdict file, the folder of the sample, "
        "or extra.KEY; repeat."
    ),
]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for bench.html, bench.json and Parquet."),
]


_Train = Annotated[
    str | None,
    typer.Option(
        help="Your training command with {data}, {seed}, {out} (and {eval}).",
        rich_help_panel=_TRAINING,
    ),
]
_Metric = Annotated[
    str | None,
    typer.Option(
        help="Where it writes its metric: FILE:KEY, such as {out}/eval.json:accuracy.",
        rich_help_panel=_TRAINING,
    ),
]
_Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        help="advice, a step, a recipe or a pipeline.yaml; repeat (default: advice).",
        rich_help_panel=_TRAINING,
    ),
]
_Runs = Annotated[
    int | None,
    typer.Option(min=1, help="Maximum number of trainings.", rich_help_panel=_TRAINING),
]
_Hours = Annotated[
    float | None,
    typer.Option(min=0, help="Start no training after this time.", rich_help_panel=_TRAINING),
]
_Gpus = Annotated[
    list[str] | None,
    typer.Option("--gpu", help="Train on this GPU too; repeat.", rich_help_panel=_TRAINING),
]
_To = Annotated[str, typer.Option(help="Export format of the variants.", rich_help_panel=_TRAINING)]
_FileType = Annotated[
    str, typer.Option(help="parquet, jsonl or dataset.", rich_help_panel=_TRAINING)
]
_LowerIsBetter = Annotated[
    bool,
    typer.Option("--lower-is-better", help="The metric is a loss.", rich_help_panel=_TRAINING),
]


class _ProbeChoice(NamedTuple):
    """What probe models compare."""

    noise: str
    seeds: int
    patterns: str
    recipes: str | None
    models: tuple[str | None, str | None, list[str] | None, str | None, str | None]
    semi_synthetic: int | None
    embedder: str
    most: int
    gold: list[str] | None


def bench(
    data: Annotated[list[str], typer.Argument(help="Datasets: file, glob, folder, hf:owner/name.")],
    noise: _Noise = _DEFAULT_NOISE,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of each experiment.")] = 5,
    patterns: _Patterns = "symmetric",
    recipes: _Recipes = None,
    model: Annotated[str | None, typer.Option(help="Causal language model for recipes.")] = None,
    policy: _Policy = None,
    reward_model: _RewardModel = None,
    judge_model: _JudgeModel = None,
    url: EndpointUrl = None,
    semi_synthetic: _SemiSynthetic = None,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = DEFAULT_MAX_PAIRS,
    gold: _Gold = None,
    train: _Train = None,
    metric: _Metric = None,
    variants: _Variants = None,
    runs: _Runs = None,
    hours: _Hours = None,
    gpus: _Gpus = None,
    to: _To = "trl",
    file_type: _FileType = "parquet",
    lower_is_better: _LowerIsBetter = False,
    output: _Output = None,
    overwrite: OverwriteFolder = False,
) -> None:
    """Measure which steps help: train on what they keep, test on held-out pairs."""
    models = (model, policy, reward_model, judge_model, url)
    probes = (noise, seeds, patterns, recipes, models, semi_synthetic, embedder, most, gold)
    training = (train, metric, variants, runs, hours, gpus, to, file_type, lower_is_better)
    reading = (format, columns, split, config, limit)
    _run_command(data, reading, _ProbeChoice(*probes), TrainingChoice(*training), output, overwrite)


def _run_command(
    data: list[str],
    reading: tuple[str, str | None, str | None, str | None, int | None],
    probes: _ProbeChoice,
    training: TrainingChoice,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Compare by probe models, or by the user's training."""
    from curate.benchmark.command import BENCH_FILE, dataset_name, write_bench
    from curate.cli.show_bench import show_bench
    from curate.recipes import RecipeModels
    from curate.write.run_folder import check_free

    if training.has_command():
        _reject_probe_options(probes, overwrite)
        shared = _shared_sections(probes.gold or [], probes.embedder)
        bench_by_training(data, reading, training, probes.seeds, shared, output)
        return
    model, policy, reward_models, judge, url = probes.models
    models = RecipeModels(model, tuple(reward_models or ()), judge, url, policy)
    plan = _build_plan(probes.noise, probes.patterns, probes.seeds, probes.recipes, models)
    if output is not None:
        check_free(output, overwrite, BENCH_FILE)
    datasets = [(dataset_name(d), DatasetOptions(d, *reading, prints_notes=False)) for d in data]
    gold, synthetic = probes.gold or [], probes.semi_synthetic
    result = _run_bench(datasets, plan, gold, synthetic, probes.embedder, probes.most)
    show_bench(result)
    if output is not None:
        write_bench(result, output, overwrite)
        typer.echo(f"written: {output / 'bench.html'}, {output / 'bench.json'}")


def _reject_probe_options(probes: _ProbeChoice, overwrite: bool) -> None:
    """Reject options of the bench by probe models beside --train."""
    is_given = {
        "--noise": probes.noise != _DEFAULT_NOISE,
        "--patterns": probes.patterns != "symmetric",
        "--recipes": probes.recipes is not None,
        "--model, --policy, --reward-model, --judge-model, --url": any(probes.models),
        "--semi-synthetic": probes.semi_synthetic is not None,
        "--overwrite": overwrite,
    }
    unused = ", ".join(option for option, used in is_given.items() if used)
    if unused:
        fix = "name steps, recipes and pipelines by --variant; remove a folder by hand"
        raise CurateError("the option cannot be used with --train", where=unused, fix=fix)


def _run_bench(
    datasets: Sequence[tuple[str, DatasetOptions]],
    plan: BenchPlan,
    gold: list[str],
    semi_synthetic: int | None,
    embedder: str,
    most: int,
) -> BenchReport:
    from curate.benchmark.command import Synthetic, bench_datasets
    from curate.cli.progress import console_progress
    from curate.models.embed.settings import EmbedderConfig
    from curate.pipeline.run_evidence import check_gold
    from curate.verdicts.gold import to_gold_config

    reviewed = to_gold_config(gold)
    check_gold(reviewed)
    synthetic = None if semi_synthetic is None else Synthetic(semi_synthetic)
    sections = {name: _pipeline_sections(d, gold, embedder) for name, d in datasets}
    # All of them: a sample could leave out the pairs that were reviewed.
    max_pairs = 0 if reviewed else most
    with console_progress() as progress:
        samples = ((name, options.sample(progress, max_pairs)) for name, options in datasets)
        settings = EmbedderConfig(name=embedder)
        return bench_datasets(
            samples, plan, progress, synthetic, settings, gold=reviewed, sections=sections
        )


def _build_plan(
    noise: str, patterns: str, seeds: int, recipes: str | None, models: RecipeModels
) -> BenchPlan:
    from curate.benchmark.run import BenchPlan
    from curate.recipes import recipes_with_models

    runnable, not_runnable = recipes_with_models(_split_names(recipes or ""), models)
    rates = () if noise == "none" else parse_rates(noise)
    names = tuple(_split_names(patterns))
    return BenchPlan(rates, names, seeds, recipes=runnable, left_out=not_runnable)


def _pipeline_sections(dataset: DatasetOptions, gold: list[str], embedder: str) -> JsonObject:
    """Sections of a pipeline that sees the same pairs, verdicts and features.

    Nothing for a run or a pipeline: its own pipeline.yaml has them.
    """
    from curate.write.run_files import is_run

    if dataset.is_pipeline or is_run(dataset.data):
        return {}
    sections: JsonObject = {"input": dataset.input().model_dump(mode="json", exclude_defaults=True)}
    shared = _shared_sections(gold, embedder)
    return sections | shared | {"output": {"path": "curated", "format": "trl"}}


def _shared_sections(gold: list[str], embedder: str) -> JsonObject:
    """Return the sections of a pipeline with these verdicts and features."""
    sections: JsonObject = {"gold": gold} if gold else {}
    return sections if embedder == "auto" else sections | {"embedder": embedder}


def _split_names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_rates(text: str) -> tuple[float, ...]:
    """Shares that are given by commas; raises CurateError for what is no number."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CurateError(
            "wrong noise rate", where="--noise", found=repr(text), expected="such as 0.2,0.4"
        ) from None
