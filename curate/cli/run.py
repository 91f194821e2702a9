"""The command `curate run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import Limit, OverwriteFolder
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.pipeline.config import PipelineConfig
    from curate.pipeline.result import Result
    from curate.pipeline.run import Pipeline
    from curate.pipeline.yaml_locations import YamlLocations
    from curate.read.pairs import Pairs

ConfigPath = Annotated[Path, typer.Argument(help="The pipeline.yaml.", show_default=True)]
_DRY_RUN_PAIRS = 1000
"""Number of pairs that a dry run reads."""


_Sample = Annotated[
    bool, typer.Option("--sample", help="Run the default pipeline on the bundled sample.")
]
_LabelsOnly = Annotated[
    bool,
    typer.Option(
        "--labels-only",
        help="With --sample: leave out its reviewed pairs and its judge's verdicts.",
    ),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Validate the config and data, and show the plan.")
]
_Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the run.")]
_Gold = Annotated[
    list[str] | None,
    typer.Option(
        help="Reviewed pairs, replacing gold in the config: verdicts, or extra.KEY; repeat."
    ),
]
_AcceptBias = Annotated[
    bool,
    typer.Option(
        "--accept-bias",
        hidden=True,
        help="Proceed even if a filter acts on length only (deprecated).",
    ),
]
_AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="Server that may receive API keys from this pipeline; repeat."),
]
_TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Allow models to run their own code.")
]


def run(
    config: ConfigPath = Path("pipeline.yaml"),
    sample: _Sample = False,
    labels_only: _LabelsOnly = False,
    dry_run: _DryRun = False,
    limit: Limit = None,
    output: _Output = None,
    gold: _Gold = None,
    accept_bias: _AcceptBias = False,
    overwrite: OverwriteFolder = False,
    allow_host: _AllowHost = None,
    trust_remote_code: _TrustRemoteCode = False,
) -> None:
    """Read, score, filter and write preference pairs as defined in pipeline.yaml."""
    from curate.cli.console import show_warnings
    from curate.cli.progress import console_progress
    from curate.cli.show_run import show_result
    from curate.pipeline.run import Pipeline
    from curate.steps.permissions import Permissions

    if labels_only and not sample:
        fix = "add --sample; reviewed pairs and evidence of your own stand in pipeline.yaml"
        raise CurateError("only the sample can leave them out", where="--labels-only", fix=fix)
    permissions = Permissions.for_hosts(allow_host or (), trust_remote_code)
    parsed, locations = _load_sample(labels_only) if sample else _load_file(config)
    parsed = _with_options(parsed, limit, accept_bias, gold)
    pipeline = Pipeline(parsed, locations, permissions=permissions)
    # Before any data is read: a refused host should cost no time.
    pipeline.check_permissions()
    show_warnings(pipeline.plan.notices())
    folder = output or Path(pipeline.config.output.path)
    if dry_run:
        _show_dry_run(pipeline, folder)
        return
    with console_progress() as progress:
        result = pipeline.run(output=folder, overwrite=overwrite, progress=progress)
    show_result(result, pipeline.plan.data)
    if sample:
        _show_truth(result, labels_only)


def _load_file(config: Path) -> tuple[PipelineConfig, YamlLocations]:
    from curate.pipeline.config import load_config

    return load_config(config)


def _load_sample(labels_only: bool) -> tuple[PipelineConfig, YamlLocations]:
    from curate.pipeline.config import parse_config
    from curate.pipeline.yaml_locations import load_yaml
    from curate.sample import sample_pipeline

    data, locations = load_yaml(sample_pipeline(labels_only), "the pipeline of the sample")
    return parse_config(data, locations), locations


def _with_options(
    parsed: PipelineConfig, limit: int | None, accept_bias: bool, gold: list[str] | None
) -> PipelineConfig:
    """Return the configuration with what the command line says instead."""
    from curate.verdicts.gold import to_gold_config

    if limit is not None:
        limits = {"limit": limit}
        # A pipeline has either one input or several sources; the limit holds for each.
        single_input = parsed.input and parsed.input.model_copy(update=limits)
        sources = [source.model_copy(update=limits) for source in parsed.sources]
        parsed = parsed.model_copy(update={"input": single_input, "sources": sources})
    if gold:
        parsed = parsed.model_copy(update={"gold": to_gold_config(gold)})
    if accept_bias:
        parsed = parsed.model_copy(update={"accept_bias": True, "on_bias": "warn"})
    return parsed


def _show_truth(result: Result, labels_only: bool) -> None:
    """Compare what was estimated with the labels that were flipped on purpose."""
    from rich.text import Text

    from curate.cli.console import out
    from curate.models.heads.noise.estimate import NoiseEstimate
    from curate.sample.truth import POSTERIOR, SampleTruth

    scores = result.scores
    if POSTERIOR not in scores.columns or not scores[POSTERIOR].is_not_null().any():
        return
    estimates = (NoiseEstimate.from_facts(step.facts) for step in result.steps)
    estimated = next((noise.short for noise in estimates if noise is not None), None)
    out.print(Text(f"true: {SampleTruth.from_scores(scores, estimated).text}"))
    other, effect = ("", "with") if labels_only else (" --labels-only", "without")
    command = f"curate run --sample{other}"
    out.print(Text(f"  {command}    # {effect} its verdicts and reviewed pairs"), soft_wrap=True)
    out.print(Text("  curate inspect FILE    # your own data"), soft_wrap=True)


def _read_first_pairs(pipeline: Pipeline) -> Pairs:
    """Return the first pairs; an error of a mapping names the values and proposes another one."""
    from curate.pipeline.dry_run import mapping_error

    settings = pipeline.config.input
    try:
        return pipeline.read(limit=_DRY_RUN_PAIRS)
    except CurateError as error:
        if settings is None or settings.columns is None:
            raise
        raise mapping_error(error, settings) from None


def _show_dry_run(pipeline: Pipeline, folder: Path) -> None:
    from curate.cli.console import show_plan, show_warnings
    from curate.pipeline.dry_run import combined_error, missing_keys, value_mistakes
    from curate.pipeline.run_evidence import check_gold, file_evidence
    from curate.pipeline.single_answers import check_answers, with_single_answer_export
    from curate.write.exports.content_support import single_answers_note

    pairs = _read_first_pairs(pipeline)
    gold = pipeline.config.gold
    check_gold(gold)
    config, plan = with_single_answer_export(pipeline.config, pipeline.plan, pairs.frame)
    check_answers(plan, pairs.frame, is_written=True)
    if config.output.format != pipeline.config.output.format:
        show_warnings([single_answers_note(pipeline.config.output.format, config.output.format)])
    missing, mistakes = missing_keys(plan, pairs.frame), value_mistakes(plan, pairs.frame)
    if len(pairs) < _DRY_RUN_PAIRS:
        mistakes = [*missing, *mistakes]
    else:
        # A key may first occur in pairs that were not read.
        show_warnings([f"of the first {len(pairs):,} pairs: {e.problem}; {e.fix}" for e in missing])
    if mistakes:
        raise combined_error(mistakes)
    scores = file_evidence(pipeline.plan.scorers, pairs.frame).scores
    show_plan(plan, pairs, gold, str(folder), scores)
