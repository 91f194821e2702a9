"""Writes a finished run's folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate.data.attachments import ATTACHMENTS
from curate.data.content_kinds import TURNS, count_content_kinds_streaming
from curate.data.row_selection import RowSelection, expand_to_all_rows
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, fingerprint_pairs
from curate.errors import CurateError
from curate.pipeline.config import PipelineConfig
from curate.pipeline.manifest import count_drop_codes, make_manifest
from curate.pipeline.plan import PipelinePlan
from curate.pipeline.result import Result
from curate.pipeline.shard_cache import SHARDS_KEY, reuse_shards, shards_key
from curate.pipeline.write_pairs import write_pairs
from curate.read.pairs import Pairs
from curate.report.build import write_view
from curate.report.prompt_map import PROMPT_MAP_FILE
from curate.report.run_view import make_view
from curate.steps.context import Progress
from curate.steps.step_record import StepRecord
from curate.steps.workers import Workers
from curate.store.scratch import ScratchSpace
from curate.write.card import CardDetails, make_card
from curate.write.drawn_rows import WeighedRows
from curate.write.exports import TrainerHints
from curate.write.exports.base import PairCounts, missing_smoothing_warning
from curate.write.exports.content_support import (
    content_loss_warnings,
    supported_content,
    unsupported_content,
)
from curate.write.manifest import (
    BY_CONTENT,
    MANIFEST,
    REPEATED_IDS,
    label_smoothing,
    remaining_noise,
)
from curate.write.output import OutputConfig
from curate.write.run_files import KEPT, REJECTED, SCORES, restore_reading_order
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_files, write_frame, write_json
from curate.write.splits import SPLIT, SPLITS, assign_splits, split_facts
from curate.write.weighing import WeightCounts

_MIN_LANGUAGE_SHARE = 0.1
_CONTENT_COLUMNS = (*TURNS, *ATTACHMENTS)
"""Columns that say what was asked and answered."""


def write_run(
    config: PipelineConfig,
    plan: PipelinePlan,
    result: Result,
    pairs: Pairs,
    folder: Path,
    overwrite: bool,
    progress: Progress,
    scratch: ScratchSpace | None = None,
    workers: Workers | None = None,
) -> Result:
    """Write the run to `folder`, the manifest last; see docs/trainers/index.md for its files.

    Returns:
        The result with the step "write" and the folder.

    Raises:
        CurateError: the folder cannot be written, or the kept pairs do not fit the export's form.
    """
    started = time.perf_counter()
    output = config.output
    kept_pairs = result.kept_rows
    content, counts = _count_content(kept_pairs)
    plan.export.parts = supported_content(plan.export, output.file_type).intersection(content)
    plan.export.media.folders = pairs.folders
    lost = content_loss_warnings(plan.export, content, output.file_type)
    with atomic_folder(folder, overwrite) as stage:
        splits = _assign_splits(config, kept_pairs, progress, scratch)
        written = WeighedRows.of(_split_kept_pairs(kept_pairs, splits, output), plan.weighing)
        key = shards_key(config, result, pairs)
        shards = reuse_shards(folder, stage, key)
        facts = {} if shards is None else {"cached": True}
        if shards is None:
            with progress.task("write", len(written) + result.rows_dropped) as task:
                shards = write_pairs(plan, result, written, stage, output, task, workers)
        _write_tables(result, pairs, splits, stage)
        seconds = time.perf_counter() - started
        notes = (*plan.export.warnings(counts), *lost, *_no_smoothing(plan, result, written))
        step = _write_record(written, len(kept_pairs), seconds, facts, notes)
        steps, rows = [*result.steps, step], _row_counts(result, written)
        files = _output_facts(plan, result, splits, output, shards, content) | {SHARDS_KEY: key}
        files |= {"weights": None if written.counts is None else written.counts.facts}
        manifest = make_manifest(config, plan, steps, _input_facts(pairs), rows, files)
        manifest["drop_codes"] = count_drop_codes(result.dropped_rows)
        manifest["by_source"] = result.sources
        _write_advice(plan, manifest, output, written.counts, lost, stage)
        write_json(manifest, stage / MANIFEST)
    if output.report:
        # After the run is in its place: a report that fails must not cost the run.
        with progress.task("report", None):
            _write_report(folder, manifest, result, pairs, scratch or ScratchSpace())
    return replace(result, steps=steps, folder=folder)


def _split_kept_pairs(
    kept_pairs: RowSelection, splits: pl.Series | None, output: OutputConfig
) -> dict[str, RowSelection]:
    """Return the kept pairs of each split; under "" where there is none."""
    if splits is None:
        return {"": kept_pairs}
    return {name: kept_pairs.where((splits == name).to_numpy()) for name in output.splits or {}}


def _write_record(
    written: WeighedRows,
    kept_pairs: int,
    seconds: float,
    facts: dict[str, Any],
    notes: tuple[str, ...],
) -> StepRecord:
    """Return the record of the step "write"."""
    if written.counts is not None:
        facts = facts | {"weighing": written.counts.text}
        notes = (*notes, *written.counts.warnings)
    return StepRecord("write", "write", kept_pairs, kept_pairs, seconds, facts, notes)


def _row_counts(result: Result, written: WeighedRows) -> dict[str, int]:
    """Return pairs that came in, were kept and dropped; and of the kept ones, those without a
    row.
    """
    rows = {"in": result.rows_in, "kept": result.rows_kept, "dropped": result.rows_dropped}
    if written.counts is None:
        return rows
    return rows | {"undrawn": written.counts.undrawn, "written": written.counts.rows}


def _write_advice(
    plan: PipelinePlan,
    manifest: dict[str, Any],
    output: OutputConfig,
    weights: WeightCounts | None,
    lost: Sequence[str],
    stage: Path,
) -> None:
    """Write the trainer's settings files and the dataset card."""
    names = tuple(output.splits or ())
    advice = TrainerHints(label_smoothing(manifest, weights), KEPT, output.file_type, names)
    about = CardDetails.of(plan.export, manifest["output"]["language"])
    card = make_card(manifest, advice, weights=weights, lost=lost, shards=stage / KEPT, about=about)
    write_files(plan.export.files(advice) | {"README.md": card}, stage)


def _frequent_languages(plan: PipelinePlan, result: Result) -> list[str]:
    """Return the languages of at least a tenth of the kept prompts, if a scorer detects them."""
    columns = [f"{step.name}.prompt" for step in plan.scorers if step.scorer.name == "language"]
    if not columns:
        return []
    kept_scores = result.scores.join(result.kept_rows.select(["pair_id"]), on="pair_id", how="semi")
    shares = kept_scores[columns[0]].drop_nulls().value_counts(sort=True, normalize=True)
    return shares.filter(pl.col("proportion") >= _MIN_LANGUAGE_SHARE)[columns[0]].to_list()


def _no_smoothing(plan: PipelinePlan, result: Result, written: WeighedRows) -> list[str]:
    """Return why a trainer gets no label smoothing although a filter acted by a posterior."""
    steps = [asdict(step) for step in result.steps]
    wrong_share = remaining_noise(steps)
    soft = written.counts is not None and written.counts.is_soft
    if soft or wrong_share is None:
        return []
    if wrong_share[1] is None:
        advice = TrainerHints(label_smoothing({"steps": steps}, written.counts))
        return missing_smoothing_warning(plan.export, advice)
    return [
        "no label smoothing is written: the share of wrong labels left can't be estimated; "
        f"{wrong_share[1]}"
    ]


def _count_content(kept_pairs: RowSelection) -> tuple[Counter[str], PairCounts]:
    """Return the content kinds of the kept pairs besides text, and counts for the export's
    warnings.
    """
    counts = PairCounts()

    def each() -> Iterator[pl.DataFrame]:
        for batch in kept_pairs.iter_batches([*_CONTENT_COLUMNS, "is_tie", "strength"]):
            counts.add(batch)
            yield batch

    return count_content_kinds_streaming(each()), counts


def _write_tables(result: Result, pairs: Pairs, splits: pl.Series | None, stage: Path) -> None:
    """Write scores, rejected rows, splits and the map of the prompts."""
    write_frame(with_origins(result.scores, pairs.origins), stage / SCORES)
    write_frame(pairs.rejected, stage / REJECTED)
    if splits is not None:
        ids = result.kept_rows.select(["pair_id"])
        write_frame(ids.with_columns(splits.alias(SPLIT)), stage / SPLITS)
    if result.prompt_map is not None:
        write_frame(result.prompt_map, stage / PROMPT_MAP_FILE)


def _output_facts(
    plan: PipelinePlan,
    result: Result,
    splits: pl.Series | None,
    output: OutputConfig,
    shards: list[dict[str, Any]],
    content: Mapping[str, int],
) -> dict[str, Any]:
    """Return what the manifest says of the shards."""
    files: dict[str, Any] = {
        "format": output.format,
        "file_type": output.file_type,
        "kept": shards,
        "parts": dict(content),
        "lost": unsupported_content(plan.export, content, output.file_type),
        "language": output.language or _frequent_languages(plan, result),
    }
    if splits is not None:
        facts = split_facts(result.kept_rows.select(_CONTENT_COLUMNS), splits)
        # The split to train on comes first, whichever the first pair is in.
        files["splits"] = {name: facts[name] for name in output.splits or {}}
    return files


def _write_report(
    folder: Path, manifest: dict[str, Any], result: Result, pairs: Pairs, scratch: ScratchSpace
) -> None:
    write_view(make_view(folder, manifest, _all_pairs(result, pairs, scratch), result.scores))


def _all_pairs(result: Result, pairs: Pairs, scratch: ScratchSpace) -> pl.DataFrame:
    """Return all pairs in the order of reading as filters left them, with the columns of drops."""
    kept_pairs, dropped_pairs = result.kept_rows, result.dropped_rows
    if result.pairs_changed:
        ids = result.scores["pair_id"], kept_pairs.select(["pair_id"])["pair_id"]
        return restore_reading_order(
            *ids, kept_pairs.iter_batches(), dropped_pairs.iter_batches(), scratch
        )
    fate = scratch.collect(
        "fate",
        expand_to_all_rows(dropped_pairs.with_row_numbers(dropped_pairs.extra_columns), len(pairs)),
    )
    # Side by side, not by `with_columns`, which would copy the texts into one piece.
    return pairs.frame.hstack([fate[DROP_STEP], fate[DROP_REASON], fate[DROP_CODE]])


def _assign_splits(
    config: PipelineConfig,
    kept_pairs: RowSelection,
    progress: Progress,
    scratch: ScratchSpace | None,
) -> pl.Series | None:
    """Return the split of each kept pair, None where none are wanted.

    Raises:
        CurateError: a split would be empty.
    """
    shares = config.output.splits
    if shares is None:
        return None
    if not len(kept_pairs):
        raise CurateError(
            "no pairs left to split",
            where="output.splits",
            found="filters dropped every pair",
            fix="run without output.splits; dropped/ holds the reasons",
        )
    # Its libraries take a third of a second, which runs without splits need not wait.
    from curate.models.text.prompt_clusters import prompt_clusters

    prompts, clusters = prompt_clusters(kept_pairs.select(_CONTENT_COLUMNS), progress, scratch)
    split = assign_splits(prompts, clusters, shares, config.seed)
    empty = [name for name in shares if not (split == name).any()]
    if empty:
        raise CurateError(
            "a split would be empty",
            where="output.splits",
            found=f"'{empty[0]}' of {len(np.unique(prompts)):,} prompts in "
            f"{len(np.unique(clusters)):,} clusters of near-duplicate prompts",
            fix="give it a larger share, or keep more pairs",
        )
    return split


def with_origins(scores: pl.DataFrame, origins: pl.DataFrame) -> pl.DataFrame:
    """Return the scores with file and row of each pair after its id, where the pairs came from
    files.
    """
    if len(origins) != len(scores):
        return scores
    ids, *score_columns = scores.get_columns()
    return pl.DataFrame([ids, *origins.get_columns(), *score_columns])


def _input_facts(pairs: Pairs) -> dict[str, Any]:
    numbering = {REPEATED_IDS: BY_CONTENT} if pairs.numbered_by_content else {}
    return {
        "format": pairs.format,
        "rows_read": pairs.rows_read,
        "rows_rejected": len(pairs.rejected),
        "pairs": len(pairs),
        "fingerprint": pairs.fingerprint or fingerprint_pairs(pairs.frame),
        **numbering,
    }
