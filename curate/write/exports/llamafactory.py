"""LLaMA-Factory's ranking data in its ShareGPT form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.data.found_parts import FILE_BYTES, TURNS
from curate.data.message_parts import MARKS, RESULTS_BREAK, TOOL_CALLS
from curate.data.row_parts import MEDIA, TOOLS
from curate.write.exports.base import Advice, Export, carried
from curate.write.exports.fields import as_media
from curate.write.exports.tagged import MEDIA_COLUMNS, REWRITES, Media, Said, media_columns, said

_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}
_MESSAGE = pl.Struct({"from": pl.String, "value": pl.String})


class LLaMAFactory(Export):
    """`conversations`, `chosen` and `rejected` as `from` / `value` messages, and dataset_info.json.

    Tool calls are `function_call`, their results `observation`, tools a JSON text; media are marks
    in the texts and lists of files. Give the run's folder as `dataset_dir` and `curated` as
    `dataset`.
    """

    name = "llamafactory"
    reserved = ("conversations",)
    summary = "LLaMA-Factory ranking (ShareGPT) with dataset_info.json"
    single = True
    holds = frozenset({TOOL_CALLS, *MEDIA_COLUMNS, *MEDIA_COLUMNS.values(), TOOLS, FILE_BYTES})
    rewrites: ClassVar[Mapping[str, str]] = REWRITES

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt as a conversation, one message for each answer, tools and media.

        Raises:
            CurateError: an answer holds more than one message, which the form cannot hold.
        """
        self.check(pairs)
        rest = {name: pairs[name] for name in ("pair_id", *carried(pairs, self))}
        if not self.parts:
            message = pl.struct(
                pl.element().struct.field("role").replace(_SPEAKERS).alias("from"),
                pl.element().struct.field("content").alias("value"),
            )
            spoken = {c: pl.col(c).list.eval(message) for c in TURNS}
            return pairs.select(
                conversations=spoken["prompt"],
                chosen=spoken["chosen"].list.first(),
                rejected=spoken["rejected"].list.first(),
                **rest,
            )
        return self._with_parts(pairs).hstack(list(rest.values()))

    def _with_parts(self, pairs: pl.DataFrame) -> pl.DataFrame:
        media = media_columns(self.parts)
        rows = pairs.select(*TURNS, *media).iter_rows(named=True)
        made = [_row(row, media) for row in rows]
        frame = pl.DataFrame(
            {
                "conversations": pl.Series([r["prompt"] for r in made], dtype=pl.List(_MESSAGE)),
                "chosen": pl.Series([r["chosen"][0] for r in made], dtype=_MESSAGE),
                "rejected": pl.Series([r["rejected"][0] for r in made], dtype=_MESSAGE),
            }
        )
        columns = [as_media(pl.Series(c, [r[c] for r in made], dtype=MEDIA), self) for c in media]
        if TOOLS in self.parts:
            columns.append(pairs[TOOLS].fill_null(""))
        return frame.hstack(columns)

    def files(self, advice: Advice) -> dict[str, Any]:
        """dataset_info.json, which names the shards `curated`; settings against wrong labels."""
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        columns |= {c: c for c in media_columns(self.parts)}
        columns |= {TOOLS: TOOLS} if TOOLS in self.parts else {}
        entry = {
            "file_name": advice.kept,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": columns,
        }
        others = {f"curated_{n}": entry | {"file_name": p} for n, p in advice.others.items()}
        made: dict[str, Any] = {"dataset_info.json": {"curated": entry} | others}
        if advice.epsilon is not None:
            made["llamafactory.yaml"] = {
                "stage": "dpo",
                "dataset_dir": ".",
                "dataset": "curated",
                "pref_loss": "sigmoid",
                "dpo_label_smoothing": advice.epsilon,
            }
        return made


def _row(row: Mapping[str, Any], media: Sequence[str]) -> dict[str, Any]:
    """Messages and media of one pair."""
    shown = Media({c: row[c] or () for c in media})
    made = {side: list(_spoken([said(m, shown) for m in row[side]])) for side in TURNS}
    bare = "".join(
        MARKS[kind] for kind, c in MEDIA_COLUMNS.items() if c in media for _ in shown.rest(c)
    )
    if bare:  # LLaMA-Factory wants a mark for each medium
        first = next((m for m in made["prompt"] if m["from"] == "human"), None)
        if first is not None:
            first["value"] = bare + first["value"]
    return made | {c: shown.of(c) for c in media}


def _spoken(turns: Sequence[Said]) -> Iterator[dict[str, str]]:
    """The messages; results that follow each other are one observation."""
    results: list[str] = []
    for turn in turns:
        if turn.role == "tool":
            results.append(turn.text)
            continue
        if results:
            yield {"from": "observation", "value": RESULTS_BREAK.join(results)}
            results = []
        if turn.calls:
            calls = turn.calls[0] if len(turn.calls) == 1 else f"[{','.join(turn.calls)}]"
            yield {"from": "function_call", "value": turn.text + calls}
        else:
            yield {"from": _SPEAKERS.get(turn.role, turn.role), "value": turn.text}
    if results:
        yield {"from": "observation", "value": RESULTS_BREAK.join(results)}
