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

from curate.data.found_parts import TURNS, parts_in
from curate.data.pair_rows import PairRows, over_all
from curate.data.row_parts import ROW_PARTS
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, fingerprint
from curate.errors import CurateError
from curate.pipeline.config import PipelineConfig
from curate.pipeline.manifest import count_drop_codes, make_manifest
from curate.pipeline.plan import Plan
from curate.pipeline.result import Result
from curate.pipeline.same_shards import SHARDS_KEY, shards_key, take_shards
from curate.pipeline.write_pairs import write_pairs
from curate.read.pairs import Pairs
from curate.report.build import write_view
from curate.report.prompt_map import FILE
from curate.report.run_view import make_view
from curate.steps.context import Progress
from curate.steps.step_record import StepRecord
from curate.steps.workers import Workers
from curate.store.workspace import Workspace
from curate.write.card import About, make_card
from curate.write.drawn_rows import Written
from curate.write.exports import Advice
from curate.write.exports.base import KeptCounts, without_smoothing
from curate.write.exports.parts import held_by, loss_told, unheld
from curate.write.manifest import BY_CONTENT, MANIFEST, REPEATED_IDS, smoothing, wrong_left
from curate.write.output import OutputConfig
from curate.write.run_files import KEPT, REJECTED, SCORES, as_read
from curate.write.run_folder import staged
from curate.write.shards import write_files, write_frame, write_json
from curate.write.splits import SPLIT, SPLITS, assign_splits, split_facts
from curate.write.weighing import WeightCounts

_SPOKEN = 0.1
_CONTENT = (*TURNS, *ROW_PARTS)
"""Columns that say what was asked and answered."""


def write_run(
    config: PipelineConfig,
    plan: Plan,
    result: Result,
    pairs: Pairs,
    folder: Path,
    overwrite: bool,
    progress: Progress,
    workspace: Workspace | None = None,
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
    kept = result.kept_rows
    parts, counts = _looked_at(kept)
    plan.export.parts = held_by(plan.export, output.file_type).intersection(parts)
    plan.export.media.folders = pairs.folders
    lost = loss_told(plan.export, parts, output.file_type)
    with staged(folder, overwrite) as stage:
        splits = _splits(config, kept, progress, workspace)
        written = Written.of(_by_split(kept, splits, output), plan.weighing)
        key = shards_key(config, result, pairs)
        shards = take_shards(folder, stage, key)
        facts = {} if shards is None else {"cached": True}
        if shards is None:
            with progress.task("write", len(written) + result.rows_dropped) as task:
                shards = write_pairs(plan, result, written, stage, output, task, workers)
        _write_tables(result, pairs, splits, stage)
        seconds = time.perf_counter() - started
        notes = (*plan.export.warnings(counts), *lost, *_no_smoothing(plan, result, written))
        step = _record(written, len(kept), seconds, facts, notes)
        steps, rows = [*result.steps, step], _row_counts(result, written)
        files = _files(plan, result, splits, output, shards, parts) | {SHARDS_KEY: key}
        files["language"] = output.language or _languages(plan, result)
        files |= {"weights": None if written.counts is None else written.counts.facts}
        manifest = make_manifest(config, plan, steps, _source(pairs), rows, files)
        manifest["drop_codes"] = count_drop_codes(result.dropped_rows)
        manifest["by_source"] = result.sources
        _write_advice(plan, manifest, output, written.counts, lost, stage)
        write_json(manifest, stage / MANIFEST)
    if output.report:
        # After the run is in its place: a report that fails must not cost the run.
        with progress.task("report", None):
            _write_report(folder, manifest, result, pairs, workspace or Workspace())
    return replace(result, steps=steps, folder=folder)


def _by_split(
    kept: PairRows, splits: pl.Series | None, output: OutputConfig
) -> dict[str, PairRows]:
    """The kept pairs of each split; under "" where there is none."""
    if splits is None:
        return {"": kept}
    return {name: kept.where((splits == name).to_numpy()) for name in output.splits or {}}


def _record(
    written: Written, kept: int, seconds: float, facts: dict[str, Any], notes: tuple[str, ...]
) -> StepRecord:
    """The record of the step "write"."""
    if written.counts is not None:
        facts = facts | {"weighing": written.counts.text}
        notes = (*notes, *written.counts.warnings)
    return StepRecord("write", "write", kept, kept, seconds, facts, notes)


def _row_counts(result: Result, written: Written) -> dict[str, int]:
    """Pairs that came in, were kept and dropped; and of the kept ones, those without a row."""
    rows = {"in": result.rows_in, "kept": result.rows_kept, "dropped": result.rows_dropped}
    if written.counts is None:
        return rows
    return rows | {"undrawn": written.counts.undrawn, "written": written.counts.rows}


def _write_advice(
    plan: Plan,
    manifest: dict[str, Any],
    output: OutputConfig,
    weights: WeightCounts | None,
    lost: Sequence[str],
    stage: Path,
) -> None:
    """What a trainer should know, in its own files and in the card."""
    names = tuple(output.splits or ())
    advice = Advice(smoothing(manifest, weights), KEPT, output.file_type, names)
    about = About.of(plan.export, manifest["output"]["language"])
    card = make_card(manifest, advice, weights=weights, lost=lost, shards=stage / KEPT, about=about)
    write_files(plan.export.files(advice) | {"README.md": card}, stage)


def _languages(plan: Plan, result: Result) -> list[str]:
    """Languages of a tenth of the kept prompts or more, by a scorer of languages."""
    columns = [f"{step.name}.prompt" for step in plan.scorers if step.scorer.name == "language"]
    if not columns:
        return []
    kept = result.scores.join(result.kept_rows.select(["pair_id"]), on="pair_id", how="semi")
    shares = kept[columns[0]].drop_nulls().value_counts(sort=True, normalize=True)
    return shares.filter(pl.col("proportion") >= _SPOKEN)[columns[0]].to_list()


def _no_smoothing(plan: Plan, result: Result, written: Written) -> list[str]:
    """That a trainer gets no label smoothing though a filter acted by a posterior, and why."""
    steps = [asdict(step) for step in result.steps]
    left = wrong_left(steps)
    soft = written.counts is not None and written.counts.is_soft
    if soft or left is None:
        return []
    if left[1] is None:
        advice = Advice(smoothing({"steps": steps}, written.counts))
        return without_smoothing(plan.export, advice)
    return [
        f"no label smoothing is written: the share of wrong labels left cannot be told; {left[1]}"
    ]


def _looked_at(kept: PairRows) -> tuple[Counter[str], KeptCounts]:
    """What the kept pairs hold besides texts, and what a trainer may not be able to hold."""
    counts = KeptCounts()

    def each() -> Iterator[pl.DataFrame]:
        for part in kept.parts([*_CONTENT, "is_tie", "strength"]):
            counts.add(part)
            yield part

    return parts_in(each()), counts


def _write_tables(result: Result, pairs: Pairs, splits: pl.Series | None, stage: Path) -> None:
    """Scores, rows without a pair, splits and the map of the prompts."""
    write_frame(with_origins(result.scores, pairs.origins), stage / SCORES)
    write_frame(pairs.rejected, stage / REJECTED)
    if splits is not None:
        ids = result.kept_rows.select(["pair_id"])
        write_frame(ids.with_columns(splits.alias(SPLIT)), stage / SPLITS)
    if result.prompt_map is not None:
        write_frame(result.prompt_map, stage / FILE)


def _files(
    plan: Plan,
    result: Result,
    splits: pl.Series | None,
    output: OutputConfig,
    shards: list[dict[str, Any]],
    parts: Mapping[str, int],
) -> dict[str, Any]:
    """What the manifest says of the shards."""
    files: dict[str, Any] = {
        "format": output.format,
        "file_type": output.file_type,
        "kept": shards,
        "parts": dict(parts),
        "lost": unheld(plan.export, parts, output.file_type),
    }
    if splits is not None:
        facts = split_facts(result.kept_rows.select(_CONTENT), splits)
        # The split to train on comes first, whichever the first pair is in.
        files["splits"] = {name: facts[name] for name in output.splits or {}}
    return files


def _write_report(
    folder: Path, manifest: dict[str, Any], result: Result, pairs: Pairs, workspace: Workspace
) -> None:
    write_view(make_view(folder, manifest, _all_pairs(result, pairs, workspace), result.scores))


def _all_pairs(result: Result, pairs: Pairs, workspace: Workspace) -> pl.DataFrame:
    """Return all pairs in the order of reading as filters left them, with the columns of drops."""
    kept, dropped = result.kept_rows, result.dropped_rows
    if result.pairs_changed:
        ids = result.scores["pair_id"], kept.select(["pair_id"])["pair_id"]
        return as_read(*ids, kept.parts(), dropped.parts(), workspace)
    fate = workspace.collect("fate", over_all(dropped.numbered(dropped.own), len(pairs)))
    # Side by side, not by `with_columns`, which would copy the texts into one piece.
    return pairs.frame.hstack([fate[DROP_STEP], fate[DROP_REASON], fate[DROP_CODE]])


def _splits(
    config: PipelineConfig, kept: PairRows, progress: Progress, workspace: Workspace | None
) -> pl.Series | None:
    """The split of each kept pair, None where none are wanted.

    Raises:
        CurateError: a split would be empty.
    """
    shares = config.output.splits
    if shares is None:
        return None
    if not len(kept):
        raise CurateError(
            "no pair is left to split",
            where="output.splits",
            found="filters dropped every pair",
            fix="run without output.splits, and see the reasons in dropped/",
        )
    # Its libraries take a third of a second, which runs without splits need not wait.
    from curate.models.text.prompt_clusters import prompt_clusters

    prompts, clusters = prompt_clusters(kept.select(_CONTENT), progress, workspace)
    found = assign_splits(prompts, clusters, shares, config.seed)
    empty = [name for name in shares if not (found == name).any()]
    if empty:
        raise CurateError(
            "a split would be empty",
            where="output.splits",
            found=f"'{empty[0]}' of {len(np.unique(prompts)):,} prompts in "
            f"{len(np.unique(clusters)):,} clusters of nearly equal ones",
            fix="give it a larger share, or keep more pairs",
        )
    return found


def with_origins(scores: pl.DataFrame, origins: pl.DataFrame) -> pl.DataFrame:
    """Scores with file and row of each pair after its id, where the pairs came from files."""
    if len(origins) != len(scores):
        return scores
    ids, *others = scores.get_columns()
    return pl.DataFrame([ids, *origins.get_columns(), *others])


def _source(pairs: Pairs) -> dict[str, Any]:
    numbering = {REPEATED_IDS: BY_CONTENT} if pairs.numbered_by_content else {}
    return {
        "format": pairs.format,
        "rows_read": pairs.rows_read,
        "rows_rejected": len(pairs.rejected),
        "pairs": len(pairs),
        "fingerprint": pairs.fingerprint or fingerprint(pairs.frame),
        **numbering,
    }
