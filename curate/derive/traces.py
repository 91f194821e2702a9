"""Each pair with its reasoning traces, and again with empty ones (BVPO)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.json_fields import with_extra_key
from curate.data.messages import THINK_END, THINK_START, split_trace
from curate.data.table import PairIds, empty_pairs
from curate.derive.instructions import DerivedPairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

MADE = "bvpo"
"""Value of `extra.made` for these pairs."""
_SIDES = ("chosen", "rejected")
_EMPTY_TRACE = f"{THINK_START}\n\n{THINK_END}\n\n"


def mixing_weight(
    trace: NDArray[np.float64], empty: NDArray[np.float64], marginal: NDArray[np.float64]
) -> float:
    """Return the weight a of a g_t + (1 - a) g_e that minimises its mean squared error.

    With errors e_t = g_t - g and e_e = g_e - g from the gradient g of the marginal likelihood,
    E |a e_t + (1 - a) e_e|^2 is smallest at

        a = (E|e_e|^2 - E<e_t, e_e>) / (E|e_t|^2 + E|e_e|^2 - 2 E<e_t, e_e>),

    kept within 0 and 1 (BVPO, arXiv 2510.05095: the closed form of the bias-variance trade-off).
    The marginal gradient can be approximated by the mean over many traces of each prompt.

    Args:
        trace: (draws, parameters) gradients with a sampled trace.
        empty: (draws, parameters) gradients with the empty trace.
        marginal: (parameters,) gradient of the marginal likelihood.

    Examples:
        >>> trace = np.array([[1.0], [3.0]])
        >>> mixing_weight(trace, np.array([[1.0], [1.0]]), np.array([2.0]))
        0.5
    """
    trace_error, empty_error = trace - marginal, empty - marginal
    shared = np.sum(trace_error * empty_error, axis=1).mean()
    trace_size, empty_size = (np.sum(e**2, axis=1).mean() for e in (trace_error, empty_error))
    # E|e_t - e_e|^2: 0 where both estimators are the same, and any weight will do.
    distance = trace_size + empty_size - 2.0 * shared
    return float(np.clip((empty_size - shared) / distance, 0.0, 1.0)) if distance > 0 else 0.5


def trace_batches(
    batches: Iterable[pl.DataFrame], trace_weight: float = 0.5
) -> Iterator[DerivedPairs]:
    """Derive pairs from batches of a dataset, with ids for the whole dataset; see `trace_pairs`."""
    ids = PairIds()
    for batch in batches:
        yield trace_pairs(batch, trace_weight, ids)


def trace_pairs(
    pairs: pl.DataFrame, trace_weight: float = 0.5, ids: PairIds | None = None
) -> DerivedPairs:
    """Return each pair whose answers both have a trace twice: as it is, and with empty traces.

    BVPO (arXiv 2510.05095) mixes the losses of both sets, a L_t + (1 - a) L_e: `extra.weight` is a
    of the pair with traces and 1 - a of the one without; the filter {type: reweight, column:
    extra.weight} hands it to the trainer. The paper draws new answers with thinking switched off;
    here the same final answers follow an empty trace. `extra` keeps its keys and gets `made`,
    `trace` ("kept" or "empty") and `weight`.

    Args:
        pairs: the pair table.
        trace_weight: a, 0 to 1; see `mixing_weight`.
        ids: pair ids of the dataset.
    """
    finals = [[_final_answer(turns) for turns in pairs[side].to_list()] for side in _SIDES]
    has_traces = pl.Series(
        [None not in texts for texts in zip(*finals, strict=True)], dtype=pl.Boolean
    )
    traced_pairs = pairs.filter(has_traces)
    emptied_pairs = traced_pairs.with_columns(
        _emptied(
            traced_pairs[side], [text for text, use in zip(texts, has_traces, strict=True) if use]
        )
        for side, texts in zip(_SIDES, finals, strict=True)
    )
    copies = [
        _marked(frame, trace, weight)
        for frame, trace, weight in (
            (traced_pairs, "kept", trace_weight),
            (emptied_pairs, "empty", 1.0 - trace_weight),
        )
    ]
    derived = pl.concat([empty_pairs(), *copies], how="diagonal_relaxed")
    unused = len(pairs) - len(traced_pairs)
    left_out = {"an answer without a closed reasoning trace": unused} if unused else {}
    return DerivedPairs((ids or PairIds()).fill_missing(derived), left_out)


def _final_answer(turns: list[dict[str, str]] | None) -> str | None:
    """Return the text after the trace; None without a trace that ends, or of several turns."""
    if not turns or len(turns) != 1:
        return None
    trace, ended, final = split_trace(turns[0]["content"] or "")
    return final.lstrip("\n") if trace is not None and ended else None


def _emptied(answers: pl.Series, finals: list[str | None]) -> pl.Series:
    turns = [
        [{**turn, "content": f"{_EMPTY_TRACE}{final}", "more": None} for turn in answer]
        for answer, final in zip(answers.to_list(), finals, strict=True)
    ]
    return pl.Series(answers.name, turns, dtype=answers.dtype)


def _marked(pairs: pl.DataFrame, trace: str, weight: float) -> pl.DataFrame:
    marks = {"made": f'"{MADE}"', "trace": f'"{trace}"', "weight": f"{weight:g}"}
    for key, value in marks.items():
        pairs = pairs.with_columns(with_extra_key("extra", key, pl.lit(value)).alias("extra"))
    # The pair with traces is a row of its own: its id is given anew, as is the other's.
    return pairs.with_columns(pair_id=pl.lit(None, pl.String))
