"""Writes a finished run's folder."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from curate.card import make_card
from curate.config import PipelineConfig
from curate.context import Progress
from curate.engines.local import StepReport
from curate.exports import Advice
from curate.manifest import MANIFEST, make_manifest
from curate.pairs import fingerprint
from curate.plan import Plan
from curate.reading import Pairs
from curate.report.build import write_report
from curate.report.prompt_map import FILE
from curate.result import Result
from curate.run_files import DROPPED, KEPT, PAIRS, REJECTED, SCORES, keeps_pairs
from curate.runfolder import staged
from curate.writing import write_files, write_frame, write_json, write_shards


def write_run(
    config: PipelineConfig,
    plan: Plan,
    result: Result,
    pairs: Pairs,
    folder: Path,
    overwrite: bool,
    progress: Progress,
) -> Result:
    """Write the run to `folder`, the manifest last; see README for its files.

    Returns:
        The result with the step "write" and the folder.

    Raises:
        CurateError: the folder cannot be written, or the kept pairs do not fit the export's form.
    """
    started = time.perf_counter()
    output = config.output
    size = output.rows_per_shard
    kept = plan.export.convert(result.kept)
    with staged(folder, overwrite) as stage, progress.task("write", None):
        shards = write_shards(kept, stage / KEPT, output.file_type, size)
        if not keeps_pairs(output.format, output.file_type):
            write_shards(result.kept, stage / PAIRS, "parquet", size)
        write_shards(result.dropped, stage / DROPPED, "parquet", size)
        write_frame(with_origins(result.scores, pairs.origins), stage / SCORES)
        write_frame(pairs.rejected, stage / REJECTED)
        report = StepReport(
            "write",
            "write",
            len(result.kept),
            len(result.kept),
            time.perf_counter() - started,
            warnings=tuple(plan.export.warnings(result.kept)),
        )
        steps = [*result.steps, report]
        rows = {"in": result.rows_in, "kept": len(result.kept), "dropped": len(result.dropped)}
        files = {"format": output.format, "file_type": output.file_type, "kept": shards}
        manifest = make_manifest(config, plan, steps, _source(pairs), rows, files)
        advice = Advice(smoothing(manifest), KEPT, output.file_type)
        write_files(plan.export.files(advice), stage)
        write_files({"README.md": make_card(manifest, advice)}, stage)
        if result.prompt_map is not None:
            write_frame(result.prompt_map, stage / FILE)
        write_json(manifest, stage / MANIFEST)
    if output.report:
        # After the run is in its place: a report that fails must not cost the run.
        with progress.task("report", None):
            write_report(folder)
    return replace(result, steps=steps, folder=folder)


def smoothing(manifest: dict[str, Any]) -> float | None:
    """The share of wrong labels that the last step which estimated it leaves."""
    rates = [step["facts"].get("label_smoothing") for step in manifest["steps"]]
    known = [rate for rate in rates if rate is not None]
    return float(known[-1]) if known else None


def with_origins(scores: pl.DataFrame, origins: pl.DataFrame) -> pl.DataFrame:
    """Scores with file and row of each pair after its id, where the pairs came from files."""
    if len(origins) != len(scores):
        return scores
    return pl.concat([scores.select("pair_id"), origins, scores.drop("pair_id")], how="horizontal")


def _source(pairs: Pairs) -> dict[str, Any]:
    return {
        "format": pairs.format,
        "rows_read": pairs.rows_read,
        "rows_rejected": len(pairs.rejected),
        "pairs": len(pairs),
        "fingerprint": fingerprint(pairs.frame),
    }
