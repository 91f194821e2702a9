"""Writes the kept pairs of a run, or any data set, in a trainer's form: `curate export`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.data.found_parts import found_parts
from curate.data.pair_rows import PairRows
from curate.data.prefetch import read_ahead
from curate.data.table import PAIR_COLUMNS
from curate.errors import mask
from curate.read.input import InputConfig
from curate.read.pairs import stream_pairs
from curate.read.stream_notes import StreamNotes
from curate.steps.context import Progress, SilentProgress, Task
from curate.versions import versions
from curate.write.card import About, make_card
from curate.write.drawn_rows import Written
from curate.write.exports import WEIGHTS, Advice, forms_holding, get_export
from curate.write.exports.base import Carrier, KeptCounts, Prompt, without_smoothing
from curate.write.exports.media_files import MediaCarrier
from curate.write.exports.parts import check_file_type, check_held, configure, held_by, loss_told
from curate.write.manifest import MANIFEST, data_folders, smoothing
from curate.write.output import OutputConfig
from curate.write.run_files import KEPT, RunFiles, is_run
from curate.write.run_folder import staged, working
from curate.write.shards import write_files, write_json, write_shards
from curate.write.split_shards import write_split_shards
from curate.write.splits import SPLIT
from curate.write.weighing import SoftLabels, Weighing, WeightCounts, weighing_of

MARK = "export.json"
"""The file that marks a finished export."""
MEDIA_PATHS = "media_paths"
"""Its number of media that are paths of the machine where it was made."""


@dataclass(frozen=True)
class Target:
    """What is written, and how.

    Attributes:
        format: name of the export.
        file_type: "parquet", "jsonl" or "dataset" (a DatasetDict saved to disk).
        rows_per_shard: rows in one file at most.
        license: of the source data, for the card.
        language: of the texts, for the card; default as the run has it.
        allow_loss: go on where the form has no place for parts of the pairs.
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
class Exported:
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
    shards: list[dict[str, Any]]
    warnings: tuple[str, ...]
    weights: WeightCounts | None = None


def export(
    source: str | Path | InputConfig,
    folder: Path,
    target: Target,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
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
    place = source if isinstance(source, InputConfig) else InputConfig(path=str(source))
    run = RunFiles(source) if isinstance(source, (str, Path)) and is_run(source) else None
    known: frozenset[str] = frozenset()
    while True:
        # The columns of all shards depend on what any pair holds: what turns up late starts anew.
        try:
            return _Attempt(place, run, folder, target, progress, known).write(overwrite)
        except _MorePartsError as found:
            known = known | found.parts


class _MorePartsError(Exception):
    """Pairs hold parts that no pair before them did."""

    def __init__(self, parts: frozenset[str]) -> None:
        super().__init__()
        self.parts = parts


class _Attempt:
    """Writes pairs of which it is known what they hold besides texts."""

    def __init__(
        self,
        place: InputConfig,
        run: RunFiles | None,
        folder: Path,
        target: Target,
        progress: Progress,
        known: frozenset[str],
    ) -> None:
        self._place, self._run, self._folder = place, run, folder
        self._target, self._progress = target, progress
        self._form = get_export(target.format, "--to")
        check_file_type(self._form, target.file_type)
        configure(self._form, target.prompt, target.media, target.file_type, "export")
        self._weighing = self._settings()
        self._weights: WeightCounts | None = None
        # A run's own choice of columns holds for later exports of it too.
        if run is not None:
            wanted = run.manifest["config"].get("output", {}).get("columns", {})
            self._form.carries = tuple(n for n in wanted if n in PAIR_COLUMNS)
            self._form.media.folders = data_folders(run.manifest)
        self._form.parts = known & held_by(self._form, target.file_type)
        self._known = known
        self._counts: dict[str, Any] = {}
        self._reading = StreamNotes()
        self._parts: Counter[str] = Counter()
        self._kept = KeptCounts()

    def write(self, overwrite: bool) -> Exported:
        """Write the folder; raises `_MorePartsError` where more is found than was known."""
        target, run, form = self._target, self._run, self._form
        total = run.rows_kept if run else None
        with staged(self._folder, overwrite, MARK) as stage:
            with self._progress.task("export", total) as task:
                shards = self._shards(stage / KEPT, task)
            self._check()
            manifest = run.manifest if run else self._manifest()
            names = tuple(self._names())
            weights = self._weights
            advice = Advice(smoothing(manifest, weights), KEPT, target.file_type, names)
            lost = loss_told(form, self._parts, target.file_type)
            about = About.of(form, target.language or self._languages())
            card = make_card(manifest, advice, target.license, lost, stage / KEPT, weights, about)
            write_files(form.files(advice) | {"README.md": card}, stage)
            notes = (*self._reading.notes(), *form.warnings(self._kept), *lost)
            notes = (*notes, *without_smoothing(form, advice))
            notes = (*notes, *(weights.warnings if weights else ()))
            found = Exported(self._folder, self._kept.pairs, shards, notes, weights)
            mark = _mark(target, found, manifest, self._parts)
            write_json(mark | {MEDIA_PATHS: form.media.paths}, stage / MARK)
        return found

    def _shards(self, folder: Path, task: Task) -> list[dict[str, Any]]:
        """Shards of all pairs, or of each split that the run made."""
        kind, size = self._target.file_type, self._target.rows_per_shard
        splits = self._run.splits() if self._run else None
        if self._is_weighed():
            return self._weighed_shards(splits, folder, task)
        if splits is None:
            rows = self._form.stream(self._told(task))
            return write_shards(rows, folder, kind, size)
        ids = {name: splits.filter(split=name)["pair_id"] for name in self._names()}
        streams = {name: self._form.stream(self._told(task, own)) for name, own in ids.items()}
        return write_split_shards(streams, folder, kind, size)

    def _is_weighed(self) -> bool:
        """Whether the rows are not just the pairs of the source."""
        columns = self._run.columns() if self._run else []
        return self._weighing.copies > 1 or not set(WEIGHTS).isdisjoint(columns)

    def _weighed_shards(
        self, splits: pl.DataFrame | None, folder: Path, task: Task
    ) -> list[dict[str, Any]]:
        """The same of weighted pairs, which are read once and written as often as they weigh."""
        target = self._target
        with working(self._folder) as workspace:
            kept = PairRows.whole(workspace.collect("kept", self._told(task)))
            by_split = {"": kept}
            if splits is not None:
                of_pair = splits[SPLIT]
                by_split = {n: kept.where((of_pair == n).to_numpy()) for n in self._names()}
            written = Written.of(by_split, self._weighing)
            self._weights = written.counts
            settings = (target.file_type, target.rows_per_shard, lambda _: None)
            return written.write(self._form, folder, *settings)

    def _settings(self) -> Weighing:
        """What is done with weights: as asked for, else as the run has it."""
        target, output, seed = self._target, OutputConfig(), 0
        if self._run is not None:
            stored = self._run.manifest["config"].get("output", {})
            named = ("weights", "soft_labels", "copies")
            output = OutputConfig(**{name: stored[name] for name in named if name in stored})
            seed = int(self._run.manifest.get("seed", 0))
        carrier = target.weights
        if carrier is None and output.weights in self._form.carriers:
            carrier = output.weights
        soft_labels = target.soft_labels or output.soft_labels
        copies = target.copies or (output.copies if carrier in (None, "rows") else 1)
        return weighing_of(self._form, carrier, soft_labels, copies, seed, "--weights")

    def _languages(self) -> list[str]:
        """Languages that the run's own card states."""
        return list(self._run.manifest["output"].get("language", ())) if self._run else []

    def _names(self) -> list[str]:
        """The splits in the order of the configuration, the one to train on first."""
        output = self._run.manifest["config"].get("output", {}) if self._run else {}
        return list(output.get("splits") or ())

    def _told(self, task: Task, ids: pl.Series | None = None) -> Iterator[pl.DataFrame]:
        """The pairs, of these ids alone where some are given, counted, with what they hold."""
        run = self._run
        source = run.kept() if run else self._read()
        for whole in read_ahead(source):
            batch = whole if ids is None else whole.filter(pl.col("pair_id").is_in(ids.implode()))
            parts = found_parts(batch)
            if not parts.keys() <= self._known:
                raise _MorePartsError(frozenset(parts))
            self._parts.update(parts)
            self._kept.add(batch)
            task.advance(len(batch))
            yield batch

    def _read(self) -> Iterator[pl.DataFrame]:
        """The pairs of a data set; the counts get what was read."""
        counts = self._counts
        self._reading = StreamNotes()
        parts = stream_pairs(**dict(self._place), progress=self._progress)
        for part in self._reading.watch(parts):
            counts["rows_read"], counts["format"] = part.rows_read, part.format
            counts["rows_rejected"] = self._reading.rejected
            self._form.media.folders = part.folders
            yield part.frame

    def _check(self) -> None:
        target = self._target
        if not target.allow_loss:
            others = forms_holding(self._parts, target.file_type)
            check_held(self._form, self._parts, target.file_type, self._kept.pairs, others, "--to")

    def _manifest(self) -> dict[str, Any]:
        """What the card wants to know, of data that no run curated."""
        place = mask(self._place.model_dump(mode="json", exclude_none=True))
        source = {"fingerprint": "not computed", "pairs": self._kept.pairs}
        return {
            "versions": versions(),
            "config": {"input": place},
            "input": self._counts | source,
            "rows": {"in": self._kept.pairs, "kept": self._kept.pairs, "dropped": 0},
            "steps": [],
        }


def _mark(
    target: Target, found: Exported, manifest: dict[str, Any], parts: Counter[str]
) -> dict[str, Any]:
    return {
        "format": target.format,
        "file_type": target.file_type,
        "pairs": found.pairs,
        "files": found.shards,
        "parts": dict(parts),
        "warnings": list(found.warnings),
        "weights": None if found.weights is None else found.weights.facts,
        "of": {key: manifest[key] for key in ("input", "rows", "versions")},
        "run": MANIFEST if manifest["steps"] else None,
    }
