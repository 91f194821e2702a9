"""Reasoning traces of both answers."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import polars as pl

from curate import Column, Context, Parameters, Scope, Scorer
from curate.scoring import map_distinct_texts
from curate.scoring.texts import LanguageDetector, split_trace

_MIN_CHARACTERS = 40
"""Characters below which a language is not detected."""


class Trace(Scorer[Parameters]):
    """Measure the reasoning trace of each answer, and flag odd traces.

    A trace is the text between `<think>` and `</think>`, which is also how `reasoning_content` is
    rendered. `<answer>_trace` and `<answer>_answer` are lengths in characters, `<answer>_cut` says
    that `</think>` is missing, `<answer>_same_language` compares trace and text by langid (null
    under 40 characters), `one_sided` says that only one answer has a trace. Use it on reasoning
    data: such traces give labels away.

    Examples:
        >>> from curate import score
        >>> row = {"prompt": "2 + 2?", "chosen": "<think>Add.</think>4", "rejected": "5"}
        >>> score([row], "trace").frame.select("trace.chosen_trace", "trace.one_sided").row(0)
        (4.0, True)
    """

    name = "trace"
    purpose = "texts"
    when = "For reasoning data: one-sided, cut-off or foreign-language traces give labels away."
    summary = "length of reasoning trace and answer, one-sided or cut-off traces, their language"
    scope = Scope.ROW
    single_answer_columns = ("chosen_trace", "chosen_answer", "chosen_cut", "chosen_same_language")
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return lengths and flags of both answers."""
        sides = (("chosen", "the chosen answer"), ("rejected", "the rejected answer"))
        return (
            *(Column(f"{s}_trace", f"length of the trace of {n}", unit="chars") for s, n in sides),
            *(Column(f"{s}_answer", f"length of {n} after it", unit="chars") for s, n in sides),
            *(Column(f"{s}_cut", f"the trace of {n} does not end", "bool") for s, n in sides),
            *(
                Column(f"{s}_same_language", f"trace and text of {n} are in one language", "bool")
                for s, n in sides
            ),
            Column("one_sided", "only one answer has a trace", "bool"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return values of a batch."""
        answer_values = map_distinct_texts(pairs, ("chosen", "rejected"), self._trace_values)
        columns: dict[str, list[Any]] = {}
        for side, values in zip(("chosen", "rejected"), answer_values, strict=True):
            names = ("trace", "answer", "cut", "same_language")
            columns |= {f"{side}_{n}": [v[i] for v in values] for i, n in enumerate(names)}
        chosen_has_trace, rejected_has_trace = (
            pl.col(f"{side}_trace") > 0 for side in ("chosen", "rejected")
        )
        dtypes = {c.name: c.dtype for c in self.columns() if c.name in columns}
        frame = pl.DataFrame(columns, schema_overrides=dtypes)
        return frame.with_columns(one_sided=chosen_has_trace != rejected_has_trace).select(
            c.name for c in self.columns()
        )

    def _trace_values(self, text: str) -> tuple[int, int, bool, bool | None]:
        trace, ended, answer = split_trace(text)
        if trace is None:
            return 0, len(text), False, None
        trace, answer = trace.strip(), answer.strip()
        return len(trace), len(answer), not ended, self._same_language(trace, answer)

    def _same_language(self, trace: str, answer: str) -> bool | None:
        if min(len(trace), len(answer)) < _MIN_CHARACTERS:
            return None
        codes = [self._languages.of(text) for text in (trace, answer)]
        return None if None in codes else codes[0] == codes[1]

    @cached_property
    def _languages(self) -> LanguageDetector:
        return LanguageDetector("scorer 'trace'")
