"""`curate check`: problems of pairs for a trainer, and a run without these pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.check.margins import RewardMargins
from curate.check.problems import FATAL, MEANS, CheckResult, check_pairs
from curate.data.content_kinds import count_content_kinds_streaming
from curate.data.json_types import JsonObject
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, has_single_answers
from curate.errors import CurateError, suggestion
from curate.models.lm.trainer_rules import TRAINERS, trainer_for
from curate.models.lm.trainer_tokens import read_chat_tokenizer
from curate.pipeline.result import Result
from curate.pipeline.rewrite import rewrite_run
from curate.steps.context import Progress
from curate.steps.models import ModelSpec
from curate.steps.step_record import StepRecord
from curate.write.run_files import RunFiles

STEP = "check"
_SFT_TRAINERS = ("trl", "axolotl")
"""Trainers that cut or drop single answers as they do those of pairs."""


@dataclass(frozen=True)
class CheckReport:
    """Problems for a trainer.

    Attributes:
        checked: the problems of the pairs.
        tokenizer: the problems of the tokenizer.
        max_length: the maximum length in tokens.
        margins: of a run's steps `implicit_reward`.
    """

    checked: CheckResult
    tokenizer: list[str]
    max_length: int
    margins: tuple[RewardMargins, ...] = ()

    @property
    def clean(self) -> bool:
        """Return whether there is no fatal problem."""
        return not self.tokenizer and not any(self.checked.hurt.get(name) for name in FATAL)

    def to_json(self) -> JsonObject:
        """Return it as plain data."""
        return {
            "max_length": self.max_length,
            "tokenizer": self.tokenizer,
            **self.checked.to_json(),
            "margins": [margins.to_json() for margins in self.margins],
            "means": MEANS,
        }


def check_data(
    parts: Iterable[pl.DataFrame],
    trainer: str,
    model: ModelSpec,
    progress: Progress,
    max_length: int | None = None,
    holds: Iterable[str] | None = None,
) -> CheckReport:
    """Check pairs as the trainer tokenises them.

    Args:
        parts: the pair table, part by part; gone through twice where `holds` is not given.
        trainer: a key of `TRAINERS`.
        model: whose tokenizer and chat template the trainer uses.
        progress: where progress is shown.
        max_length: of the trainer's settings; default the trainer's own.
        holds: what the pairs hold besides texts, see `count_content_kinds`.

    Raises:
        CurateError: no such trainer, or no tokenizer, or one without a chat template, or single
            answers for a trainer whose rules are only known for pairs.
    """
    if trainer not in TRAINERS:
        fix = suggestion(trainer, TRAINERS)
        raise CurateError("unknown trainer", where="--trainer", found=repr(trainer), fix=fix)
    tokenizer = read_chat_tokenizer(model, "--model")
    if holds is None:
        # Read twice: what the pairs hold decides how the trainer reads them.
        parts = list(parts)
        holds = count_content_kinds_streaming(parts)
    parts = _known_parts(parts, trainer)
    rules = trainer_for(trainer, frozenset(holds))
    most = max_length or rules.max_length
    problems = _tokenizer_problems(tokenizer)
    return CheckReport(check_pairs(parts, tokenizer, most, progress, rules), problems, most)


def _known_parts(parts: Iterable[pl.DataFrame], trainer: str) -> Iterator[pl.DataFrame]:
    """Yield the parts; raise CurateError for single answers and a trainer of pairs."""
    for part in parts:
        if trainer not in _SFT_TRAINERS and has_single_answers(part):
            raise CurateError(
                "single answers cannot be checked for this trainer",
                where="--trainer",
                found=trainer,
                expected=" or ".join(_SFT_TRAINERS),
            )
        yield part


def _tokenizer_problems(tokenizer: Any) -> list[str]:
    """Return what is wrong with the tokenizer's special tokens."""
    problems = []
    if tokenizer.eos_token_id is None:
        problems.append("it has no end-of-text token: no answer is ever seen to end")
    if tokenizer.pad_token_id is None:
        problems.append("it has no padding token: set one, such as pad_token = eos_token")
    elif tokenizer.pad_token_id == tokenizer.eos_token_id:
        problems.append("padding and end of text are one token: masking the padding masks the end")
    return problems


def drop_failing_pairs(
    run: RunFiles, report: CheckReport, folder: Path, overwrite: bool, progress: Progress
) -> Result:
    """Write the run without the failing pairs to a new folder."""
    pairs = run.all_pairs()
    bad = report.checked.fatal()
    fates = pairs.join(bad, on="pair_id", how="left", maintain_order="left")
    # What an earlier filter dropped keeps its reason.
    hurt = pl.col("reason").is_not_null() & pl.col(DROP_STEP).is_null()
    fates = fates.with_columns(
        pl.when(hurt).then(pl.lit(STEP)).otherwise(DROP_STEP).alias(DROP_STEP),
        pl.when(hurt).then("reason").otherwise(DROP_REASON).alias(DROP_REASON),
        pl.when(hurt).then("code").otherwise(DROP_CODE).alias(DROP_CODE),
    ).drop("reason", "code")
    before = run.manifest.rows.rows_kept
    record = StepRecord(STEP, "filter", before, before - len(bad), 0.0, report.to_json())
    return rewrite_run(run, fates, record, folder, overwrite, progress)
