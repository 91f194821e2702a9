"""ms-swift's preference data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.data.found_parts import FILE_BYTES, TURNS
from curate.data.message_parts import BESIDE_CALLS, TOOL_CALLS
from curate.data.row_parts import MEDIA, REJECTED_MEDIA, TOOLS
from curate.write.exports.base import Advice, Export, carried
from curate.write.exports.fields import as_media
from curate.write.exports.tagged import MEDIA_COLUMNS, REWRITES, Media, Said, media_columns, said

_REJECTED_IMAGES = REJECTED_MEDIA["images"]
_MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


class Swift(Export):
    """`messages` (the prompt and the chosen answer) and `rejected_messages`, whole conversations.

    Tool calls are messages of the role `tool_call`, their results of `tool_response`, tools a JSON
    text; media are marks in the texts and lists of files.
    """

    name = "swift"
    summary = "ms-swift DPO and RM: messages, rejected_messages, tools, images"
    reserved = ("messages", "rejected_messages")
    holds = frozenset(
        {TOOL_CALLS, *MEDIA_COLUMNS, *MEDIA_COLUMNS.values(), TOOLS, _REJECTED_IMAGES, FILE_BYTES}
    )
    rewrites: ClassVar[Mapping[str, str]] = {
        **REWRITES,
        BESIDE_CALLS: "written as an assistant's message before the call",
    }

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Both conversations, tools and media."""
        media = media_columns(self.parts)
        media += [_REJECTED_IMAGES] if _REJECTED_IMAGES in self.parts else []
        made = [_row(row, media) for row in pairs.select(*TURNS, *media).iter_rows(named=True)]
        names = ("messages", "rejected_messages")
        columns = [pl.Series(c, [r[c] for r in made], dtype=_MESSAGES) for c in names]
        columns += [as_media(pl.Series(c, [r[c] for r in made], dtype=MEDIA), self) for c in media]
        if TOOLS in self.parts:
            columns.append(pairs[TOOLS])
        return pl.DataFrame([*columns, *(pairs[c] for c in ("pair_id", *carried(pairs, self)))])

    def files(self, advice: Advice) -> dict[str, Any]:
        """The arguments of `swift rlhf` that read the shards."""
        arguments: dict[str, Any] = {"rlhf_type": "dpo", "dataset": [advice.kept]}
        if advice.held_out is not None:
            arguments["val_dataset"] = [advice.held_out]
        if advice.epsilon is not None:
            arguments["label_smoothing"] = advice.epsilon
        return {"swift.yaml": arguments}


def _row(row: Mapping[str, Any], media: Sequence[str]) -> dict[str, Any]:
    """Messages and media of one pair."""
    shown = Media({c: row[c] or () for c in media})
    prompt = [m for turn in row["prompt"] for m in _spoken(said(turn, shown))]
    sides = {side: [m for t in row[side] for m in _spoken(said(t, shown))] for side in TURNS[1:]}
    files = {c: row[c] if c == _REJECTED_IMAGES else shown.of(c) for c in media}
    return {
        "messages": prompt + sides["chosen"],
        "rejected_messages": prompt + sides["rejected"],
        **files,
    }


def _spoken(turn: Said) -> Iterator[dict[str, str]]:
    """A message of the pair table as those of ms-swift."""
    if turn.role == "tool":
        yield {"role": "tool_response", "content": turn.text}
        return
    if turn.text or not turn.calls:
        yield {"role": turn.role, "content": turn.text}
    yield from ({"role": "tool_call", "content": call} for call in turn.calls)
