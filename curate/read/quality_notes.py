"""Counts what is suspicious in well-formed rows, and gives notes on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import polars as pl

from curate.data.answer_scores import gap_columns, score_gap
from curate.data.attachments import TEXT_ATTACHMENTS
from curate.data.json_fields import extra_value
from curate.data.messages import AUDIOS, IMAGES, PLACEHOLDERS, VIDEOS
from curate.option_names import is_command_line
from curate.read.column_names import SYSTEM
from curate.read.formats.base import RowSample, share_of_rows
from curate.read.messages import ROLES
from curate.read.unused_text_check import nested_texts

_TEMPLATE_TOKENS = (
    "<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|user|>", "<|assistant|>",
    "[INST]", "<|start_of_role|>", "\nAssistant:", "### Response:",
)  # fmt: skip
_PLACEHOLDERS = {
    "images": PLACEHOLDERS[IMAGES],
    "videos": PLACEHOLDERS[VIDEOS],
    "audios": PLACEHOLDERS[AUDIOS],
}
_PROMPT_COLUMNS = (
    *SYSTEM, "prompt", "instruction", "question", "query", "problem", "context", "history", "input",
    "passage", "document", "article", "background", "messages", "conversation", "conversations",
    "dialogue",
)  # fmt: skip
"""Columns whose texts belong to the prompt in many datasets."""
_TRACES = ("reasoning", "reasoning_content", "thinking", "think", "thought", "trace", "cot")
_REASONING_COLUMNS = (*(f"chosen_{t}" for t in _TRACES), *(f"rejected_{t}" for t in _TRACES))
"""Columns of the reasoning before an answer."""
_QUOTED_LIST = r"""(?s)^\[\s*(".*"|'.*')\s*\]$"""
"""A list of quoted texts, as JSON and Python write it."""
_JSON_MESSAGES = r"""^\s*\[?\s*\{\s*["'](role|from)["']\s*:"""
"""A message, or a list of messages, that is stored as text."""
_MIN_SHARE = 0.01
"""Share of the pairs from which some notes are given: a few prompts may be about templates, and a
few answers may quote the prompt or be the word "None"."""
_NOTES = {
    "empty_prompt": "{n} prompts are empty or end with an empty message: a model would learn to "
    "answer nothing",
    "assistant_last": "{n} prompts end with an assistant turn that the answers continue: if it is "
    "a separate answer, remove it",
    "empty_answer": "{n} pairs contain an empty answer: a model would learn to prefer or to avoid "
    "saying nothing",
    "template_tokens": "{n} prompts contain chat-template tokens (such as <|im_start|> or [INST]): "
    "they are read as text, and a trainer's template would be applied on top; provide messages "
    "with roles instead",
    "repeated_prompt": "in {n} pairs both answers begin with the text of the prompt: a trainer "
    "would see it twice; remove it from the answers",
    "missing_value": "in {n} pairs an answer is the text 'nan', 'None' or 'null', as missing "
    "values are often written: it is read as an answer",
    "list_text": 'in {n} pairs both answers are a list written as text, such as ["a", "b"]: each '
    "is read as one answer; if they are lists of answers, write them as lists in JSON lines",
    "json_messages": "in {n} pairs a text is messages written as JSON: it is read as text",
    "nul": "in {n} pairs a text contains NUL characters, a sign of damaged files: check these rows",
    "placeholder_mismatch": "{n} prompts have a different number of placeholders such as <image> "
    "than their row has media: the placeholders stay text, and trainers that count them reject "
    "the row",
    "several_systems": "{n} prompts contain several system messages, which most chat templates "
    "reject: see curate check",
    "user_last": "in {n} pairs an answer ends with a user turn: a model would learn to write it",
}
_THRESHOLDED_NOTES = ("template_tokens", "repeated_prompt", "missing_value", "list_text")
"""Notes given from `_MIN_SHARE` of the pairs on; the others are given for a single pair."""
_MISSING_TEXTS = ["nan", "none", "null", "<na>", "n/a"]
_MAX_MISSING_BYTES = 4
_SPEAKERS = (
    *dict.fromkeys(("system", "developer", "user", *ROLES.values())),
    *("environment", "ipython"),
)
"""Roles that chat templates know: these two are names of the tools' role in some."""
_MAX_NAMED_SPEAKERS = 3
_HALF = 0.5
# A short prompt such as a greeting may be answered by the same words.
_MIN_PROMPT_BYTES = 20


class QualityNotes:
    """Counts what is suspicious over the blocks of a dataset."""

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
        for attachment in TEXT_ATTACHMENTS:
            # A search of the text is fast; JSON is parsed only in rows that hold the name.
            named = pl.col("extra").str.contains(f'"{attachment}":', literal=True)
            unplaced = pairs.filter(pl.col(attachment).is_null() & named)
            self._counts[attachment] += int(
                unplaced.select(extra_value(attachment).is_not_null().sum()).item()
            )
        for side in ("prompt", "chosen", "rejected"):
            roles = pairs[side].explode(empty_as_null=False).struct.field("role")
            unknown_roles = roles.filter(~roles.is_in(_SPEAKERS))
            self._speakers.update(dict(unknown_roles.value_counts().iter_rows()))
        if self._scores:
            self._count_scores(pairs, self._scores)

    def _count_texts(self, pairs: pl.DataFrame) -> None:
        """Count what is suspicious in the texts of prompts and answers."""
        last = pl.col("prompt").list.last()
        prompt = last.struct.field("content")
        has_tokens = prompt.str.contains_any(list(_TEMPLATE_TOKENS)).sum()
        is_long = prompt.str.len_bytes() >= _MIN_PROMPT_BYTES
        sides = [pl.col(side).list for side in ("chosen", "rejected")]
        repeats = [side.first().struct.field("content").str.starts_with(prompt) for side in sides]
        ends_with_user = [side.last().struct.field("role") == "user" for side in sides]
        answer_texts = [side.last().struct.field("content").str.strip_chars() for side in sides]
        missing = [_is_missing_text(text) for text in answer_texts]
        quoted_lists = [text.str.contains(_QUOTED_LIST) for text in answer_texts]
        is_system = pl.element().struct.field("role") == "system"
        system_count = pl.col("prompt").list.eval(is_system).list.sum()
        counts = pairs.select(
            template_tokens=has_tokens,
            # A text is an answer without a prompt, and is meant to be.
            empty_prompt=(
                (prompt.is_null() | (prompt.str.strip_chars() == ""))
                & ~(pl.col("rejected").is_null() & (pl.col("prompt").list.len() == 0))
            ).sum(),
            several_systems=(system_count > 1).sum(),
            repeated_prompt=(is_long & repeats[0] & repeats[1]).sum(),
            user_last=pl.any_horizontal(ends_with_user).sum(),
            assistant_last=(last.struct.field("role") == "assistant").sum(),
            empty_answer=pl.any_horizontal(text == "" for text in answer_texts).sum(),
            missing_value=pl.any_horizontal(missing).sum(),
            list_text=pl.all_horizontal(quoted_lists).sum(),
            nul=pl.any_horizontal(
                t.str.contains("\0", literal=True) for t in (prompt, *answer_texts)
            ).sum(),
            json_messages=pl.any_horizontal(
                text.str.contains(_JSON_MESSAGES) for text in (prompt, *answer_texts)
            ).sum(),
            placeholder_mismatch=pl.any_horizontal(
                pl.lit(False), *_placeholder_mismatches(pairs)
            ).sum(),
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
            f"in {self._counts[attachment]:,} of {self._pairs:,} pairs '{attachment}' is not of "
            "the form that trainers take (a list of tools or documents, an object of arguments): "
            "it is kept in extra only"
            for attachment in TEXT_ATTACHMENTS
            if self._counts[attachment]
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


def _is_missing_text(text: pl.Expr) -> pl.Expr:
    """Return whether a text is a word for a missing value."""
    # Only short texts can be; to make small letters of all others takes the longest of all counts.
    short_text = pl.when(text.str.len_bytes() <= _MAX_MISSING_BYTES).then(text)
    return short_text.str.to_lowercase().is_in(_MISSING_TEXTS)


def _placeholder_mismatches(pairs: pl.DataFrame) -> list[pl.Expr]:
    """Return whether a prompt has placeholders of media, but not as many as its row has media.

    If no row has media of a kind, its placeholder is a word like any other.
    """
    # The text of a prompt with parts holds a placeholder for each part.
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
            f"the column '{name}' may hold the reasoning before an answer: it is not read and is "
            "kept in extra only; provide messages with reasoning_content to have it read"
        )
    key = "system" if name in SYSTEM else "prompt"
    mapping = f"--columns {key}=..." if is_command_line() else f'columns={{"{key}": ...}}'
    return (
        f"the column '{name}' may belong to the prompt: it is not read and is kept in extra only; "
        f"if it does, map it ({mapping}) or join it to the prompt"
    )


def _has_unique_text(name: str, row: Mapping[str, object]) -> bool:
    """Return whether a column holds a text that no other column of the row holds."""
    column_texts = [text.strip() for text in nested_texts(row.get(name)) if " " in text.strip()]
    other_text = "\n".join(nested_texts([value for key, value in row.items() if key != name]))
    return any(text not in other_text for text in column_texts)
