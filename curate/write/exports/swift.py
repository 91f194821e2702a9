"""ms-swift's preference data, paired and for KTO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.data.attachments import MEDIA, REJECTED_MEDIA, TOOLS
from curate.data.content_kinds import FILE_BYTES, TURNS
from curate.data.json_types import JsonObject
from curate.data.messages import TEXT_BESIDE_CALLS, TOOL_CALLS
from curate.errors import CurateError
from curate.write.exports.base import (
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    extra_output_columns,
    margin_column,
    missing_strength_warning,
)
from curate.write.exports.fields import media_fields
from curate.write.exports.placeholder_text import (
    MEDIA_COLUMNS,
    REWRITES,
    RenderedTurn,
    TurnMedia,
    media_columns,
    render_turn,
)
from curate.write.exports.trl import TRLUnpairedExport

_MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


class SwiftExport(Export):
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
        TEXT_BESIDE_CALLS: "written as an assistant's message before the call",
    }

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return both conversations with tools and media, and `margin` (or null)."""
        talks = {"messages": "chosen", "rejected_messages": "rejected"}
        remaining_columns = pairs.select(
            margin_column(), "pair_id", *extra_output_columns(pairs, schema)
        )
        return _swift_columns(pairs, talks, schema).hstack(remaining_columns)

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the arguments of `swift rlhf` that read the shards."""
        arguments = {"rlhf_type": "dpo"} | _dataset_settings(advice)
        if advice.epsilon is not None:
            arguments["label_smoothing"] = advice.epsilon
        return {"swift.yaml": arguments}

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Warn of ties, and of pairs without a strength among others with one."""
        return super().warnings(counts, schema) + missing_strength_warning(counts)


class SwiftKTOExport(TRLUnpairedExport):
    """Each answer a row: `messages` that end with it, `label` (true: the chosen one)."""

    name = "swift_kto"
    summary = "ms-swift KTO: messages, label, tools, images"
    reserved = ("messages", "completion", "label")
    single = True
    holds = SwiftExport.holds.difference(REJECTED_MEDIA.values())
    rewrites: ClassVar[Mapping[str, str]] = SwiftExport.rewrites

    def check(self, pairs: pl.DataFrame, schema: ShardSchema) -> None:
        """Make sure that answers are one message and end with a text: for KTO ms-swift exchanges
        the last messages of conversations, and takes no call there.

        Raises:
            CurateError: an answer of several messages, or one that ends with a tool call.
        """
        super().check(pairs, schema)
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

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the arguments of `swift rlhf` that read the shards."""
        return {"swift.yaml": {"rlhf_type": "kto"} | _dataset_settings(advice)}

    def _written(self, rows: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        columns = _swift_columns(rows, {"messages": "completion"}, schema)
        return columns.hstack(rows.select("label", *self.further_columns(rows)))


def _dataset_settings(advice: TrainerHints) -> JsonObject:
    """Return the arguments that name the data."""
    held_out = {} if advice.held_out is None else {"val_dataset": [advice.held_out]}
    return {"dataset": [advice.train_path], **held_out}


def _swift_columns(
    rows: pl.DataFrame, talks: Mapping[str, str], schema: ShardSchema
) -> pl.DataFrame:
    """Return the conversations with their media and tools.

    ms-swift reads the rejected conversation apart: beside `rejected_messages` it wants the media
    and tools of that one again, and trains on it without any where there are none.
    """
    media = media_columns(schema.content)
    media_inputs = [*media, *(c for c in REJECTED_MEDIA.values() if c in schema.content)]
    converted = [
        _swift_row(row, talks, media)
        for row in rows.select("prompt", *talks.values(), *media_inputs).iter_rows(named=True)
    ]
    columns = [pl.Series(c, [r[c] for r in converted], dtype=_MESSAGES) for c in talks]
    for talk in talks:
        for column in (_column_prefix(talk) + c for c in media):
            columns.append(
                media_fields(pl.Series(column, [r[column] for r in converted], dtype=MEDIA), schema)
            )
        if TOOLS in schema.content:
            columns.append(rows[TOOLS].alias(_column_prefix(talk) + TOOLS))
    return pl.DataFrame(columns)


def _column_prefix(talk: str) -> str:
    """Return the column prefix of a conversation's media and tools."""
    return talk.removesuffix("messages")


def _swift_row(
    row: Mapping[str, Any], talks: Mapping[str, str], media: Sequence[str]
) -> JsonObject:
    """Return messages and media of one row."""
    converted: JsonObject = {}
    for talk, side in talks.items():
        turn_media = TurnMedia(
            {c: row.get(_column_prefix(talk) + c) or row[c] or () for c in media}
        )
        converted[talk] = _swift_messages(row["prompt"], turn_media) + _swift_messages(
            row[side], turn_media
        )
        converted |= {_column_prefix(talk) + c: turn_media.all_media(c) for c in media}
    return converted


def _ends_with_text(message: Mapping[str, Any]) -> bool:
    """Return whether ms-swift's last message for it is the assistant's text."""
    if message["more"] is None:
        return bool(message["role"] == "assistant")
    return _swift_messages([message], TurnMedia({}))[-1]["role"] == "assistant"


def _swift_messages(
    turns: Sequence[Mapping[str, Any]], turn_media: TurnMedia
) -> list[dict[str, str]]:
    return [message for turn in turns for message in _swift_turns(render_turn(turn, turn_media))]


def _swift_turns(turn: RenderedTurn) -> Iterator[dict[str, str]]:
    """Yield a message of the pair table as those of ms-swift."""
    if turn.role == "tool":
        yield {"role": "tool_response", "content": turn.text}
        return
    if turn.text or not turn.calls:
        yield {"role": turn.role, "content": turn.text}
    yield from ({"role": "tool_call", "content": call} for call in turn.calls)
