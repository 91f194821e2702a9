"""Curate and denoise preference data for DPO, reward models and RLHF."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from curate.data.threads import prepare

# Before torch or numpy is loaded, where that is still possible.
prepare()

if TYPE_CHECKING:
    from curate.errors import CurateError
    from curate.pipeline.result import Result
    from curate.pipeline.run import Pipeline
    from curate.read.pairs import Pairs, read_pairs, stream_pairs

__all__ = ["CurateError", "Pairs", "Pipeline", "Result", "read_pairs", "stream_pairs"]

_HOMES = {
    "CurateError": "curate.errors",
    "Pairs": "curate.read.pairs",
    "Pipeline": "curate.pipeline.run",
    "Result": "curate.pipeline.result",
    "read_pairs": "curate.read.pairs",
    "stream_pairs": "curate.read.pairs",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: `curate --help` must not wait for polars and torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
