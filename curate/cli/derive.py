"""The command `curate derive`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import (
    Columns,
    ConfigName,
    Data,
    EndpointUrl,
    FormatName,
    Limit,
    OutputFolder,
    OverwriteFolder,
    Seed,
    Split,
)
from curate.errors import CurateError

if TYPE_CHECKING:
    import polars as pl

    from curate.data.json_types import JsonObject
    from curate.derive.feedback import AnswerWriter, FeedbackJudge
    from curate.derive.instructions import DerivedPairs
    from curate.read.pairs import Pairs
    from curate.read.raw_rows import PublishedRows
    from curate.steps.context import Context, Progress

_RESULT_FILE = "derive.json"
_FEWEST_MODELS = 2
_CONVERSATIONS_PER_BATCH = 1000
"""Conversations processed together, to bound memory."""


class PairOrigin(StrEnum):
    """What pairs are derived from."""

    instructions = "instructions"
    feedback = "feedback"
    classes = "classes"
    neutral = "neutral"
    models = "models"
    traces = "traces"
    rubrics = "rubrics"
    contrasts = "contrasts"


_Source = Annotated[
    PairOrigin,
    typer.Option(
        "--from",
        help="Source of the pairs: instructions, user feedback in chats, classified texts, answers "
        "of other prompts (neutral), of a strong and a weak model, reasoning traces, or the same "
        "pairs with rubrics, or with instructions that only the chosen answer follows (contrasts).",
    ),
]
_Instructions = Annotated[
    int, typer.Option(min=1, max=8, help="Instructions added to each prompt.")
]
_Patterns = Annotated[
    Path | None,
    typer.Option(help="YAML file of feedback patterns (default: the bundled ones)."),
]
_JudgeModel = Annotated[
    str | None, typer.Option(help="Endpoint model that judges feedback or texts.")
]
_WriteModel = Annotated[
    str | None,
    typer.Option(
        help="Endpoint model that writes rubrics, or the answer if no later one met the complaint."
    ),
]
_Models = Annotated[
    str | None,
    typer.Option(help="Models of the answers by commas, the strongest first (--from models)."),
]
_TraceWeight = Annotated[
    float,
    typer.Option(min=0, max=1, help="Weight of a pair with its traces; without: the rest to 1."),
]


def derive(
    data: Data,
    output: OutputFolder,
    source: _Source = PairOrigin.instructions,
    instructions: _Instructions = 2,
    patterns: _Patterns = None,
    judge_model: _JudgeModel = None,
    write_model: _WriteModel = None,
    models: _Models = None,
    trace_weight: _TraceWeight = 0.5,
    url: EndpointUrl = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    seed: Seed = 0,
    overwrite: OverwriteFolder = False,
) -> None:
    """Create pairs from instructions (MAPL), feedback, classes, other prompts, models or traces."""
    from curate.cli.progress import console_progress
    from curate.read.raw_rows import PublishedRows
    from curate.write.run_folder import check_free

    check_free(output, overwrite, _RESULT_FILE)
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    summary = _DerivationSummary({"data": data, "from": source.value})
    rows = PublishedRows(dataset.input())
    with console_progress() as progress, TemporaryDirectory() as scratch:
        if source is PairOrigin.feedback:
            frames = _by_feedback(
                rows, patterns, (judge_model, write_model, url), progress, summary
            )
        elif source is PairOrigin.classes:
            frames = _by_classes(rows, judge_model, url, progress, summary)
        else:
            origin = _PairSource(source, instructions, seed, models, trace_weight, write_model, url)
            frames = _by_pairs(dataset.stream(progress, Path(scratch)), origin, summary)
        _write_pairs(frames, output, overwrite, summary)
    summary.show(output, rows.notes())


@dataclass(frozen=True)
class _DerivationSummary:
    """What derive.json says, filled while the pairs are written.

    Attributes:
        facts: where the pairs come from, and the settings.
        counts: what was read and made, by name.
        left_out: rows without a pair, by reason.
    """

    facts: JsonObject
    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def show(self, output: Path, notes: list[str]) -> None:
        """Print notes about reading, the number of pairs, and of rows without one by reason."""
        from curate.cli.console import show_warnings

        show_warnings([f"{self.facts['data']}: {note}" for note in notes])
        for reason, count in self.left_out.items():
            typer.echo(f"{count:,} without a pair: {reason}")
        typer.echo(f"{self.counts['pairs made']:,} pairs: {output / 'pairs'}")


def _write_pairs(
    frames: Iterator[pl.DataFrame], output: Path, overwrite: bool, summary: _DerivationSummary
) -> None:
    """Write the pairs and derive.json; raise CurateError where no pair was made."""
    from curate.write.run_folder import atomic_folder
    from curate.write.shards import write_json, write_shards

    # Frames come one at a time; only the counts are complete at the end, so the facts are last.
    with atomic_folder(output, overwrite, _RESULT_FILE) as stage:
        write_shards(frames, stage / "pairs", "parquet", 100_000)
        facts, left_out = summary.facts, summary.left_out
        if not summary.counts["pairs made"]:
            why = "; ".join(f"{count:,}: {reason}" for reason, count in left_out.items())
            raise CurateError(
                "no pair could be derived", where=str(facts["data"]), found=why or "no rows"
            )
        counts = {name.replace(" ", "_"): count for name, count in summary.counts.items()}
        write_json({**facts, **counts, "left_out": dict(left_out)}, stage / _RESULT_FILE)


@dataclass(frozen=True)
class _PairSource:
    """Source that derives pairs from pairs, and its settings, as typed on the command line."""

    source: PairOrigin
    instructions: int
    seed: int
    models: str | None
    trace_weight: float
    write_model: str | None
    url: str | None


def _by_pairs(
    batches: Iterator[Pairs], settings: _PairSource, summary: _DerivationSummary
) -> Iterator[pl.DataFrame]:
    def frames() -> Iterator[pl.DataFrame]:
        for batch in batches:
            summary.counts["pairs read"] += len(batch)
            yield batch.frame

    for derived in _derived_pairs(frames(), settings, summary.facts):
        summary.counts["pairs made"] += len(derived.pairs)
        summary.left_out.update(derived.left_out)
        yield derived.pairs


def _derived_pairs(
    frames: Iterator[pl.DataFrame], settings: _PairSource, facts: JsonObject
) -> Iterator[DerivedPairs]:
    """Return the derived pairs of a source, and note the settings that it uses."""
    import polars as pl

    from curate.derive.contrasts import contrast_batches
    from curate.derive.instructions import derive_batches
    from curate.derive.neutral import neutral_batches
    from curate.derive.strength import strength_pairs
    from curate.derive.traces import trace_batches

    if settings.source is PairOrigin.rubrics:
        return _with_rubrics(frames, settings, facts)
    if settings.source is PairOrigin.traces:
        facts["trace_weight"] = settings.trace_weight
        return trace_batches(frames, settings.trace_weight)
    if settings.source is PairOrigin.models:
        names = [name.strip() for name in (settings.models or "").split(",") if name.strip()]
        if len(set(names)) < _FEWEST_MODELS:
            raise CurateError(
                "pairs by strength need two models or more",
                where="--models",
                found=settings.models or "nothing",
                expected="their names by commas, the strongest first",
            )
        facts["models"] = [*names]
        # The answers to one prompt may stand anywhere in the file.
        return iter([strength_pairs(pl.concat(frames), names)])
    facts["seed"] = settings.seed
    if settings.source is PairOrigin.neutral:
        return neutral_batches(frames, settings.seed)
    facts["instructions"] = settings.instructions
    if settings.source is PairOrigin.contrasts:
        return contrast_batches(frames, settings.instructions, settings.seed)
    return derive_batches(frames, settings.instructions, settings.seed)


def _with_rubrics(
    frames: Iterator[pl.DataFrame], settings: _PairSource, facts: JsonObject
) -> Iterator[DerivedPairs]:
    from curate.derive.rubrics import rubric_batches
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context
    from curate.store.store import open_store

    if settings.write_model is None:
        raise CurateError("rubrics need a model that writes them", where="--write-model")
    facts["writer"] = settings.write_model
    params = EndpointParams(model=settings.write_model, base_url=settings.url)
    return rubric_batches(frames, Context(store=open_store("auto")), params)


def _by_classes(
    rows: PublishedRows,
    judge_model: str | None,
    url: str | None,
    progress: Progress,
    summary: _DerivationSummary,
) -> Iterator[pl.DataFrame]:
    from curate.derive.classes import class_pairs, labelled_texts
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context
    from curate.store.store import open_store

    if judge_model is None:
        raise CurateError(
            "pairs from classes need a model to judge which text is the clearer example",
            where="--judge-model",
            fix="give a model, or read annotators' votes with --format annotations",
        )
    summary.facts["judge"] = judge_model
    params = EndpointParams(model=judge_model, base_url=url)
    context = Context(progress=progress, store=open_store("auto"))
    texts = labelled_texts(rows, summary.left_out)
    summary.counts["texts read"] = len(texts)
    pairs = class_pairs(texts, context, params, summary.left_out)
    summary.counts["pairs made"] = len(pairs)
    yield pairs


def _by_feedback(
    rows: PublishedRows,
    patterns: Path | None,
    models: tuple[str | None, str | None, str | None],
    progress: Progress,
    summary: _DerivationSummary,
) -> Iterator[pl.DataFrame]:
    from itertools import islice

    from curate.data.table import PairIds
    from curate.derive.feedback import FeedbackConversation, feedback_pairs
    from curate.read.conversation_rows import conversation_rows
    from curate.steps.context import Context
    from curate.store.store import open_store

    judge_model, write_model, _ = models
    context = Context(progress=progress, store=open_store("auto"))
    judge, writer = _feedback_models(patterns, models, context)
    summary.facts.update({"judge": judge_model or "patterns", "writer": write_model})
    left_out = summary.left_out
    ids, rows_of_turns = PairIds(), conversation_rows(rows)
    while batch := list(islice(rows_of_turns, _CONVERSATIONS_PER_BATCH)):
        left_out.update(f"row: {row.problem}" for row in batch if row.turns is None)
        conversations = [
            FeedbackConversation(r.turns, r.file, r.row) for r in batch if r.turns is not None
        ]
        feedback = feedback_pairs(conversations, judge, writer, ids)
        unmet = "complaints that no answer met"
        summary.counts.update({k: v for k, v in feedback.counts.items() if k != unmet})
        left_out.update({unmet: feedback.counts[unmet]} if feedback.counts[unmet] else {})
        summary.counts["pairs made"] += len(feedback.pairs)
        yield feedback.pairs
    summary.facts["endpoint"] = context.facts


def _feedback_models(
    patterns: Path | None, models: tuple[str | None, str | None, str | None], context: Context
) -> tuple[FeedbackJudge, AnswerWriter | None]:
    """Return the judge of feedback, by patterns or a model, and the writer of answers."""
    from curate.derive.feedback import pattern_judge
    from curate.derive.feedback_models import endpoint_judge, endpoint_writer
    from curate.models.judge.endpoint import EndpointParams
    from curate.models.text.feedback import read_patterns

    judge_model, write_model, url = models
    judge, writer = pattern_judge(read_patterns(patterns)), None
    if judge_model is not None:
        judge = endpoint_judge(EndpointParams(model=judge_model, base_url=url), context)
    if write_model is not None:
        # An answer for training must not end in the middle.
        params = EndpointParams(model=write_model, base_url=url, reply_tokens=None)
        writer = endpoint_writer(params, context)
    return judge, writer
