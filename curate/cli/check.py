"""The command `curate check`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.check_policy import check_policy, report_policy
from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, Json, Limit, OverwriteFolder, Split
from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from curate.check.command import CheckReport
    from curate.steps.context import Progress
    from curate.write.run_files import RunFiles

_EXIT_UNFIT = 3
"""Exit code if pairs or the tokenizer are unfit for training."""


_Folder = Annotated[
    str, typer.Argument(help="A run's folder (its kept pairs), or any other dataset.")
]
_Model = Annotated[str | None, typer.Option(help="Model to be trained: folder or Hub name.")]
_Trainer = Annotated[str, typer.Option(help="trl, axolotl, llamafactory, openrlhf or swift.")]
_MaxLength = Annotated[
    int | None,
    typer.Option(min=1, help="Maximum length in the trainer's config (default: the trainer's)."),
]
_Fix = Annotated[
    Path | None,
    typer.Option(
        help="Write a cleaned copy of the run, without the failing pairs, to this folder."
    ),
]


_Policy = Annotated[
    Path | None,
    typer.Option(
        help="Rules on audit, check and diff (policy.yaml); exit code 3 if one is broken."
    ),
]
_Old = Annotated[str | None, typer.Option(help="Earlier version, for rules on the difference.")]
_Against = Annotated[str | None, typer.Option(help="Evaluation set, for rules on leaked prompts.")]
_Junit = Annotated[Path | None, typer.Option(help="Write the policy's results as JUnit XML.")]
_Sarif = Annotated[Path | None, typer.Option(help="Write the policy's results as SARIF JSON.")]


def check(
    folder: _Folder,
    model: _Model = None,
    trainer: _Trainer = "trl",
    max_length: _MaxLength = None,
    fix: _Fix = None,
    policy: _Policy = None,
    old: _Old = None,
    against: _Against = None,
    junit: _Junit = None,
    sarif: _Sarif = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    as_json: Json = False,
    overwrite: OverwriteFolder = False,
) -> None:
    """Check the data against the model's tokenizer and chat template, or against a policy."""
    reading = (folder, format, columns, split, config, limit)
    dataset = DatasetOptions(*reading, takes_single_answers=policy is None)
    tokens = None if model is None else TokenCheck(dataset, model, trainer, max_length)
    if policy is None:
        options = {"--old": old, "--against": against, "--junit": junit, "--sarif": sarif}
        _reject_policy_options(options)
        is_fit = _check_tokens(tokens, fix, as_json, overwrite)
    elif fix is not None:
        raise CurateError("a policy fixes nothing", where="--fix", fix="remove --policy or --fix")
    else:
        run = None if tokens is None else tokens.run
        results = check_policy(dataset, policy, old, against, run)
        is_fit = report_policy(results, folder, junit, sarif, as_json)
    if not is_fit:
        raise typer.Exit(_EXIT_UNFIT)


def _reject_policy_options(options: Mapping[str, object]) -> None:
    names = ", ".join(name for name, value in options.items() if value is not None)
    if names:
        raise CurateError("the option needs --policy", where=names)


def _check_tokens(
    tokens: TokenCheck | None, fix: Path | None, as_json: bool, overwrite: bool
) -> bool:
    """Check the pairs against the tokenizer, and write a copy without the failing ones.

    Returns:
        Whether the data is fit for training; with JSON or a copy, the exit code does not say it.
    """
    from curate.check.command import drop_failing_pairs
    from curate.cli.progress import console_progress
    from curate.cli.safe import json_text
    from curate.cli.show_check import show_check
    from curate.cli.show_run import show_result

    if tokens is None:
        raise CurateError("give --model, the model to be trained, or --policy", where="--model")
    source = tokens.source
    if fix is not None:
        _require_fixable(tokens.dataset.data, source, fix, overwrite)
    fixed = None
    with console_progress() as progress:
        report = tokens.run(progress)
        if fix is not None and source is not None:
            fixed = drop_failing_pairs(source, report, fix, overwrite, progress)
    if as_json:
        typer.echo(json_text(report.to_json()))
    else:
        show_check(report, tokens.trainer, tokens.model)
    if fixed is not None:
        show_result(fixed)
    return fixed is not None or report.clean or as_json


def _require_fixable(folder: str, run: RunFiles | None, fix: Path, overwrite: bool) -> None:
    """Raise CurateError if the data is not a run, or the folder of the copy is taken."""
    from curate.write.run_folder import check_free

    if run is None:
        raise CurateError("only a run can be fixed", where="--fix", found=folder)
    check_free(fix, overwrite)


@dataclass(frozen=True)
class TokenCheck:
    """A check of pairs against a tokenizer.

    Attributes:
        dataset: a run, whose kept pairs are checked, or any other dataset.
        model: the model to be trained.
        trainer: name of the trainer.
        max_length: maximum length in tokens; None: the trainer's.
    """

    dataset: DatasetOptions
    model: str
    trainer: str
    max_length: int | None

    @cached_property
    def source(self) -> RunFiles | None:
        """Return the run; None for another dataset."""
        from curate.write.run_files import RunFiles, is_run

        return RunFiles(self.dataset.data) if is_run(self.dataset.data) else None

    def run(self, progress: Progress) -> CheckReport:
        """Return what was found."""
        from curate.check.command import check_data
        from curate.check.margins import measure_margins
        from curate.steps.models import ModelSpec

        settings = (self.trainer, ModelSpec(name=self.model), progress, self.max_length)
        if self.source is None:
            tables = _split_into_batches(self.dataset.read(progress).frame)
            # Without the content kinds the tables are read twice: they are in memory anyway.
            return check_data(tables, *settings)
        content_kinds = self.source.manifest.output.content
        report = check_data(self.source.kept_batches(), *settings, content_kinds)
        return replace(report, margins=measure_margins(self.source))


def _split_into_batches(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    from curate.data.table import BATCH_ROWS, batch_slices

    return (frame[rows] for rows in batch_slices(len(frame), BATCH_ROWS))
