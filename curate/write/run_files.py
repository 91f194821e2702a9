"""Reads a finished run's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pyarrow import parquet

from curate.data.attachments import frame_batch_rows
from curate.data.columnar import parquet_batch_rows
from curate.data.table import DROP_CODE, DROP_REASON, DROP_STEP, as_pair_table, batch_slices
from curate.errors import CurateError
from curate.store.scratch import ScratchSpace
from curate.write.contents import FolderContents, is_run_folder
from curate.write.manifest import MANIFEST, RunManifest
from curate.write.splits import SPLITS

KEPT, PAIRS, DROPPED = "kept", "pairs", "dropped"
SCORES, REJECTED = "scores.parquet", "rejected_rows.parquet"
_BATCH_ROWS = 8192


def keeps_pairs(format: str, file_type: str, split: bool, weights: str | None) -> bool:
    """Return whether `kept/` is a complete pair table, so that `pairs/` is not needed.

    Args:
        format: of the shards.
        file_type: of the shards.
        split: whether they are split.
        weights: the carrier of weights, None for pairs without any.
    """
    # Rows that were drawn are no longer the pairs.
    is_complete = weights in (None, "column") and not split
    return format == "pairs" and file_type == "parquet" and is_complete


def is_run(path: str | Path) -> bool:
    """Return whether the path is the folder of a finished run."""
    return is_run_folder(path, MANIFEST)


class RunFiles:
    """A finished run.

    Raises:
        CurateError: the folder is no finished run, or one of an older version without `pairs/`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not is_run(self.folder):
            raise CurateError(
                "the folder is not a finished run",
                where=str(folder),
                expected=f"a folder with {MANIFEST}",
                fix="give the --output of a 'curate run'",
            )
        contents = FolderContents(self.folder, MANIFEST)
        # Checksums first: a run that somebody changed would give scores of other pairs.
        contents.check()
        self.manifest = self._checked_manifest(contents.data)
        output = self.manifest.output
        carrier = None if output.weights is None else output.weights.carrier
        is_split = bool(output.splits)
        has_pair_shards = keeps_pairs(output.format, output.file_type, is_split, carrier)
        inside = KEPT if has_pair_shards else PAIRS
        self._pairs = self.folder / inside
        if not self._pairs.is_dir():
            raise CurateError(
                "this run has no pairs/ folder",
                where=str(folder),
                found="a run of an older version",
                fix="run the pipeline again",
            )

    def _checked_manifest(self, data: Mapping[str, Any]) -> RunManifest:
        """Return the manifest; raise CurateError if a section is missing or damaged."""
        # The keys of every version: a manifest without them was damaged, not written by an older
        # one.
        parts = {"output": ("format", "file_type"), "rows": ("in", "kept", "dropped"), "config": ()}
        for part, keys in parts.items():
            section = data.get(part)
            lacks = [key for key in keys if not isinstance(section, dict) or key not in section]
            if not isinstance(section, dict) or lacks:
                problem = f"{part} without {', '.join(lacks)}" if lacks else f"no {part}"
                raise self._damaged_manifest(problem)
        try:
            return RunManifest.from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._damaged_manifest(f"{type(error).__name__}: {error}") from None

    def _damaged_manifest(self, problem: str) -> CurateError:
        return CurateError(
            "the manifest is damaged",
            where=str(self.folder / MANIFEST),
            found=problem,
            fix="run the pipeline again",
        )

    def columns(self) -> list[str]:
        """Return the columns of the kept pairs: those of the pair table, weights, what shards
        carry.
        """
        first = next(iter(sorted(self._pairs.glob("*.parquet"))), None)
        return [] if first is None else parquet.read_schema(first).names

    def kept_batches(self) -> Iterator[pl.DataFrame]:
        """Return the kept pairs as the pair table, a few thousand rows at a time."""
        return _iter_frames(self._pairs)

    def splits(self) -> pl.DataFrame | None:
        """Return pair_id and split of the kept pairs; None if the run has no splits."""
        path = self.folder / SPLITS
        return pl.read_parquet(path) if path.is_file() else None

    def dropped_batches(self) -> Iterator[pl.DataFrame]:
        """Return the dropped pairs as read, with drop_step, drop_reason and drop_code."""
        return _iter_frames(self.folder / DROPPED)

    def scores(self, columns: list[str] | None = None) -> pl.DataFrame:
        """Return id, origin and scores of all pairs."""
        return pl.read_parquet(self.folder / SCORES, columns=columns)

    def rejected(self) -> pl.DataFrame:
        """Return file, row and reason of rows that made no pair."""
        return pl.read_parquet(self.folder / REJECTED)

    def all_pairs(self, scratch: ScratchSpace | None = None) -> pl.DataFrame:
        """Return kept and dropped pairs in the order in which they were read.

        Labels of kept pairs are as filters left them; drop_step, drop_reason and drop_code are null
        for them.
        Texts lie in the workspace, by default in memory.
        """
        # One column of a file of texts: Parquet reads no other.
        kept_ids = pl.scan_parquet(self._pairs / "*.parquet").select("pair_id").collect()["pair_id"]
        order = self.scores(["pair_id"])["pair_id"]
        return restore_reading_order(
            order, kept_ids, self.kept_batches(), self.dropped_batches(), scratch or ScratchSpace()
        )


def restore_reading_order(
    order: pl.Series,
    kept_ids: pl.Series,
    kept_frames: Iterator[pl.DataFrame],
    dropped_frames: Iterator[pl.DataFrame],
    scratch: ScratchSpace,
) -> pl.DataFrame:
    """Return kept and dropped pairs, with drop_step, drop_reason and drop_code.

    A few thousand are in memory at a time.

    Args:
        order: ids of all pairs in the order wanted, in which either side is too.
        kept_ids: those of the kept pairs.
        kept_frames: the kept pairs, frame by frame.
        dropped_frames: the dropped pairs, frame by frame.
        scratch: space for the result.
    """
    is_kept = order.is_in(kept_ids.implode())
    # A run of an older version has no codes: they are null for its dropped pairs.
    fate = pl.DataFrame(schema=dict.fromkeys((DROP_STEP, DROP_REASON, DROP_CODE), pl.String()))
    sides = _BufferedRows(kept_frames), _BufferedRows(dropped_frames)

    def parts() -> Iterator[pl.DataFrame]:
        # Pairs with media are large: fewer of them are held at a time.
        size = min(side.batch_rows() for side in sides)
        for rows in batch_slices(len(order), size) or [slice(0, 0)]:
            number = int(is_kept[rows].sum())
            counts = number, rows.stop - rows.start - number
            batch_rows = [side.take(count) for side, count in zip(sides, counts, strict=True)]
            both = pl.concat([*batch_rows, fate], how="diagonal")
            # Both sides are in the order of reading, so that each batch holds the ids that it is
            # asked for.
            batch_ids = order[rows].alias("pair_id").to_frame()
            yield batch_ids.join(both, on="pair_id", how="left", maintain_order="left")

    return scratch.collect("as read", parts())


class _BufferedRows:
    """Frames that are taken a given number of rows at a time; no row gives the columns alone."""

    def __init__(self, frames: Iterator[pl.DataFrame]) -> None:
        self._frames = frames
        self._buffered = next(frames, pl.DataFrame())

    def batch_rows(self) -> int:
        """Return rows that can be held at a time."""
        return frame_batch_rows(self._buffered, _BATCH_ROWS)

    def take(self, rows: int) -> pl.DataFrame:
        """Return the next rows."""
        while len(self._buffered) < rows:
            self._buffered = pl.concat([self._buffered, next(self._frames)])
        rows_read, self._buffered = self._buffered[:rows], self._buffered[rows:]
        return rows_read


def _iter_frames(folder: Path) -> Iterator[pl.DataFrame]:
    for path in sorted(folder.glob("*.parquet")):
        # Buffering ahead would hold whole row groups, which with images are gigabytes.
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(
                batch_size=parquet_batch_rows(file.metadata, _BATCH_ROWS)
            ):
                yield as_pair_table(pl.DataFrame(pl.from_arrow(batch)))
