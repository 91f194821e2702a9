"""What a run did, with what, as the plain data of its manifest."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from curate.data.row_selection import RowSelection
from curate.data.table import DROP_CODE
from curate.errors import mask
from curate.pipeline.config import PipelineConfig, config_data
from curate.pipeline.plan import PipelinePlan
from curate.steps.step_record import StepRecord, all_warnings
from curate.versions import versions
from curate.write.manifest import FORMAT_VERSION, check_rows


def count_drop_codes(dropped: RowSelection) -> dict[str, int]:
    """Return how many pairs were dropped for each cause, the most frequent cause first.

    Pairs that a run of an older version dropped have no code, and are not counted.
    """
    counts: Counter[str] = Counter()
    for batch in dropped.iter_batches([DROP_CODE]):
        counts.update(dict(batch[DROP_CODE].drop_nulls().value_counts().iter_rows()))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def make_manifest(
    config: PipelineConfig,
    plan: PipelinePlan,
    steps: list[StepRecord],
    source: dict[str, Any],
    rows: dict[str, int],
    files: dict[str, Any],
) -> dict[str, Any]:
    """Return the manifest as plain data; see docs/trainers/index.md for its place."""
    undrawn = rows.get("undrawn", 0)
    # A pair that is neither kept nor dropped would be lost silently.
    check_rows(rows["in"], rows["kept"] - undrawn, rows["dropped"], undrawn)
    return {
        "manifest_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "seed": config.seed,
        # Whoever gets the folder, or the card made from it, must not get credentials.
        "config": mask(config_data(config)),
        "input": source,
        "rows": rows,
        "steps": [asdict(step) for step in steps],
        "seconds": sum(step.seconds for step in steps),
        "warnings": all_warnings(steps),
        "columns": [asdict(column) for column in plan.columns()],
        "output": files,
    }
