"""What makes a reading doubtful though every row is well-formed: counted, and told in notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from curate.data.answer_scores import gap_columns, score_gap
from curate.data.extra_column import extra_value
from curate.data.message_parts import AUDIOS, IMAGES, MARKS, VIDEOS
from curate.data.row_parts import TEXT_PARTS
from curate.read.column_names import SYSTEM
from curate.read.formats.base import RowSample, share_of_rows
from curate.read.messages import ROLES
from curate.read.unused_text_check import nested_texts

_TEMPLATE_TOKENS = (
    "<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|user|>", "<|assistant|>",
    "[INST]", "<|start_of_role|>", "\nAssistant:", "### Response:",
)  # fmt: skip
_PLACEHOLDERS = {"images": MARKS[IMAGES], "videos": MARKS[VIDEOS], "audios": MARKS[AUDIOS]}
_PROMPT_COLUMNS = (
    *SYSTEM, "prompt", "instruction", "question", "query", "problem", "context", "history", "input",
    "passage", "document", "article", "background", "messages", "conversation", "conversations",
    "dialogue",
)  # fmt: skip
"""Columns whose texts are parts of prompts in many sets."""
_TRACES = ("reasoning", "reasoning_content", "thinking", "think", "thought", "trace", "cot")
_REASONING_COLUMNS = (*(f"chosen_{t}" for t in _TRACES), *(f"rejected_{t}" for t in _TRACES))
"""Columns of what a model thought before an answer."""
_QUOTED_LIST = r"""(?s)^\[\s*(".*"|'.*')\s*\]$"""
"""A list of quoted texts, as JSON and as Python write it."""
_JSON_MESSAGES = r"""^\s*\[?\s*\{\s*["'](role|from)["']\s*:"""
"""A message, or a list of them, that stands as text."""
_MIN_SHARE = 0.01
"""Of pairs with a template's marks, with the prompt in both answers, or with an answer that may be
none: fewer may well be about such marks, quote, or answer so."""
_NOTES = {
    "silent": "{n} prompts are empty, or end with an empty message: a model would learn to answer "
    "nothing",
    "continued": "{n} prompts end with a turn of the assistant, which the answers then continue: "
    "if it is an answer of its own, leave it out",
    "empty": "in {n} pairs an answer is empty: a model would learn to say nothing, or not to",
    "marked": "{n} prompts hold marks of a chat template (such as <|im_start|> or [INST]): they "
    "are taken as text, and a trainer's template would wrap them once more; give messages with "
    "roles instead",
    "repeated": "in {n} pairs both answers begin with the text of the prompt: a trainer would see "
    "it twice; cut it off the answers",
    "missing": "in {n} pairs an answer is the text 'nan', 'None' or 'null', as missing values are "
    "often written: it is taken as an answer",
    "listed": 'in {n} pairs both answers are a list written as text, such as ["a", "b"]: each is '
    "taken as one answer; if they are lists of answers, write them as lists in JSON lines",
    "json_as_text": "in {n} pairs a text is messages written as JSON: it is taken as a text",
    "nul": "in {n} pairs a text holds NUL characters, which damaged files hold: look at these rows",
    "unmatched": "{n} prompts hold another number of marks such as <image> than their row has "
    "media: the marks stay text, and trainers that count them refuse the row",
    "systems": "{n} prompts hold several system messages, which most chat templates refuse: see "
    "curate check",
    "asking": "in {n} pairs an answer ends with a turn of the user: a trainer would learn to write "
    "it",
}
_THRESHOLDED_NOTES = ("marked", "repeated", "missing", "listed")
"""What is told from `_LEAST_SHARE` of the pairs on; the others are told of a single one."""
_MISSING_TEXTS = ["nan", "none", "null", "<na>", "n/a"]
_SPEAKERS = (
    *dict.fromkeys(("system", "developer", "user", *ROLES.values())),
    *("environment", "ipython"),
)
"""Roles that chat templates know: these two are names of the tools' role in some."""
_MAX_NAMED_SPEAKERS = 3
_HALF = 0.5
# A greeting may well be answered by itself.
_MIN_PROMPT_BYTES = 20


class QualityNotes:
    """Counts over the blocks of a reading."""

    def __init__(self) -> None:
        self._scores: tuple[str, ...] = ()
        self._pairs = self._scored = self._against = 0
        self._counts: Counter[str] = Counter()
        self._speakers: Counter[str] = Counter()
        self._unread: list[str] = []

    def inspect_sample(self, sample: RowSample, read: Sequence[str]) -> None:
        """Find columns of scores in the first rows, and texts of prompts that are not read.

        Args:
            sample: the first rows.
            read: columns that the format reads.
        """
        names = list(dict.fromkeys(key for row in sample for key in row))
        self._scores = gap_columns(names)
        candidates = [
            n for n in (*_PROMPT_COLUMNS, *_REASONING_COLUMNS) if n in names and n not in read
        ]
        self._unread = [
            name
            for name in candidates
            if share_of_rows(sample, partial(_has_unique_text, name)) > _HALF
        ]

    def count(self, pairs: pl.DataFrame) -> None:
        """Count over the pairs of a block."""
        self._pairs += len(pairs)
        self._count_texts(pairs)
        for attachment in TEXT_PARTS:
            # Looked into only where the name stands at all.
            named = pl.col("extra").str.contains(f'"{attachment}":', literal=True)
            unplaced = pairs.filter(pl.col(attachment).is_null() & named)
            self._counts[attachment] += int(
                unplaced.select(extra_value(attachment).is_not_null().sum()).item()
            )
        for side in ("prompt", "chosen", "rejected"):
            roles = pairs[side].explode(empty_as_null=False).struct.field("role")
            strange = roles.filter(~roles.is_in(_SPEAKERS))
            self._speakers.update(dict(strange.value_counts().iter_rows()))
        if self._scores:
            self._count_scores(pairs, self._scores)

    def _count_texts(self, pairs: pl.DataFrame) -> None:
        """Count what is suspicious in the texts of prompts and answers."""
        last = pl.col("prompt").list.last()
        prompt = last.struct.field("content")
        marked = prompt.str.contains_any(list(_TEMPLATE_TOKENS)).sum()
        long = prompt.str.len_bytes() >= _MIN_PROMPT_BYTES
        sides = [pl.col(side).list for side in ("chosen", "rejected")]
        repeated = [side.first().struct.field("content").str.starts_with(prompt) for side in sides]
        asking = [side.last().struct.field("role") == "user" for side in sides]
        answer_texts = [side.last().struct.field("content").str.strip_chars() for side in sides]
        missing = [text.str.to_lowercase().is_in(_MISSING_TEXTS) for text in answer_texts]
        listed = [text.str.contains(_QUOTED_LIST) for text in answer_texts]
        is_system = pl.element().struct.field("role") == "system"
        systems = pl.col("prompt").list.eval(is_system).list.sum()
        counts = pairs.select(
            marked=marked,
            silent=(prompt.is_null() | (prompt.str.strip_chars() == "")).sum(),
            systems=(systems > 1).sum(),
            repeated=(long & repeated[0] & repeated[1]).sum(),
            asking=pl.any_horizontal(asking).sum(),
            continued=(last.struct.field("role") == "assistant").sum(),
            empty=pl.any_horizontal(text == "" for text in answer_texts).sum(),
            missing=pl.any_horizontal(missing).sum(),
            listed=pl.all_horizontal(listed).sum(),
            nul=pl.any_horizontal(
                t.str.contains("\0", literal=True) for t in (prompt, *answer_texts)
            ).sum(),
            json_as_text=pl.any_horizontal(
                text.str.contains(_JSON_MESSAGES) for text in (prompt, *answer_texts)
            ).sum(),
            unmatched=pl.any_horizontal(pl.lit(False), *_placeholder_mismatches(pairs)).sum(),
        ).row(0, named=True)
        self._counts.update({name: count or 0 for name, count in counts.items()})

    def _count_scores(self, pairs: pl.DataFrame, names: Sequence[str]) -> None:
        """Count pairs whose rejected answer has the better score."""
        voted = pairs.filter(~pl.col("is_tie")).select(less=score_gap(names) < 0)["less"]
        self._scored += len(voted) - voted.null_count()
        self._against += int(voted.sum() or 0)

    def notes(self) -> tuple[str, ...]:
        """Return the notes, a sentence each."""
        notes = [_unread_column_note(name) for name in self._unread]
        for key, text in _NOTES.items():
            threshold = _MIN_SHARE * self._pairs if key in _THRESHOLDED_NOTES else 0
            if (count := self._counts[key]) > threshold:
                notes.append(text.format(n=f"{count:,} of {self._pairs:,}"))
        notes += [
            f"in {self._counts[part]:,} of {self._pairs:,} pairs '{part}' is not of the form that "
            "trainers take (a list of tools or documents, an object of arguments): it stands in "
            "extra alone"
            for part in TEXT_PARTS
            if self._counts[part]
        ]
        if self._speakers:
            notes.append(_unknown_speakers_note(self._speakers))
        if self._against:
            chosen, bound = (*map(repr, self._scores), "0")[:2]
            notes.append(
                f"{chosen} is less than {bound} in {self._against:,} of "
                f"{self._scored:,} pairs: these labels contradict their own scores"
            )
        return tuple(notes)


def _placeholder_mismatches(pairs: pl.DataFrame) -> list[pl.Expr]:
    """Return whether a prompt's text holds marks of media, but not as many as its row has.

    Of media that no row has a mark is a word like others.
    """
    # Of a prompt whose marks have become parts the text holds them too, and as many.
    texts = pl.col("prompt").list.eval(pl.element().struct.field("content")).list.join("")
    media_columns = [name for name in _PLACEHOLDERS if pairs[name].null_count() < len(pairs)]
    counts = {
        name: texts.str.count_matches(_PLACEHOLDERS[name], literal=True) for name in media_columns
    }
    media = {name: pl.col(name).list.len().fill_null(0) for name in media_columns}
    return [(n > 0) & (n != media[name]) for name, n in counts.items()]


def _unknown_speakers_note(speakers: Counter[str]) -> str:
    named = (f"{name!r} ({count:,})" for name, count in speakers.most_common(_MAX_NAMED_SPEAKERS))
    unnamed_count = len(speakers) - _MAX_NAMED_SPEAKERS
    return (
        f"{speakers.total():,} messages are by speakers that chat templates do not know: "
        f"{', '.join(named)}{f' and {unnamed_count:,} more names' if unnamed_count > 0 else ''}"
    )


def _unread_column_note(name: str) -> str:
    if name in _REASONING_COLUMNS:
        return (
            f"the column '{name}' may be what the model thought before an answer: it is not read, "
            "and stands in extra alone; give messages with reasoning_content to have it read"
        )
    key = "system" if name in SYSTEM else "prompt"
    return (
        f"the column '{name}' may belong to the prompt: it is not read, and stands in extra alone; "
        f"if it does, map it (--columns {key}=...) or join it to the prompt"
    )


def _has_unique_text(name: str, row: Mapping[str, Any]) -> bool:
    """Return whether a column holds a text that no other column of the row holds."""
    column_texts = [text.strip() for text in nested_texts(row.get(name)) if " " in text.strip()]
    other_text = "\n".join(nested_texts([value for key, value in row.items() if key != name]))
    return any(text not in other_text for text in column_texts)
