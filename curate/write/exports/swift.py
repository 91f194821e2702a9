"""ms-swift's preference data, paired and for KTO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.data.found_parts import FILE_BYTES, TURNS
from curate.data.message_parts import BESIDE_CALLS, TOOL_CALLS
from curate.data.row_parts import MEDIA, REJECTED_MEDIA, TOOLS
from curate.errors import CurateError
from curate.write.exports.base import (
    Advice,
    Export,
    KeptCounts,
    carried,
    lacking_strength,
    margin,
)
from curate.write.exports.fields import as_media
from curate.write.exports.tagged import MEDIA_COLUMNS, REWRITES, Media, Said, media_columns, said
from curate.write.exports.trl import TRLUnpaired

_MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


class Swift(Export):
    """`messages` (the prompt and the chosen answer) and `rejected_messages`, whole conversations.

    Tool calls are messages of the role `tool_call`, their results of `tool_response`, tools a JSON
    text; media are marks in the texts and lists of files.
    """

    name = "swift"
    smooths = True
    summary = "ms-swift DPO and RM: messages, rejected_messages, tools, images"
    reserved = ("messages", "rejected_messages", "rejected_tools", "margin")
    holds = frozenset(
        {
            *(TOOL_CALLS, TOOLS, FILE_BYTES),
            *(*MEDIA_COLUMNS, *MEDIA_COLUMNS.values(), *REJECTED_MEDIA.values()),
        }
    )
    rewrites: ClassVar[Mapping[str, str]] = {
        **REWRITES,
        BESIDE_CALLS: "written as an assistant's message before the call",
    }

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Both conversations, their tools and media, and `margin`, null without a strength."""
        talks = {"messages": "chosen", "rejected_messages": "rejected"}
        rest = pairs.select(margin(), "pair_id", *carried(pairs, self))
        return _columns(pairs, talks, self).hstack(rest)

    def files(self, advice: Advice) -> dict[str, Any]:
        """The arguments of `swift rlhf` that read the shards."""
        arguments = {"rlhf_type": "dpo"} | _reading(advice)
        if advice.epsilon is not None:
            arguments["label_smoothing"] = advice.epsilon
        return {"swift.yaml": arguments}

    def warnings(self, kept: KeptCounts) -> list[str]:
        """Ties, and pairs without a strength among others with one."""
        return super().warnings(kept) + lacking_strength(kept)


class SwiftKTO(TRLUnpaired):
    """Each answer a row: `messages` that end with it, `label` (true: the chosen one)."""

    name = "swift_kto"
    summary = "ms-swift KTO: messages, label, tools, images"
    reserved = ("messages", "completion", "label")
    single = True
    holds = Swift.holds.difference(REJECTED_MEDIA.values())
    rewrites: ClassVar[Mapping[str, str]] = Swift.rewrites

    def check(self, pairs: pl.DataFrame) -> None:
        """Make sure that answers are one message and end with a text: for KTO ms-swift exchanges
        the last messages of conversations, and takes no call there.

        Raises:
            CurateError: an answer of several messages, or one that ends with a tool call.
        """
        super().check(pairs)
        last = pairs.select("pair_id", *(pl.col(side).list.last() for side in TURNS[1:]))
        odd = [
            pair
            for pair, *answers in last.iter_rows()
            if not all(m is None or _ends_with_text(m) for m in answers)
        ]
        if odd:
            raise CurateError(
                f"the format '{self.name}' cannot represent answers that end with a tool call",
                where=f"pair {odd[0]}",
                found=f"{len(odd):,} such pairs among {len(pairs):,}",
                fix="drop such pairs, or use another output.format",
            )

    def files(self, advice: Advice) -> dict[str, Any]:
        """The arguments of `swift rlhf` that read the shards."""
        return {"swift.yaml": {"rlhf_type": "kto"} | _reading(advice)}

    def _written(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns = _columns(rows, {"messages": "completion"}, self)
        return columns.hstack(rows.select("label", *self.others(rows)))


def _reading(advice: Advice) -> dict[str, Any]:
    """The arguments that name the data."""
    held_out = {} if advice.held_out is None else {"val_dataset": [advice.held_out]}
    return {"dataset": [advice.kept], **held_out}


def _columns(rows: pl.DataFrame, talks: Mapping[str, str], form: Export) -> pl.DataFrame:
    """Conversations, by the column of the answer that each ends with, their media and tools.

    ms-swift reads the rejected conversation apart: beside `rejected_messages` it wants the media
    and tools of that one again, and trains on it without any where there are none.
    """
    media = media_columns(form.parts)
    given = [*media, *(c for c in REJECTED_MEDIA.values() if c in form.parts)]
    made = [
        _row(row, talks, media)
        for row in rows.select("prompt", *talks.values(), *given).iter_rows(named=True)
    ]
    found = [pl.Series(c, [r[c] for r in made], dtype=_MESSAGES) for c in talks]
    for talk in talks:
        for column in (_prefix(talk) + c for c in media):
            found.append(as_media(pl.Series(column, [r[column] for r in made], dtype=MEDIA), form))
        if TOOLS in form.parts:
            found.append(rows[TOOLS].alias(_prefix(talk) + TOOLS))
    return pl.DataFrame(found)


def _prefix(talk: str) -> str:
    """What stands before the names of media and tools of a conversation."""
    return talk.removesuffix("messages")


def _row(row: Mapping[str, Any], talks: Mapping[str, str], media: Sequence[str]) -> dict[str, Any]:
    """Messages and media of one row."""
    found: dict[str, Any] = {}
    for talk, side in talks.items():
        shown = Media({c: row.get(_prefix(talk) + c) or row[c] or () for c in media})
        found[talk] = _messages(row["prompt"], shown) + _messages(row[side], shown)
        found |= {_prefix(talk) + c: shown.of(c) for c in media}
    return found


def _ends_with_text(message: Mapping[str, Any]) -> bool:
    """Whether the last that ms-swift makes of a message is the assistant's text."""
    if message["more"] is None:
        return bool(message["role"] == "assistant")
    return _messages([message], Media({}))[-1]["role"] == "assistant"


def _messages(turns: Sequence[Mapping[str, Any]], shown: Media) -> list[dict[str, str]]:
    return [message for turn in turns for message in _spoken(said(turn, shown))]


def _spoken(turn: Said) -> Iterator[dict[str, str]]:
    """A message of the pair table as those of ms-swift."""
    if turn.role == "tool":
        yield {"role": "tool_response", "content": turn.text}
        return
    if turn.text or not turn.calls:
        yield {"role": turn.role, "content": turn.text}
    yield from ({"role": "tool_call", "content": call} for call in turn.calls)
