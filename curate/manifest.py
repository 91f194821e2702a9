"""manifest.json: what a run did, with what, and the check that no pair was lost."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from curate.config import PipelineConfig
from curate.plan import Plan
from curate.step_report import StepReport
from curate.versions import versions

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


def check_rows(rows_in: int, kept: int, dropped: int) -> None:
    """Raise RuntimeError unless every pair that came in was either kept or dropped."""
    if rows_in != kept + dropped:
        raise RuntimeError(f"{rows_in} pairs came in, but {kept} were kept and {dropped} dropped")


def make_manifest(
    config: PipelineConfig,
    plan: Plan,
    steps: list[StepReport],
    source: dict[str, Any],
    rows: dict[str, int],
    files: dict[str, Any],
) -> dict[str, Any]:
    """The manifest as plain data; see README for its keys."""
    check_rows(rows["in"], rows["kept"], rows["dropped"])
    return {
        "manifest_version": FORMAT_VERSION,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "seed": config.seed,
        "config": config.model_dump(mode="json", exclude_none=True),
        "input": source,
        "rows": rows,
        "steps": [asdict(step) for step in steps],
        "seconds": sum(step.seconds for step in steps),
        "warnings": [warning for step in steps for warning in step.warnings],
        "columns": [asdict(column) for column in plan.columns()],
        "output": files,
    }
