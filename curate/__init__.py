"""Curate and denoise preference data for DPO, reward models and RLHF.

Read and curate data:
    read_pairs          read preference pairs from files, objects in memory or the hub
    stream_pairs        the same, a few thousand rows at a time
    Pairs               what they return: the pair table, and rows that were no pairs
    audit               estimate how noisy the labels are, and what they favour
    bench               test whether a filter helps, on your own labels
    score               compute the columns of one scorer
    Pipeline            score and filter pairs as a configuration says
    Result              a finished run: kept and dropped pairs, scores, warnings
    CurateError         a mistake that the user can fix: where, found, expected, fix

Write a scorer:
    Scorer              base class; `curate new scorer NAME` writes a package with one
    Parameters          base class of the parameters of a step
    Column              a column that a scorer returns: meaning, unit, direction
    Direction           which values of a column are good: HIGHER, LOWER or neither
    HIGHER              higher values are good
    LOWER               lower values are good
    Context             settings of the run, and what is computed once for all steps
    Scope               whether a scorer gets batches, all pairs, or pairs left on the workers
    Input               what a scorer reads: texts, embeddings, media, a model
    Cache               whether its scores are stored for the next run
    Standing            what measurements say of a step

Write a filter:
    Filter              base class; `curate new filter NAME` writes a package with one
    FilterResult        which pairs are kept, and why the others are not
    keep_all            the result that keeps every pair
    same_reason         the result that drops by a mask, all for one reason
    with_reasons        the result that drops by a mask, each pair with its own reason
    MissingParams       parameters of filters that say what happens to missing values
    Prefer              whether a filter keeps the highest or the lowest values
    as_numeric_column   a column that a filter reads, as numbers
    best_first          the order of pairs by a column
    nearest             the valid name that is closest to a wrong one
    suggestion          the text of a fix that names it

`help(curate.NAME)` has the arguments and an example of each.
"""

# The names of imports begin with an underscore, so that completion offers the public ones alone.
import importlib as _importlib
import typing as _typing

from curate.data import process as _process
from curate.data import renamed as _renamed

# Before torch, numpy or Arrow is loaded, where that is still possible.
_process.set_thread_defaults()
_process.set_arrow_allocator()

if _typing.TYPE_CHECKING:
    __version__: str
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

_NEW_NAMES = {"check_readable": "as_numeric_column"}
"""Names of version 0.2 that plug-ins import; they stay for one release."""


def __getattr__(name: str) -> object:
    # Loaded on first use: `curate --help` must not wait for polars and torch.
    if name == "__version__":
        # Not at import: finding the metadata of a package takes some milliseconds.
        return _importlib.import_module("curate.versions").curate_version()
    if name in _NEW_NAMES:
        new_name = _NEW_NAMES[name]
        _renamed.warn_renamed(f"curate.{name}", f"curate.{new_name}")
        name = new_name
    if name not in _HOMES:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    return getattr(_importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    special_names = (name for name in globals() if name.startswith("__"))
    return sorted({*_HOMES, "__version__", *special_names})
