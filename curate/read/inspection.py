"""Counts what a dataset holds before anything is done to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.attachments import MEDIA_COLUMNS, TEXT_ATTACHMENTS
from curate.data.content_kinds import count_content_kinds
from curate.data.duplicates import duplicate_flags
from curate.data.hashes import same_answers, select_in_batches
from curate.data.json_result import JsonResult
from curate.data.table import has_single_answers, messages_text
from curate.read.notes import rejected_rows_note
from curate.read.pairs import Pairs

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
_MAX_LISTED_VALUES = 10
_TEXTS = ("prompt", "chosen", "rejected")
# Rows in which keys of extra are looked for.
_SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class DatasetSummary(JsonResult):
    """What a dataset holds before anything is done to it.

    Attributes:
        format: format of the data.
        rows_read: rows that were read.
        rows_rejected: rows that hold no pair.
        left_out: a sentence on these rows, if there are any.
        notes: what the user should know of how the data were read.
        pairs: pairs that were read.
        distinct_prompts: distinct prompts among them.
        ties: pairs without a preferred answer.
        identical_answers: pairs of the same two texts.
        empty_answers: answers without text.
        exact_repeats: pairs that are there several times.
        contradicted: pairs on which another label says the opposite.
        chosen_is_longer: share of pairs whose preferred answer is longer.
        prompt_turns: pairs by the number of turns of their prompt.
        annotators: pairs by annotator, the most frequent ones.
        sources: pairs by source, likewise.
        strengths: pairs with a strength of preference.
        besides_texts: pairs with media, tools and the like.
        characters: quantiles of the lengths of prompt, chosen and rejected.
        extra_keys: keys of `extra`.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(
        {"ties", "identical_answers", "contradicted", "chosen_is_longer", "strengths"}
    )
    """What a set of single answers does not have."""
    format: str
    rows_read: int
    rows_rejected: int
    left_out: list[str]
    notes: list[str]
    pairs: int
    distinct_prompts: int
    ties: int | None = field(default=None, kw_only=True)
    identical_answers: int | None = field(default=None, kw_only=True)
    empty_answers: int
    exact_repeats: int
    contradicted: int | None = field(default=None, kw_only=True)
    chosen_is_longer: float | None = field(default=None, kw_only=True)
    prompt_turns: dict[str, int]
    annotators: dict[str, int]
    sources: dict[str, int]
    strengths: int | None = field(default=None, kw_only=True)
    besides_texts: dict[str, int]
    characters: dict[str, dict[str, int]]
    extra_keys: list[str]


def inspect_pairs(pairs: Pairs) -> DatasetSummary:
    """Return counts of a dataset: format, rows, turns, lengths, ties, ..."""
    frame = pairs.frame
    flags = duplicate_flags(frame)
    # The texts themselves are never held: of a million pairs they are gigabytes.
    is_single = has_single_answers(frame)
    texts = {c: messages_text(c) for c in (_TEXTS[:2] if is_single else _TEXTS)}
    measured = select_in_batches(
        frame,
        *(text.str.len_chars().cast(pl.Int32).alias(c) for c, text in texts.items()),
        key=texts["prompt"].hash(),
        turns=pl.col("prompt").list.len(),
    )
    lengths = measured.select(list(texts))
    # What a set of single answers does not have is left out.
    longer = None if is_single else int((lengths["chosen"] > lengths["rejected"]).sum())
    return DatasetSummary(
        format=pairs.format,
        rows_read=pairs.rows_read,
        rows_rejected=len(pairs.rejected),
        left_out=rejected_rows_note(len(pairs.rejected), pairs.rejected),
        notes=list(pairs.notes),
        pairs=len(frame),
        distinct_prompts=measured["key"].n_unique(),
        ties=None if is_single else int(frame["is_tie"].sum()),
        identical_answers=None if is_single else int(same_answers(frame).sum()),
        empty_answers=sum(int((lengths[c] == 0).sum()) for c in lengths.columns[1:]),
        exact_repeats=int(flags["exact"].sum()),
        contradicted=None if is_single else int(flags["contradicted"].sum()),
        chosen_is_longer=None if longer is None else longer / max(len(frame), 1),
        prompt_turns=_count_values(measured["turns"]),
        annotators=_count_values(frame["annotator"]),
        sources=_count_values(frame["source"]),
        strengths=None if is_single else int(frame["strength"].is_not_null().sum()),
        besides_texts=dict(count_content_kinds(frame)),
        characters={c: _length_quantiles(lengths[c]) for c in lengths.columns},
        extra_keys=_keys_of_extra(frame["extra"]),
    )


def first_pair(pairs: Pairs) -> dict[str, str]:
    """Return the first pair as it was read, each column as text; other columns are in `extra`."""
    if not len(pairs):
        return {}
    first_row = pairs.frame.head(1)
    names = _TEXTS[:2] if has_single_answers(first_row) else _TEXTS
    texts = first_row.select(messages_text(c).alias(c) for c in names)
    attachments = {c: str(first_row[c][0]) for c in TEXT_ATTACHMENTS if first_row[c][0]}
    attachments |= {
        c: ", ".join(map(_describe_medium, first_row[c][0]))
        for c in MEDIA_COLUMNS
        if first_row[c][0] is not None
    }
    other_values = {
        c: str(first_row[c][0])
        for c in ("annotator", "strength", "extra")
        if first_row[c][0] is not None
    }
    return {**texts.to_dicts()[0], **attachments, **other_values}


def _describe_medium(medium: dict[str, Any]) -> str:
    """Return a medium's path, or the size of its bytes."""
    return medium["path"] or f"{len(medium['bytes'] or b''):,} bytes"


def _count_values(column: pl.Series) -> dict[str, int]:
    counts = column.drop_nulls().value_counts(sort=True)
    rows = counts.head(_MAX_LISTED_VALUES).iter_rows()
    by_value = {str(value): int(count) for value, count in rows}
    if len(counts) > _MAX_LISTED_VALUES:
        by_value[f"{len(counts) - _MAX_LISTED_VALUES} others"] = int(
            counts["count"][_MAX_LISTED_VALUES:].sum()
        )
    return by_value


def _length_quantiles(lengths: pl.Series) -> dict[str, int]:
    names = ["min" if q == 0 else "max" if q == 1 else f"{q:.0%}" for q in _QUANTILES]
    return {n: int(lengths.quantile(q) or 0) for n, q in zip(names, _QUANTILES, strict=True)}


def _keys_of_extra(extra: pl.Series) -> list[str]:
    """Return the keys in the first rows' `extra`."""
    rows = extra.drop_nulls().head(_SAMPLE_ROWS).to_list()
    return sorted({key for row in rows for key in orjson.loads(row)})
