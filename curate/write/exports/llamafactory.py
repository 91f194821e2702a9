"""LLaMA-Factory's ranking data and its KTO data, in its ShareGPT form."""

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
from curate.write.exports.trl import TRLUnpaired

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
    smooths = True
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
        answers = (pl.col(side).list.first() for side in TURNS[1:])
        columns = _columns(pairs, TURNS, self).with_columns(answers)
        return columns.rename({"prompt": "conversations"}).hstack(
            pairs.select("pair_id", *carried(pairs, self))
        )

    def files(self, advice: Advice) -> dict[str, Any]:
        """dataset_info.json, which names the shards `curated`, and llamafactory.yaml."""
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        settings: dict[str, Any] = {"stage": "dpo", "pref_loss": "sigmoid"}
        if advice.epsilon is not None:
            settings["dpo_label_smoothing"] = advice.epsilon
        return _files(self, advice, {"ranking": True, "columns": columns}, settings)


class LLaMAFactoryKTO(TRLUnpaired):
    """Each answer a row: `conversations` that end with it, `kto_tag` (true: the chosen one)."""

    name = "llamafactory_kto"
    summary = "LLaMA-Factory KTO (ShareGPT with kto_tag) with dataset_info.json"
    reserved = ("conversations", "kto_tag", "completion", "label")
    single = True
    holds = LLaMAFactory.holds
    rewrites: ClassVar[Mapping[str, str]] = REWRITES

    def files(self, advice: Advice) -> dict[str, Any]:
        """dataset_info.json, which names the shards `curated`, and llamafactory.yaml."""
        columns = {"messages": "conversations", "kto_tag": "kto_tag"}
        return _files(self, advice, {"columns": columns}, {"stage": "kto"})

    def _written(self, rows: pl.DataFrame) -> pl.DataFrame:
        turns = ("prompt", "completion")
        columns = _columns(rows, turns, self)
        talk = pl.concat_list(turns).alias("conversations")
        return columns.select(
            talk,
            *(name for name in columns.columns if name not in turns),
            rows["label"].alias("kto_tag"),
            *(rows[name] for name in self.others(rows)),
        )


def _columns(rows: pl.DataFrame, turns: Sequence[str], form: Export) -> pl.DataFrame:
    """Turns as messages of ShareGPT, then media and tools."""
    if not form.parts:
        message = pl.struct(
            pl.element().struct.field("role").replace(_SPEAKERS).alias("from"),
            pl.element().struct.field("content").alias("value"),
        )
        return rows.select(pl.col(c).list.eval(message) for c in turns)
    media = media_columns(form.parts)
    made = [_row(row, turns, media) for row in rows.select(*turns, *media).iter_rows(named=True)]
    columns = [pl.Series(c, [r[c] for r in made], dtype=pl.List(_MESSAGE)) for c in turns]
    columns += [as_media(pl.Series(c, [r[c] for r in made], dtype=MEDIA), form) for c in media]
    if TOOLS in form.parts:
        columns.append(rows[TOOLS].fill_null(""))
    return pl.DataFrame(columns)


def _files(
    form: Export, advice: Advice, kind: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The description of the data, and settings that read it."""
    media = {c: c for c in media_columns(form.parts)}
    tools = {TOOLS: TOOLS} if TOOLS in form.parts else {}
    entry = {"file_name": advice.kept, "formatting": "sharegpt", **kind}
    entry["columns"] = {**kind["columns"], **media, **tools}
    others = {f"curated_{n}": entry | {"file_name": p} for n, p in advice.others.items()}
    reading: dict[str, Any] = {"dataset_dir": ".", "dataset": "curated"}
    if others:
        reading["eval_dataset"] = next(iter(others))
    return {
        "dataset_info.json": {"curated": entry} | others,
        "llamafactory.yaml": {**settings, **reading},
    }


def _row(row: Mapping[str, Any], turns: Sequence[str], media: Sequence[str]) -> dict[str, Any]:
    """Messages and media of one row."""
    shown = Media({c: row[c] or () for c in media})
    made = {side: list(_spoken([said(m, shown) for m in row[side]])) for side in turns}
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
