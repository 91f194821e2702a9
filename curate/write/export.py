"""Writes the kept pairs of a run, or any data set, in a trainer's form: `curate export`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.data.prefetch import read_ahead
from curate.errors import mask
from curate.read.input import InputConfig
from curate.read.pairs import stream_pairs
from curate.steps.context import Progress, SilentProgress
from curate.versions import versions
from curate.write.card import make_card
from curate.write.exports import Advice, get_export
from curate.write.manifest import MANIFEST, smoothing
from curate.write.run_files import KEPT, RunFiles, is_run
from curate.write.run_folder import staged
from curate.write.shards import ShardWriter, write_files, write_json

MARK = "export.json"
"""The file that marks a finished export."""


@dataclass(frozen=True)
class Target:
    """What is written, and how.

    Attributes:
        format: name of the export.
        file_type: "parquet", "jsonl" or "dataset" (a DatasetDict saved to disk).
        rows_per_shard: rows in one file at most.
        license: of the source data, for the card.
    """

    format: str = "trl"
    file_type: str = "parquet"
    rows_per_shard: int = 100_000
    license: str | None = None


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: of the export.
        pairs: number of pairs.
        shards: path, bytes and, but for a DatasetDict, rows of each file.
        warnings: what the form cannot hold.
    """

    folder: Path
    pairs: int
    shards: list[dict[str, Any]]
    warnings: tuple[str, ...]


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
    form = get_export(target.format, "--to")
    place = source if isinstance(source, InputConfig) else InputConfig(path=str(source))
    run = RunFiles(source) if isinstance(source, (str, Path)) and is_run(source) else None
    counts: dict[str, Any] = {}
    warnings = _Warnings()
    with staged(folder, overwrite, MARK) as stage:
        batches = read_ahead(run.kept() if run else _read(place, counts, progress))
        pairs = 0
        with (
            ShardWriter(stage / KEPT, target.file_type, target.rows_per_shard) as writer,
            progress.task("export", run.rows_kept if run else None) as task,
        ):

            def told() -> Iterator[pl.DataFrame]:
                nonlocal pairs
                for batch in batches:
                    warnings.add(form.warnings(batch))
                    pairs += len(batch)
                    task.advance(len(batch))
                    yield batch

            for rows in form.stream(told()):
                writer.write(rows)
        manifest = run.manifest if run else _plain_manifest(place, counts, pairs)
        advice = Advice(smoothing(manifest), KEPT, target.file_type)
        files = form.files(advice) | {"README.md": make_card(manifest, advice, target.license)}
        write_files(files, stage)
        notes = (*counts.pop("notes", ()), *warnings.merged())
        found = Exported(folder, pairs, writer.shards, notes)
        write_json(_mark(target, found, manifest), stage / MARK)
    return found


class _Warnings:
    """Warnings of the batches of one export: one of each kind, that of the first batch."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, warnings: list[str]) -> None:
        for warning in warnings:
            kind = "".join(c for c in warning if not c.isdigit())
            self._kinds.setdefault(kind, []).append(warning)

    def merged(self) -> tuple[str, ...]:
        """One warning a kind; of several batches it says how many had it."""
        return tuple(
            first if not more else f"{first} (the first batch; {len(more)} more have it too)"
            for first, *more in self._kinds.values()
        )


def _read(place: InputConfig, counts: dict[str, Any], progress: Progress) -> Iterator[pl.DataFrame]:
    """The pairs of a data set; `counts` gets what was read."""
    counts |= {"rows_rejected": 0, "notes": ()}
    for part in stream_pairs(**dict(place), progress=progress):
        counts["rows_read"] = part.rows_read
        counts["rows_rejected"] += len(part.rejected)
        counts["format"], counts["notes"] = part.format, part.notes
        yield part.frame


def _plain_manifest(place: InputConfig, counts: dict[str, Any], pairs: int) -> dict[str, Any]:
    """What the card wants to know, of data that no run curated."""
    return {
        "versions": versions(),
        "config": {"input": mask(place.model_dump(mode="json", exclude_none=True))},
        "input": counts | {"fingerprint": "not computed", "pairs": pairs},
        "rows": {"in": pairs, "kept": pairs, "dropped": 0},
        "steps": [],
    }


def _mark(target: Target, found: Exported, manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": target.format,
        "file_type": target.file_type,
        "pairs": found.pairs,
        "files": found.shards,
        "warnings": list(found.warnings),
        "of": {key: manifest[key] for key in ("input", "rows", "versions")},
        "run": MANIFEST if manifest["steps"] else None,
    }
