"""The command `curate bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.inputs import Given
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
from curate.data.bounds import MOST_PAIRS
from curate.errors import CurateError


def bench(
    data: Annotated[list[str], typer.Argument(help="Datasets: file, glob, folder, hf:owner/name.")],
    noise: Annotated[
        str,
        typer.Option(help="Comma-separated flip rates to test (none: use the labels as they are)."),
    ] = "0.2,0.4",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of each experiment.")] = 5,
    patterns: Annotated[
        str,
        typer.Option(
            help="Noise patterns, comma-separated: symmetric, ambiguity, annotator, topic."
        ),
    ] = "symmetric",
    recipes: Annotated[
        str | None,
        typer.Option(help="Published methods to compare: comma-separated names, or all."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Causal language model for recipes.")] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="Tuned model for implicit-reward recipes; --model is its base."),
    ] = None,
    reward_model: Annotated[
        list[str] | None,
        typer.Option(help="Reward model for recipes; repeat (default: small probe models vote)."),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="Endpoint model for recipes that use an LLM judge.")
    ] = None,
    url: EndpointUrl = None,
    semi_synthetic: Annotated[
        int | None,
        typer.Option(min=100, help="Relabel this many pairs with a known reward function."),
    ] = None,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = MOST_PAIRS,
    gold: Annotated[
        list[str] | None,
        typer.Option(
            help="Reviewed pairs to use as ground truth: a verdict file, the folder of the sample, "
            "or extra.KEY; repeat."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for bench.html, bench.json and Parquet."),
    ] = None,
    overwrite: OverwriteFolder = False,
) -> None:
    """Measure which steps help on your data: train on what they keep, test on held-out pairs."""
    from curate.bench.command import MARK, Synthetic, dataset_name, write_bench
    from curate.bench.command import bench as run_bench
    from curate.bench.run import Plan
    from curate.cli.progress import console_progress
    from curate.cli.show_bench import show_bench
    from curate.models.embed.settings import EmbedderConfig
    from curate.pipeline.run_evidence import check_gold
    from curate.recipes import RecipeModels, with_models
    from curate.verdicts.gold import as_gold
    from curate.write.run_folder import check_free

    rewards = tuple(reward_model or ())
    models = RecipeModels(model, rewards, judge_model, url, policy)
    ready, left_out = with_models(_names(recipes or ""), models)
    rates = () if noise == "none" else rates_of(noise)
    plan = Plan(rates, tuple(_names(patterns)), seeds, recipes=ready, left_out=left_out)
    judged = as_gold(gold)
    check_gold(judged)
    if output is not None:
        check_free(output, overwrite, MARK)
    givens = [Given(d, format, columns, split, config, limit, tells=False) for d in data]
    made = None if semi_synthetic is None else Synthetic(semi_synthetic)
    with console_progress() as progress:
        settings = EmbedderConfig(name=embedder)
        sets = ((dataset_name(g.data), g.sample(progress, 0 if judged else most)) for g in givens)
        sections = {dataset_name(g.data): _sections(g, gold or [], embedder) for g in givens}
        found = run_bench(sets, plan, progress, made, settings, gold=judged, sections=sections)
    show_bench(found)
    if output is not None:
        write_bench(found, output, overwrite)
        typer.echo(f"written: {output / 'bench.html'}, {output / 'bench.json'}")


def _sections(given: Given, gold: list[str], embedder: str) -> dict[str, Any]:
    """Sections of a pipeline that sees the same pairs, verdicts and features.

    Nothing for a run or a pipeline: its own pipeline.yaml has them.
    """
    from curate.write.run_files import is_run

    if given.is_pipeline or is_run(given.data):
        return {}
    sections: dict[str, Any] = {
        "input": given.input().model_dump(mode="json", exclude_defaults=True)
    }
    if gold:
        sections["gold"] = gold
    if embedder != "auto":
        sections["embedder"] = embedder
    return sections | {"output": {"path": "curated", "format": "trl"}}


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def rates_of(text: str) -> tuple[float, ...]:
    """Shares that are given by commas; raises CurateError for what is no number."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CurateError(
            "wrong noise rate", where="--noise", found=repr(text), expected="such as 0.2,0.4"
        ) from None
