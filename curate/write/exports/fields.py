"""Messages, tools and media of pairs as columns of a trainer's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from curate.data.found_parts import FILE_BYTES
from curate.data.json_text import to_json
from curate.data.message_parts import MESSAGE_PARTS, whole
from curate.data.row_parts import ARGUMENTS, DOCUMENTS, MEDIA, TOOLS
from curate.write.exports.json_values import HUB_MEDIA, json_column, json_lists

if TYPE_CHECKING:
    from curate.write.exports.base import Export


Message = dict[str, Any]


def messages(
    pairs: pl.DataFrame,
    column: str,
    form: Export,
    encode: Callable[[Message], Message] = lambda message: message,
) -> pl.Series:
    """A column of turns as {role, content, ...}: JSON where some are more than a text.

    A form that holds texts alone gets the renderings.

    Args:
        pairs: the pair table.
        column: prompt, chosen, rejected or completion.
        form: whose `parts` decide.
        encode: spells a published message as the form's reader wants it.
    """
    turns = pairs[column]
    if not form.parts.intersection(MESSAGE_PARTS) & form.holds:
        plain = pl.struct(
            role=pl.element().struct.field("role"), content=pl.element().struct.field("content")
        )
        return turns.list.eval(plain)
    return json_lists(column, [[to_json(encode(whole(m))) for m in row] for row in turns])


def message(pairs: pl.DataFrame, column: str, form: Export) -> pl.Series:
    """A column of single messages, the first of the turns."""
    return messages(pairs, column, form).list.first()


def row_fields(pairs: pl.DataFrame, form: Export) -> list[pl.Series]:
    """The parts of rows that the data has and the form holds as columns of their own names."""
    held = [part for part in form.parts if part in pairs.columns]
    fields = [as_media(pairs[p], form) for p in held if p not in (TOOLS, ARGUMENTS, DOCUMENTS)]
    if TOOLS in held:
        fields.append(json_column(TOOLS, pairs[TOOLS].to_list()))
    if ARGUMENTS in held or DOCUMENTS in held:
        fields.append(_arguments(pairs, DOCUMENTS in held))
    return sorted(fields, key=lambda field: pairs.columns.index(field.name))


def as_media(media: pl.Series, form: Export) -> pl.Series:
    """Media as paths and URLs, or as {path, bytes} where some are in the table; none as [].

    Paths are absolute, or the files are in the table, see `MediaFiles`.
    """
    media = form.media.resolve(media)
    none = pl.lit([], dtype=MEDIA)
    listed = pl.select(pl.when(media.is_null()).then(none).otherwise(media).alias(media.name))
    if FILE_BYTES in form.parts or form.media.carrier == "embed":
        fields = (pl.element().struct.field(name) for name in ("bytes", "path"))
        return listed.to_series().list.eval(pl.struct(fields)).cast(HUB_MEDIA)
    return listed.to_series().list.eval(pl.element().struct.field("path"))


def _arguments(pairs: pl.DataFrame, with_documents: bool) -> pl.Series:
    """`chat_template_kwargs`, an empty object where a row has none: trainers unpack it.

    The template's `documents` are one of its arguments.
    """
    texts: list[str | None] = []
    for arguments, documents in zip(pairs[ARGUMENTS], pairs[DOCUMENTS], strict=True):
        found: dict[str, Any] = orjson.loads(arguments) if arguments else {}
        if documents and with_documents:
            found[DOCUMENTS] = orjson.loads(documents)
        texts.append(to_json(found))
    return json_column(ARGUMENTS, texts)
