"""Writes the kept pairs of a run, or any data set, in a trainer's form: `curate export`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from curate.data.content_kinds import count_content_kinds
from curate.data.json_types import JsonObject
from curate.data.prefetch import read_ahead
from curate.data.row_selection import RowSelection
from curate.data.table import PAIR_COLUMNS, has_single_answers
from curate.errors import mask
from curate.read.input import InputConfig
from curate.read.pair_dataset import StreamNotes
from curate.read.pairs import stream_pairs
from curate.steps.context import Progress, SilentProgress, Task
from curate.versions import versions
from curate.write.card import CardDetails, make_card
from curate.write.drawn_rows import WeighedRows
from curate.write.exports import WEIGHTS, TrainerHints, exports_supporting, get_export
from curate.write.exports.base import Carrier, PairCounts, Prompt, missing_smoothing_warning
from curate.write.exports.content_support import (
    check_export_settings,
    check_file_type,
    content_loss_warnings,
    require_supported_content,
    single_answers_note,
)
from curate.write.exports.media_files import MediaCarrier, MediaFileWriter
from curate.write.manifest import (
    MANIFEST,
    InputSummary,
    OutputSummary,
    RowCounts,
    RunManifest,
    ShardFile,
    label_smoothing,
)
from curate.write.output import OutputConfig
from curate.write.run_files import KEPT, RunFiles, is_run
from curate.write.run_folder import atomic_folder, scratch_space
from curate.write.shards import write_files, write_json, write_shards
from curate.write.split_shards import write_split_shards
from curate.write.splits import SPLIT
from curate.write.weighing import SoftLabels, Weighing, WeightCounts, resolve_weighing

MARK = "export.json"
"""The file that marks a finished export."""
MEDIA_PATHS = "media_paths"
"""Its number of media that are paths of the machine where it was made."""


@dataclass(frozen=True)
class ExportTarget:
    """What is written, and how.

    Attributes:
        format: name of the export.
        file_type: "parquet", "jsonl" or "dataset" (a DatasetDict saved to disk).
        rows_per_shard: rows in one file at most.
        license: of the source data, for the card.
        language: of the texts, for the card; default as the run has it.
        allow_loss: write even if the form cannot hold parts of the pairs.
        prompt: see `OutputConfig`.
        media: see `OutputConfig`.
        weights: see `Weighing.carrier`; None: as the run has it if the form can, else the form's.
        soft_labels: see `Weighing`; None: as the run has it.
        copies: see `Weighing`; None: as the run has it.
    """

    format: str = "trl"
    file_type: str = "parquet"
    rows_per_shard: int = 100_000
    license: str | None = None
    language: tuple[str, ...] = ()
    allow_loss: bool = False
    prompt: Prompt | None = None
    media: MediaCarrier = "paths"
    weights: Carrier | None = None
    soft_labels: SoftLabels | None = None
    copies: int | None = None


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        folder: of the export.
        pairs: number of pairs.
        shards: path, bytes and, but for a DatasetDict, rows of each file.
        warnings: what the form cannot hold.
        weights: how weighted pairs are written, None where they have no weights.
    """

    folder: Path
    pairs: int
    shards: list[ShardFile]
    warnings: tuple[str, ...]
    weights: WeightCounts | None = None


def export_pairs(
    source: str | Path | InputConfig,
    folder: Path,
    target: ExportTarget,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportResult:
    """Write pairs in a trainer's form, a few thousand in memory at a time.

    Args:
        source: the folder of a finished run, whose kept pairs are written, or where data is.
        folder: to write into; the shards lie in `kept/`, with README.md (the dataset card) and
            what the trainer wants beside them.
        target: form, kind of files and size.
        overwrite: replace an earlier export.
        progress: where progress is shown.

    Raises:
        CurateError: nothing to read, an unknown form, pairs that the form cannot hold, or a folder
            that may not be written.
    """
    progress = progress or SilentProgress()
    input_config = source if isinstance(source, InputConfig) else InputConfig(path=str(source))
    run = RunFiles(source) if isinstance(source, (str, Path)) and is_run(source) else None
    content: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    while True:
        # The columns of all shards depend on what any pair holds: what turns up late starts anew.
        try:
            attempt = _ExportAttempt(input_config, run, folder, target, progress, content)
            result = attempt.write(overwrite)
            return replace(result, warnings=(*notes, *result.warnings))
        except _NewContentError as late_content:
            content = content | late_content.parts
        except _OtherFormatError as other:
            notes = (single_answers_note(target.format, other.format),)
            target = replace(target, format=other.format)


class _NewContentError(Exception):
    """Pairs hold parts that no pair before them did."""

    def __init__(self, parts: frozenset[str]) -> None:
        super().__init__()
        self.parts = parts


class _OtherFormatError(Exception):
    """The pairs are single answers, for which the trainer has another format."""

    def __init__(self, format: str) -> None:
        super().__init__()
        self.format = format


class _ExportAttempt:
    """Writes pairs of which it is known what they hold besides texts."""

    def __init__(
        self,
        input_config: InputConfig,
        run: RunFiles | None,
        folder: Path,
        target: ExportTarget,
        progress: Progress,
        content: frozenset[str],
    ) -> None:
        self._place, self._run, self._folder = input_config, run, folder
        self._target, self._progress = target, progress
        self._form = get_export(target.format, "--to")
        check_file_type(self._form, target.file_type)
        check_export_settings(self._form, target.prompt, target.media, target.file_type, "export")
        self._weighing = self._settings()
        self._weights: WeightCounts | None = None
        # A run's own choice of columns holds for later exports of it too.
        columns = run.manifest.output_settings.get("columns", {}) if run else {}
        self._schema = self._form.schema(
            content,
            target.file_type,
            carried=tuple(name for name in columns if name in PAIR_COLUMNS),
            prompt=target.prompt,
            media=MediaFileWriter(target.media, run.manifest.data_folders if run else ()),
        )
        self._content = content
        self._input = InputSummary("", 0, 0, 0, "not computed")
        self._reading = StreamNotes()
        self._parts: Counter[str] = Counter()
        self._pair_counts = PairCounts()

    def write(self, overwrite: bool) -> ExportResult:
        """Write the folder; raises `_NewContentError` for content that was not known before."""
        target, run, form, schema = self._target, self._run, self._form, self._schema
        # Of a dataset that is read meanwhile nobody knows how many pairs it has.
        total = run.manifest.rows.rows_kept if run else None
        with atomic_folder(self._folder, overwrite, MARK) as stage:
            with self._progress.task("export", total) as task:
                shards = self._shards(stage / KEPT, task)
            self._check()
            manifest = run.manifest if run else self._manifest()
            names = tuple(self._names())
            weights = self._weights
            smoothing = label_smoothing(manifest.steps, weights)
            advice = TrainerHints(smoothing, KEPT, target.file_type, names, schema.content)
            losses = content_loss_warnings(form, self._parts, target.file_type)
            details = CardDetails.of(form, schema.content, target.language or self._languages())
            card = make_card(
                manifest, advice, target.license, losses, stage / KEPT, weights, details
            )
            write_files(form.files(advice) | {"README.md": card}, stage)
            notes = (*self._reading.notes(), *form.warnings(self._pair_counts, schema), *losses)
            notes = (*notes, *missing_smoothing_warning(form, advice))
            notes = (*notes, *(weights.warnings if weights else ()))
            result = ExportResult(self._folder, self._pair_counts.pairs, shards, notes, weights)
            mark = _export_manifest(target, result, manifest, self._parts)
            write_json(mark | {MEDIA_PATHS: schema.media.paths}, stage / MARK)
        return result

    def _shards(self, folder: Path, task: Task) -> list[ShardFile]:
        """Return shards of all pairs, or of each split that the run made."""
        kind, size = self._target.file_type, self._target.rows_per_shard
        splits = self._run.splits() if self._run else None
        if self._is_weighed():
            return self._weighed_shards(splits, folder, task)
        if splits is None:
            rows = self._convert(self._pairs(task))
            return write_shards(rows, folder, kind, size)
        ids = {name: splits.filter(split=name)["pair_id"] for name in self._names()}
        streams = {
            name: self._convert(self._pairs(task, split_ids)) for name, split_ids in ids.items()
        }
        return write_split_shards(streams, folder, kind, size)

    def _is_weighed(self) -> bool:
        """Return whether the rows are not just the pairs of the source."""
        columns = self._run.columns() if self._run else []
        return self._weighing.copies > 1 or not set(WEIGHTS).isdisjoint(columns)

    def _weighed_shards(
        self, splits: pl.DataFrame | None, folder: Path, task: Task
    ) -> list[ShardFile]:
        """Write shards of weighted pairs, which are read once and written by weight."""
        target = self._target
        with scratch_space(self._folder) as scratch:
            pairs = RowSelection.from_table(scratch.collect("kept", self._pairs(task)))
            by_split = {"": pairs}
            if splits is not None:
                of_pair = splits[SPLIT]
                by_split = {n: pairs.where((of_pair == n).to_numpy()) for n in self._names()}
            written = WeighedRows.of(by_split, self._weighing)
            self._weights = written.counts
            settings = (folder, target.file_type, target.rows_per_shard)
            shards = written.write(self._convert, *settings)
            written.check(self._form, shards)
            return shards

    def _convert(self, pairs: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        return self._form.stream(pairs, self._schema)

    def _settings(self) -> Weighing:
        """Return the weight settings: the target's, else the run's."""
        target, output, seed = self._target, OutputConfig(), 0
        if self._run is not None:
            stored = self._run.manifest.output_settings
            named = ("weights", "soft_labels", "copies")
            output = OutputConfig(**{name: stored[name] for name in named if name in stored})
            seed = self._run.manifest.seed
        carrier = target.weights
        if carrier is None and output.weights in self._form.carriers:
            carrier = output.weights
        # An option goes before what the run's pipeline said.
        soft_labels = target.soft_labels or output.soft_labels
        copies = target.copies or (output.copies if carrier in (None, "rows") else 1)
        return resolve_weighing(self._form, carrier, soft_labels, copies, seed, "--weights")

    def _languages(self) -> tuple[str, ...]:
        """Return the languages in the run's dataset card."""
        return self._run.manifest.output.languages if self._run else ()

    def _names(self) -> list[str]:
        """Return the splits in the order of the configuration, the one to train on first."""
        output = self._run.manifest.output_settings if self._run else {}
        return list(output.get("splits") or ())

    def _pairs(self, task: Task, ids: pl.Series | None = None) -> Iterator[pl.DataFrame]:
        """Yield the pairs (only these ids, if given), and count them and their content."""
        run = self._run
        source = run.kept_batches() if run else self._read()
        for frame in read_ahead(source):
            batch = frame if ids is None else frame.filter(pl.col("pair_id").is_in(ids.implode()))
            parts = count_content_kinds(batch)
            if not parts.keys() <= self._content:
                raise _NewContentError(frozenset(parts))
            if self._form.single_answer_export and has_single_answers(batch):
                raise _OtherFormatError(self._form.single_answer_export)
            self._form.check_answers(batch, "--to")
            self._parts.update(parts)
            self._pair_counts.add(batch)
            task.advance(len(batch))
            yield batch

    def _read(self) -> Iterator[pl.DataFrame]:
        """Yield the pairs of a dataset, and count what was read."""
        self._reading = StreamNotes()
        parts = stream_pairs(**dict(self._place), progress=self._progress)
        for part in self._reading.watch(parts):
            self._input = replace(
                self._input,
                format=part.format,
                rows_read=part.rows_read,
                rows_rejected=self._reading.rejected,
            )
            self._schema.media.add_folders(part.folders)
            yield part.frame

    def _check(self) -> None:
        target = self._target
        if not target.allow_loss:
            is_single = not self._form.pairs
            able_exports = exports_supporting(self._parts, target.file_type, is_single)
            require_supported_content(
                self._form,
                self._parts,
                target.file_type,
                self._pair_counts.pairs,
                able_exports,
                "--to",
            )

    def _manifest(self) -> RunManifest:
        """Return a manifest for the card of data that no run curated."""
        place = mask(self._place.model_dump(mode="json", exclude_none=True))
        pairs, target = self._pair_counts.pairs, self._target
        return RunManifest(
            {"input": place},
            versions(),
            replace(self._input, pairs=pairs),
            RowCounts(pairs, pairs, 0),
            steps=(),
            output=OutputSummary(target.format, target.file_type),
        )


def _export_manifest(
    target: ExportTarget, result: ExportResult, manifest: RunManifest, parts: Counter[str]
) -> JsonObject:
    return {
        "format": target.format,
        "file_type": target.file_type,
        "pairs": result.pairs,
        "files": [shard.to_json() for shard in result.shards],
        "parts": parts,
        "warnings": result.warnings,
        "weights": None if result.weights is None else result.weights.to_json(),
        "of": {
            "input": manifest.input.to_json(),
            "rows": manifest.rows.to_json(),
            "versions": manifest.versions,
        },
        "run": MANIFEST if manifest.steps else None,
    }
