"""TRL preference data: `chosen` and `rejected`, with an explicit or implicit `prompt`."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Any, ClassVar

import polars as pl

from curate.data.table import MESSAGES, messages_series
from curate.read.column_guess import prompt_column
from curate.read.column_names import SYSTEM
from curate.read.embedded_json import parse_embedded_messages
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    share_of_rows,
)
from curate.read.formats.unfinished_prefix import unfinished_structure
from curate.read.messages import is_message, speaker_role

PREFIX_ERROR = "prompts of chosen and rejected do not match: {}; expected one conversation for both"
_UNFINISHED_ERROR = (
    "there is no prompt: what both answers begin with ends in {}; expected a prompt column, or "
    "answers that begin with the prompt"
)
Turns = list[dict[str, str]]
_HALF = 0.5


class TRLPreference(Format):
    """TRL's preference type, standard (text) or conversational (messages).

    Without a prompt column, the prompt is what chosen and rejected share at the start.
    """

    name = "trl"
    side_suffixes = ("chosen", "rejected")
    summary = (
        "TRL preference: chosen, rejected and an explicit or implicit prompt, text or messages"
    )
    text_columns = ("prompt", "chosen", "rejected", *SYSTEM)
    value_columns: ClassVar[tuple[str, ...]] = ()

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are chosen and rejected, and no prompt in a column of another name.

        Such a prompt would be lost silently: what both answers begin with ("Sure,") would be
        taken for it.
        """
        if not has_columns(rows, "chosen", "rejected"):
            return False
        if share_of_rows(rows, _holds_other_objects) > _HALF:
            return False
        if any(row.get("prompt") is not None for row in rows):
            return True
        named_prompt = prompt_column(rows)
        return named_prompt is None or not any(_lacks_prompt(row, named_prompt) for row in rows)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by the prompt column if a row has one, else by the shared beginning."""
        explicit = rows.filter(pl.col("prompt").is_not_null())
        implicit = rows.filter(pl.col("prompt").is_null())
        converted = [_convert_explicit(explicit)] if len(explicit) else []
        if len(implicit):
            converted.append(split_shared_prompt(implicit.drop("prompt")))
        if not converted:
            return rows.with_columns(pl.lit(None, dtype=pl.String).alias(ERROR))
        out = pl.concat(converted, how="diagonal").sort("__row__")
        return out.with_columns(prompt=prepend_system_turn(out, pl.col("prompt")))


def _holds_other_objects(row: Mapping[str, object]) -> bool:
    """Return whether both answers are objects, but neither messages nor around messages."""
    answers = (row.get("chosen"), row.get("rejected"))
    return all(isinstance(answer, Mapping) and _is_other_object(answer) for answer in answers)


def _is_other_object(answer: Mapping[str, object]) -> bool:
    return not is_message(answer) and not any(isinstance(v, list) for v in answer.values())


def _lacks_prompt(row: Mapping[str, object], prompt_name: str) -> bool:
    """Return whether the chosen answer of a row does not begin with the prompt."""
    chosen, prompt = parse_embedded_messages(row.get("chosen")), row.get(prompt_name)
    if isinstance(chosen, list):
        return bool(chosen) and speaker_role(chosen[0]) == "assistant"
    if not isinstance(chosen, str):
        return False
    return not (isinstance(prompt, str) and chosen.startswith(prompt))


def _convert_explicit(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(None, dtype=pl.String).alias(ERROR),
        prompt=as_messages_column(rows, "prompt", "user"),
        chosen=as_messages_column(rows, "chosen", "assistant"),
        rejected=as_messages_column(rows, "rejected", "assistant"),
    )


def split_shared_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    """Split chosen and rejected into the prompt that they share and the answers after it."""
    if rows.schema["chosen"] != rows.schema["rejected"]:  # one is text, the other messages
        rows = rows.with_columns(
            as_messages_column(rows, c, "assistant").alias(c) for c in ("chosen", "rejected")
        )
    if rows.schema["chosen"] != MESSAGES:
        return _split_rows(rows, _split_text)
    heads = [pl.col(c).list.head(pl.col(c).list.len() - 1) for c in ("chosen", "rejected")]
    usual = (heads[0] == heads[1]) & (pl.col("chosen").list.len() > 1)
    usual = usual & (pl.col("rejected").list.len() == pl.col("chosen").list.len())
    rows = rows.with_columns(_usual=usual.fill_null(False))
    usual_rows = rows.filter("_usual").with_columns(
        pl.lit(None, dtype=pl.String).alias(ERROR),
        prompt=heads[0],
        chosen=pl.col("chosen").list.tail(1),
        rejected=pl.col("rejected").list.tail(1),
    )
    # Rows that part earlier are few: HH has 5 in 2,312.
    other_rows = _split_rows(rows.filter(~pl.col("_usual")), _split_turns)
    return pl.concat([usual_rows, other_rows], how="diagonal").drop("_usual").sort("__row__")


def _split_rows(rows: pl.DataFrame, split: Any) -> pl.DataFrame:
    splits = [split(c, r) for c, r in zip(rows["chosen"], rows["rejected"], strict=True)]
    columns = {
        name: messages_series(name, (split_row[i] for split_row in splits))
        for i, name in enumerate(("prompt", "chosen", "rejected"))
    }
    errors = pl.Series(ERROR, [split_row[3] for split_row in splits], dtype=pl.String)
    return rows.with_columns(**columns).with_columns(errors)


SplitAnswers = tuple[Turns | None, Turns | None, Turns | None, str | None]


def _split_text(chosen: str | None, rejected: str | None) -> SplitAnswers:
    if chosen is None or rejected is None:
        return None, _answer_turn(chosen), _answer_turn(rejected), None
    prefix = os.path.commonprefix([chosen, rejected])  # noqa: RUF071 (of texts)
    if chosen != rejected:
        prefix = prefix[: _word_start(prefix)]
    if not prefix.strip():
        problem = "they share no beginning"
        return None, None, None, PREFIX_ERROR.format(problem)
    structure = unfinished_structure(prefix, chosen, rejected) if chosen != rejected else None
    if structure is not None:
        return None, None, None, _UNFINISHED_ERROR.format(structure)
    prompt = [{"role": "user", "content": prefix}]
    return prompt, _answer_turn(chosen[len(prefix) :]), _answer_turn(rejected[len(prefix) :]), None


def _word_start(prefix: str) -> int:
    """Return where the last, possibly cut, word of the prefix begins; its space is the answer's."""
    cut = max(prefix.rfind(space) for space in " \n")
    return max(cut, 0)


def _answer_turn(text: str | None) -> Turns | None:
    return None if text is None else [{"role": "assistant", "content": text}]


def _split_turns(chosen: pl.Series | None, rejected: pl.Series | None) -> SplitAnswers:
    if chosen is None or rejected is None:
        return None, _turns_or_none(chosen), _turns_or_none(rejected), None
    chosen_turns, rejected_turns = chosen.to_list(), rejected.to_list()
    shared = 0
    while (
        shared < min(len(chosen_turns), len(rejected_turns)) - 1
        and chosen_turns[shared] == rejected_turns[shared]
    ):
        shared += 1
    if shared == 0:
        return None, None, None, PREFIX_ERROR.format("their first turns differ")
    return chosen_turns[:shared], chosen_turns[shared:], rejected_turns[shared:], None


def _turns_or_none(column: pl.Series | None) -> Turns | None:
    return None if column is None else column.to_list()
