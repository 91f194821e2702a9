"""Messages, tools and media of pairs as columns of a trainer's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from curate.data.attachments import ARGUMENTS, DOCUMENTS, MEDIA, TOOLS
from curate.data.content_kinds import FILE_BYTES
from curate.data.json_text import to_json
from curate.data.messages import decode_message
from curate.write.exports.json_values import HUB_MEDIA, json_column, json_lists

if TYPE_CHECKING:
    from curate.write.exports.base import ShardSchema


Message = dict[str, Any]


def messages_column(
    pairs: pl.DataFrame,
    column: str,
    schema: ShardSchema,
    encode: Callable[[Message], Message] = lambda message: message,
) -> pl.Series:
    """Return a column of turns {role, content, ...}; JSON if some are more than text.

    A form that holds texts alone gets the renderings.

    Args:
        pairs: the pair table.
        column: prompt, chosen, rejected or completion.
        schema: says whether messages are more than plain texts.
        encode: spells a published message as the form's reader wants it.
    """
    turns = pairs[column]
    if not schema.structured:
        plain = pl.struct(
            role=pl.element().struct.field("role"), content=pl.element().struct.field("content")
        )
        return turns.list.eval(plain)
    return json_lists(column, [[to_json(encode(decode_message(m))) for m in row] for row in turns])


def message_object(pairs: pl.DataFrame, column: str, schema: ShardSchema) -> pl.Series:
    """Return a column of single messages, the first of the turns."""
    return messages_column(pairs, column, schema).list.first()


def attachment_fields(pairs: pl.DataFrame, schema: ShardSchema) -> list[pl.Series]:
    """Return the attachments that the data has and the format supports."""
    columns = [part for part in schema.content if part in pairs.columns]
    fields = [
        media_fields(pairs[p], schema) for p in columns if p not in (TOOLS, ARGUMENTS, DOCUMENTS)
    ]
    if TOOLS in columns:
        fields.append(json_column(TOOLS, pairs[TOOLS].to_list()))
    if ARGUMENTS in columns or DOCUMENTS in columns:
        fields.append(_template_arguments(pairs, DOCUMENTS in columns))
    return sorted(fields, key=lambda field: pairs.columns.index(field.name))


def media_fields(media: pl.Series, schema: ShardSchema) -> pl.Series:
    """Return media as paths and URLs, or as {path, bytes} if some are embedded; null as [].

    Paths are absolute, or the files are in the table, see `MediaFiles`.
    """
    media = schema.media.resolve(media)
    none = pl.lit([], dtype=MEDIA)
    listed = pl.select(pl.when(media.is_null()).then(none).otherwise(media).alias(media.name))
    if FILE_BYTES in schema.content or schema.media.carrier == "embed":
        fields = (pl.element().struct.field(name) for name in ("bytes", "path"))
        return listed.to_series().list.eval(pl.struct(fields)).cast(HUB_MEDIA)
    return listed.to_series().list.eval(pl.element().struct.field("path"))


def _template_arguments(pairs: pl.DataFrame, with_documents: bool) -> pl.Series:
    """Return `chat_template_kwargs`; an empty object for null, since trainers unpack it.

    The template's `documents` are one of its arguments.
    """
    texts: list[str | None] = []
    for arguments, documents in zip(pairs[ARGUMENTS], pairs[DOCUMENTS], strict=True):
        parsed: dict[str, Any] = orjson.loads(arguments) if arguments else {}
        if documents and with_documents:
            parsed[DOCUMENTS] = orjson.loads(documents)
        texts.append(to_json(parsed))
    return json_column(ARGUMENTS, texts)
