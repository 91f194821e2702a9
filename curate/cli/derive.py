"""The command `curate derive`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.inputs import Given
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

    from curate.read.raw_rows import PublishedRows

_MARK = "derive.json"
_AT_ONCE = 1000
"""Conversations that are looked at together."""


class From(str, Enum):
    """What pairs are made from."""

    instructions = "instructions"
    feedback = "feedback"
    classes = "classes"


def derive(
    data: Data,
    output: OutputFolder,
    source: Annotated[
        From,
        typer.Option(
            "--from",
            help="Source of the pairs: instructions, user feedback in chats, or classified texts.",
        ),
    ] = From.instructions,
    instructions: Annotated[
        int, typer.Option(min=1, max=8, help="Instructions added to each prompt.")
    ] = 2,
    patterns: Annotated[
        Path | None,
        typer.Option(help="YAML file of feedback patterns (default: the bundled ones)."),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="Endpoint model that judges feedback or texts.")
    ] = None,
    write_model: Annotated[
        str | None,
        typer.Option(
            help="Endpoint model that writes the answer if no later one met the complaint."
        ),
    ] = None,
    url: EndpointUrl = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    seed: Seed = 0,
    overwrite: OverwriteFolder = False,
) -> None:
    """Create pairs from followed instructions (MAPL), user feedback or classified texts."""
    from curate.cli.console import show_warnings
    from curate.cli.progress import console_progress
    from curate.read.raw_rows import PublishedRows
    from curate.write.run_folder import check_free, staged
    from curate.write.shards import write_json, write_shards

    check_free(output, overwrite, _MARK)
    given = Given(data, format, columns, split, config, limit)
    told: dict[str, Any] = {"data": data, "from": source.value}
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    rows = PublishedRows(given.input())
    with console_progress() as progress, TemporaryDirectory() as room:
        if source is From.instructions:
            told |= {"instructions": instructions, "seed": seed}
            parts = given.parts(progress, Path(room))
            frames = _by_instructions(parts, instructions, seed, counts, left_out)
        elif source is From.classes:
            told["judge"] = judge_model
            frames = _by_classes(rows, judge_model, url, progress, counts, left_out)
        else:
            models = judge_model, write_model, url
            frames = _by_feedback(rows, patterns, models, progress, counts, left_out, told)
        with staged(output, overwrite, _MARK) as stage:
            write_shards(frames, stage / "pairs", "parquet", 100_000)
            if not counts["pairs made"]:
                why = "; ".join(f"{count:,}: {reason}" for reason, count in left_out.items())
                raise CurateError("no pair can be made", where=data, found=why or "nothing")
            named = {name.replace(" ", "_"): count for name, count in counts.items()}
            write_json({**told, **named, "left_out": dict(left_out)}, stage / _MARK)
    show_warnings([f"{data}: {line}" for line in rows.notes()])
    for why, count in left_out.items():
        typer.echo(f"{count:,} gave no pair: {why}")
    typer.echo(f"{counts['pairs made']:,} pairs: {output / 'pairs'}")


def _by_instructions(
    parts: Iterator[Any],
    instructions: int,
    seed: int,
    counts: Counter[str],
    left_out: Counter[str],
) -> Iterator[pl.DataFrame]:
    from curate.derive.instructions import derive_parts

    def frames() -> Iterator[pl.DataFrame]:
        for part in parts:
            counts["pairs read"] += len(part)
            yield part.frame

    for found in derive_parts(frames(), instructions, seed):
        counts["pairs made"] += len(found.pairs)
        left_out.update(found.left_out)
        yield found.pairs


def _by_classes(
    rows: PublishedRows,
    judge_model: str | None,
    url: str | None,
    progress: Any,
    counts: Counter[str],
    left_out: Counter[str],
) -> Iterator[pl.DataFrame]:
    from curate.derive.classes import class_pairs, labelled_texts
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context
    from curate.store.store import open_store

    if judge_model is None:
        raise CurateError(
            "pairs of one class need a model that tells which text is the clearer example",
            where="--judge-model",
            fix="name one, or read annotators' votes with --format annotations",
        )
    params = EndpointParams(model=judge_model, base_url=url)
    context = Context(progress=progress, store=open_store("auto"))
    texts = labelled_texts(rows, left_out)
    counts["texts read"] = len(texts)
    found = class_pairs(texts, context, params, left_out)
    counts["pairs made"] = len(found)
    yield found


def _by_feedback(
    rows: PublishedRows,
    patterns: Path | None,
    models: tuple[str | None, str | None, str | None],
    progress: Any,
    counts: Counter[str],
    left_out: Counter[str],
    told: dict[str, Any],
) -> Iterator[pl.DataFrame]:
    from itertools import islice

    from curate.data.table import PairIds
    from curate.derive.feedback import Conversation, by_patterns, feedback_pairs
    from curate.derive.feedback_models import by_endpoint, written_by
    from curate.models.judge.endpoint import EndpointParams
    from curate.models.text.feedback import read_patterns
    from curate.read.conversation_rows import conversation_rows
    from curate.steps.context import Context
    from curate.store.store import open_store

    judge_model, write_model, url = models
    context = Context(progress=progress, store=open_store("auto"))
    judge, writer = by_patterns(read_patterns(patterns)), None
    if judge_model is not None:
        judge = by_endpoint(EndpointParams(model=judge_model, base_url=url), context)
    if write_model is not None:
        params = EndpointParams(model=write_model, base_url=url, reply_tokens=None)
        writer = written_by(params, context)
    told |= {"judge": judge_model or "patterns", "writer": write_model}
    ids, talks = PairIds(), conversation_rows(rows)
    while some := list(islice(talks, _AT_ONCE)):
        left_out.update(f"row: {row.problem}" for row in some if row.turns is None)
        known = [Conversation(r.turns, r.file, r.row) for r in some if r.turns is not None]
        found = feedback_pairs(known, judge, writer, ids)
        unmet = "complaints that no answer met"
        counts.update({k: v for k, v in found.counts.items() if k != unmet})
        left_out.update({unmet: found.counts[unmet]} if found.counts[unmet] else {})
        counts["pairs made"] += len(found.pairs)
        yield found.pairs
    told["endpoint"] = context.facts
