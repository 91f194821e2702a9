"""Curate and denoise preference data for DPO, reward models and RLHF.

This is the public face: what users and writers of scorers and filters import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from curate.data import process
from curate.data.renamed import warn_renamed

# Before torch, numpy or Arrow is loaded, where that is still possible.
process.set_thread_defaults()
process.set_arrow_allocator()

if TYPE_CHECKING:
    # `as` tells type checkers that these are exported: they cannot read `__all__` below.
    from curate.auditing.audit import audit as audit
    from curate.benchmark.bench import bench as bench
    from curate.errors import CurateError as CurateError
    from curate.errors import nearest as nearest
    from curate.errors import suggestion as suggestion
    from curate.pipeline.result import Result as Result
    from curate.pipeline.run import Pipeline as Pipeline
    from curate.pipeline.score import score as score
    from curate.read.pairs import Pairs as Pairs
    from curate.read.pairs import read_pairs as read_pairs
    from curate.read.pairs import stream_pairs as stream_pairs
    from curate.steps.context import Context as Context
    from curate.steps.contracts import HIGHER as HIGHER
    from curate.steps.contracts import LOWER as LOWER
    from curate.steps.contracts import Column as Column
    from curate.steps.contracts import Direction as Direction
    from curate.steps.contracts import Filter as Filter
    from curate.steps.contracts import FilterResult as FilterResult
    from curate.steps.contracts import Parameters as Parameters
    from curate.steps.contracts import Scorer as Scorer
    from curate.steps.contracts import keep_all as keep_all
    from curate.steps.contracts import same_reason as same_reason
    from curate.steps.declarations import Cache as Cache
    from curate.steps.declarations import Input as Input
    from curate.steps.declarations import Scope as Scope
    from curate.steps.declarations import Standing as Standing
    from curate.steps.selection import MissingParams as MissingParams
    from curate.steps.selection import Prefer as Prefer
    from curate.steps.selection import as_numeric_column as as_numeric_column
    from curate.steps.selection import best_first as best_first
    from curate.steps.selection import with_reasons as with_reasons

_HOMES = {
    "Scope": "curate.steps.declarations",
    "Standing": "curate.steps.declarations",
    "Input": "curate.steps.declarations",
    "Cache": "curate.steps.declarations",
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
    "as_numeric_column": "curate.steps.selection",
    "audit": "curate.auditing.audit",
    "bench": "curate.benchmark.bench",
    "best_first": "curate.steps.selection",
    "keep_all": "curate.steps.contracts",
    "nearest": "curate.errors",
    "read_pairs": "curate.read.pairs",
    "same_reason": "curate.steps.contracts",
    "score": "curate.pipeline.score",
    "stream_pairs": "curate.read.pairs",
    "suggestion": "curate.errors",
    "with_reasons": "curate.steps.selection",
}
"""The module of each public name; a test compares it with the imports for type checkers."""

__all__ = list(_HOMES)

_RENAMED = {"check_readable": "as_numeric_column"}
"""Names of version 0.2 that plug-ins import; they stay for one release."""


def __getattr__(name: str) -> object:
    # Loaded on first use: `curate --help` must not wait for polars and torch.
    if name in _RENAMED:
        new_name = _RENAMED[name]
        warn_renamed(f"curate.{name}", f"curate.{new_name}")
        name = new_name
    if name not in _HOMES:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
