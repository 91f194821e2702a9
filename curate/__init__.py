"""Curate and denoise preference data for DPO, reward models and RLHF.

This is the public face: what users and writers of scorers and filters import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from curate.data import process
from curate.data.renamed import warn_renamed

# Before torch, numpy or Arrow is loaded, where that is still possible.
process.set_thread_defaults()
process.set_arrow_allocator()

if TYPE_CHECKING:
    from curate import audit, bench
    from curate.errors import CurateError, nearest, suggestion
    from curate.pipeline.result import Result
    from curate.pipeline.run import Pipeline
    from curate.pipeline.score import score
    from curate.read.pairs import Pairs, read_pairs, stream_pairs
    from curate.steps.context import Context
    from curate.steps.contracts import (
        HIGHER,
        LOWER,
        Column,
        Direction,
        Filter,
        FilterResult,
        Parameters,
        Scorer,
        keep_all,
        same_reason,
    )
    from curate.steps.selection import (
        MissingParams,
        Prefer,
        as_numeric_column,
        best_first,
        with_reasons,
    )

__all__ = [
    "HIGHER",
    "LOWER",
    "Column",
    "Context",
    "CurateError",
    "Direction",
    "Filter",
    "FilterResult",
    "MissingParams",
    "Pairs",
    "Parameters",
    "Pipeline",
    "Prefer",
    "Result",
    "Scorer",
    "as_numeric_column",
    "audit",
    "bench",
    "best_first",
    "keep_all",
    "nearest",
    "read_pairs",
    "same_reason",
    "score",
    "stream_pairs",
    "suggestion",
    "with_reasons",
]

_HOMES = {
    "Column": "curate.steps.contracts",
    "Context": "curate.steps.context",
    "CurateError": "curate.errors",
    "Direction": "curate.steps.contracts",
    "Filter": "curate.steps.contracts",
    "FilterResult": "curate.steps.contracts",
    "HIGHER": "curate.steps.contracts",
    "LOWER": "curate.steps.contracts",
    "MissingParams": "curate.steps.selection",
    "Pairs": "curate.read.pairs",
    "Parameters": "curate.steps.contracts",
    "Pipeline": "curate.pipeline.run",
    "Prefer": "curate.steps.selection",
    "Result": "curate.pipeline.result",
    "Scorer": "curate.steps.contracts",
    "best_first": "curate.steps.selection",
    "as_numeric_column": "curate.steps.selection",
    "keep_all": "curate.steps.contracts",
    "nearest": "curate.errors",
    "read_pairs": "curate.read.pairs",
    "same_reason": "curate.steps.contracts",
    "score": "curate.pipeline.score",
    "stream_pairs": "curate.read.pairs",
    "suggestion": "curate.errors",
    "with_reasons": "curate.steps.selection",
}

_RENAMED = {"check_readable": "as_numeric_column"}
"""Names of version 0.2 that plug-ins import; they stay for one release."""


def __getattr__(name: str) -> Any:
    # Loaded on first use: `curate --help` must not wait for polars and torch.
    if name in _RENAMED:
        new_name = _RENAMED[name]
        warn_renamed(f"curate.{name}", f"curate.{new_name}")
        name = new_name
    if name in ("audit", "bench"):
        return importlib.import_module(f"curate.{name}")  # packages that are functions too
    if name not in _HOMES:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
