"""Writes a finished run's folder."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from curate.data.attachments import ATTACHMENTS
from curate.data.content_kinds import TURNS, count_content_kinds_streaming
from curate.data.json_types import JsonObject
from curate.data.row_selection import RowSelection, expand_to_all_rows
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, fingerprint_pairs
from curate.errors import CurateError, mask
from curate.pipeline.config import PipelineConfig, config_data
from curate.pipeline.plan import PipelinePlan
from curate.pipeline.result import Result
from curate.pipeline.shard_cache import reuse_shards, shards_key
from curate.pipeline.write_pairs import PairWriter
from curate.read.pairs import Pairs
from curate.report.build import write_view
from curate.report.prompt_map import PROMPT_MAP_FILE
from curate.report.run_view import make_view
from curate.steps.context import Progress, SilentProgress
from curate.steps.step_record import CACHED, StepRecord
from curate.steps.workers import Workers
from curate.store.scratch import ScratchSpace
from curate.versions import versions
from curate.write.card import CardDetails, make_card
from curate.write.drawn_rows import WeighedRows
from curate.write.exports import ShardSchema, TrainerHints
from curate.write.exports.base import PairCounts, missing_smoothing_warning
from curate.write.exports.content_support import (
    content_loss_warnings,
    unsupported_content,
)
from curate.write.manifest import (
    MANIFEST,
    InputSummary,
    OutputSummary,
    RunManifest,
    ShardFile,
    SplitCounts,
    describe_columns,
    label_smoothing,
    remaining_noise,
)
from curate.write.output import OutputConfig
from curate.write.run_files import KEPT, REJECTED, SCORES, restore_reading_order
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_files, write_frame, write_json
from curate.write.splits import SPLIT, SPLITS, assign_splits, count_splits

_MIN_LANGUAGE_SHARE = 0.1
_CONTENT_COLUMNS = (*TURNS, *ATTACHMENTS)
"""Columns that say what was asked and answered."""


@dataclass(frozen=True)
class RunWriter:
    """Writes finished runs to a folder.

    Attributes:
        config: the configuration of the run.
        plan: its plan.
        folder: the folder to write.
        overwrite: whether a finished run there may be replaced.
        progress: receives the progress.
        scratch: space for tables as long as the run's pairs.
        workers: workers that write shards; None: this process writes them.
    """

    config: PipelineConfig
    plan: PipelinePlan
    folder: Path
    overwrite: bool = False
    progress: Progress = field(default_factory=SilentProgress)
    scratch: ScratchSpace = field(default_factory=ScratchSpace)
    workers: Workers | None = None

    def write(self, result: Result, pairs: Pairs) -> Result:
        """Write the run, the manifest last; see docs/guides/trainers/index.md for its files.

        Returns:
            The result with the step "write" and the folder.

        Raises:
            CurateError: the folder cannot be written, or the kept pairs do not fit the export.
        """
        started = time.perf_counter()
        export, kept_pairs = self.plan.export, result.kept_rows
        content, counts = _count_content(kept_pairs)
        schema = self.plan.shard_schema(self.config.output, content, pairs.folders)
        with atomic_folder(self.folder, self.overwrite) as stage:
            splits = self._assign_splits(kept_pairs)
            by_split = _split_kept_pairs(kept_pairs, splits, self.config.output)
            rows = WeighedRows.of(by_split, self.plan.weighing)
            key = shards_key(self.config, result, pairs)
            shards, facts = self._write_shards(result, rows, schema, key, stage)
            _write_tables(result, pairs, splits, stage)
            lost = content_loss_warnings(export, content, self.config.output.file_type)
            notes = (
                *export.warnings(counts, schema),
                *lost,
                *_no_smoothing(self.plan, result, rows),
            )
            step = _write_record(rows, len(kept_pairs), time.perf_counter() - started, facts, notes)
            result = replace(result, steps=[*result.steps, step], weights=rows.counts)
            output = self._summarise_output(result, content, splits)
            output = replace(output, shards=tuple(shards), shards_key=key, weights=rows.counts)
            manifest = self._manifest(result, pairs, output)
            self._write_advice(manifest, schema, lost, stage)
            write_json(manifest.to_json(), stage / MANIFEST)
        if self.config.output.report:
            # After the run is in its place: a report that fails must not cost the run.
            with self.progress.task("report", None):
                all_pairs = _all_pairs(result, pairs, self.scratch)
                write_view(make_view(self.folder, manifest, all_pairs, result.scores))
        return replace(result, folder=self.folder)

    def _write_shards(
        self, result: Result, rows: WeighedRows, schema: ShardSchema, key: str | None, stage: Path
    ) -> tuple[list[ShardFile], JsonObject]:
        """Write the shards, or link those of the run that is replaced; returns them and facts."""
        shards = reuse_shards(self.folder, stage, key)
        if shards is not None:
            return shards, {CACHED: True}
        with self.progress.task("write", len(rows) + result.rows_dropped) as task:
            writer = PairWriter(self.plan.export, schema, self.config.output, self.workers)
            return writer.write(result, rows, stage, task), {}

    def _summarise_output(
        self, result: Result, content: Counter[str], splits: pl.Series | None
    ) -> OutputSummary:
        """Return what the shards hold."""
        output = self.config.output
        return OutputSummary(
            output.format,
            output.file_type,
            content=content,
            lost=unsupported_content(self.plan.export, content, output.file_type),
            languages=tuple(output.language or _frequent_languages(self.plan, result)),
            splits=None if splits is None else _count_splits(result.kept_rows, splits, output),
        )

    def _manifest(self, result: Result, pairs: Pairs, output: OutputSummary) -> RunManifest:
        # A pair that is neither kept nor dropped would be lost silently.
        result.row_counts.check()
        return RunManifest(
            # Whoever gets the folder, or the card made from it, must not get credentials.
            mask(config_data(self.config)),
            versions(),
            InputSummary(
                pairs.format,
                pairs.rows_read,
                len(pairs.rejected),
                len(pairs),
                pairs.fingerprint or fingerprint_pairs(pairs.frame),
                pairs.numbered_by_content,
                *(_sum_of_sources(result.steps, count) for count in ("not_drawn", "repeated")),
            ),
            result.row_counts,
            tuple(result.steps),
            output,
            describe_columns(self.plan.columns()),
            self.config.seed,
            datetime.now(UTC).isoformat(timespec="seconds"),
            platform.platform(),
            _count_drop_codes(result.dropped_rows),
            result.sources,
        )

    def _write_advice(
        self, manifest: RunManifest, schema: ShardSchema, lost: Sequence[str], stage: Path
    ) -> None:
        """Write the trainer's settings files and the dataset card."""
        output, weights = self.config.output, manifest.output.weights
        smoothing = label_smoothing(manifest.steps, weights)
        splits = tuple(output.splits or ())
        advice = TrainerHints(smoothing, KEPT, output.file_type, splits, schema.content)
        about = CardDetails.of(self.plan.export, schema.content, manifest.output.languages)
        card = make_card(
            manifest, advice, weights=weights, lost=lost, shards=stage / KEPT, about=about
        )
        write_files(self.plan.export.files(advice) | {"README.md": card}, stage)

    def _assign_splits(self, kept_pairs: RowSelection) -> pl.Series | None:
        """Return the split of each kept pair, None where none are wanted.

        Raises:
            CurateError: a split would be empty.
        """
        shares = self.config.output.splits
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

        texts = kept_pairs.select(_CONTENT_COLUMNS)
        prompts, clusters = prompt_clusters(texts, self.progress, self.scratch)
        split = assign_splits(prompts, clusters, shares, self.config.seed)
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
    facts: JsonObject,
    notes: tuple[str, ...],
) -> StepRecord:
    """Return the record of the step "write"."""
    if written.counts is not None:
        facts = facts | {"weighing": written.counts.text}
        notes = (*notes, *written.counts.warnings)
    return StepRecord("write", "write", kept_pairs, kept_pairs, seconds, facts, notes)


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
    wrong_share = remaining_noise(result.steps)
    soft = written.counts is not None and written.counts.is_soft
    if soft or wrong_share is None:
        return []
    if wrong_share[1] is None:
        advice = TrainerHints(label_smoothing(result.steps, written.counts))
        return missing_smoothing_warning(plan.export, advice)
    return [
        "no label smoothing is written: the share of wrong labels left can't be estimated; "
        f"{wrong_share[1]}"
    ]


def _count_splits(
    kept_pairs: RowSelection, splits: pl.Series, output: OutputConfig
) -> dict[str, SplitCounts]:
    counts = count_splits(kept_pairs.select(_CONTENT_COLUMNS), splits)
    # The split to train on comes first, whichever the first pair is in.
    return {name: counts[name] for name in output.splits or {}}


def _sum_of_sources(steps: Sequence[StepRecord], name: str) -> int:
    """Return the sum of a count over the sources of a mixture; 0 where nothing is mixed."""
    sources = next((step.facts.get("sources") for step in steps if step.kind == "read"), None)
    return sum(source[name] for source in sources) if isinstance(sources, list) else 0


def _count_drop_codes(dropped: RowSelection) -> dict[str, int]:
    """Return how many pairs were dropped for each cause, the most frequent cause first.

    Pairs that a run of an older version dropped have no code, and are not counted.
    """
    counts: Counter[str] = Counter()
    for batch in dropped.iter_batches([DROP_CODE]):
        counts.update(dict(batch[DROP_CODE].drop_nulls().value_counts().iter_rows()))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


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


def with_origins(scores: pl.DataFrame, origins: pl.DataFrame) -> pl.DataFrame:
    """Return the scores with file and row of each pair after its id, where the pairs came from
    files.
    """
    if len(origins) != len(scores):
        return scores
    ids, *score_columns = scores.get_columns()
    return pl.DataFrame([ids, *origins.get_columns(), *score_columns])
