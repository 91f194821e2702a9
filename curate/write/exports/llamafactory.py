"""LLaMA-Factory's ranking data, its KTO data and single answers, in its ShareGPT form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.data.attachments import MEDIA, TOOLS
from curate.data.content_kinds import FILE_BYTES, TURNS
from curate.data.json_types import Json, JsonObject
from curate.data.messages import PLACEHOLDERS, RESULTS_BREAK, TOOL_CALLS
from curate.write.exports.base import (
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    bare_answers_note,
    extra_output_columns,
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

_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}
_MESSAGE = pl.Struct({"from": pl.String, "value": pl.String})


class LLaMAFactoryExport(Export):
    """`conversations`, `chosen` and `rejected` as `from` / `value` messages, and dataset_info.json.

    Tool calls are `function_call`, their results `observation`, tools a JSON text; media are marks
    in the texts and lists of files. Give the run's folder as `dataset_dir` and `curated` as
    `dataset`.
    """

    name = "llamafactory"
    single_answer_export = "llamafactory_sft"
    reserved = ("conversations",)
    smooths = True
    summary = "LLaMA-Factory ranking (ShareGPT) with dataset_info.json"
    single = True
    holds = frozenset({TOOL_CALLS, *MEDIA_COLUMNS, *MEDIA_COLUMNS.values(), TOOLS, FILE_BYTES})
    rewrites: ClassVar[Mapping[str, str]] = REWRITES

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the prompt as a conversation, one message for each answer, tools and media.

        Raises:
            CurateError: an answer holds more than one message, which the form cannot hold.
        """
        self.check(pairs, schema)
        answers = (pl.col(side).list.first() for side in TURNS[1:])
        columns = _sharegpt_columns(pairs, TURNS, schema).with_columns(answers)
        return columns.rename({"prompt": "conversations"}).hstack(
            pairs.select("pair_id", *extra_output_columns(pairs, schema))
        )

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return dataset_info.json, which names the shards `curated`, and llamafactory.yaml."""
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        settings: JsonObject = {"stage": "dpo", "pref_loss": "sigmoid"}
        if advice.epsilon is not None:
            settings["dpo_label_smoothing"] = advice.epsilon
        return _dataset_files(advice, {"ranking": True, "columns": columns}, settings)


class LLaMAFactorySFTExport(Export):
    """Single answers: `conversations` that end with the answer, and dataset_info.json.

    It trains on every turn of the assistant. Its own reader of OpenAI's messages is not used: that
    adds a system text to rows without tools.
    """

    name = "llamafactory_sft"
    summary = "LLaMA-Factory SFT of single answers (ShareGPT) with dataset_info.json"
    tasks = ("text-generation",)
    reserved = ("conversations",)
    holds = LLaMAFactoryExport.holds
    rewrites: ClassVar[Mapping[str, str]] = REWRITES
    single_answers, pairs = True, False

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return prompt and answer as one conversation, tools and media."""
        columns = _join_turns(_sharegpt_columns(pairs, TURNS[:2], schema), TURNS[:2])
        return columns.hstack(pairs.select("pair_id", *extra_output_columns(pairs, schema)))

    def files(self, hints: TrainerHints) -> JsonObject:
        """Return dataset_info.json, which names the shards `curated`, and llamafactory.yaml."""
        return _dataset_files(hints, {"columns": {"messages": "conversations"}}, {"stage": "sft"})

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Warn of answers without a prompt, which LLaMA-Factory skips."""
        notes = [bare_answers_note(counts)] if counts.bare else []
        return [*schema.media.notes(), *notes]


class LLaMAFactoryKTOExport(TRLUnpairedExport):
    """Each answer a row: `conversations` that end with it, `kto_tag` (true: the chosen one)."""

    name = "llamafactory_kto"
    summary = "LLaMA-Factory KTO (ShareGPT with kto_tag) with dataset_info.json"
    reserved = ("conversations", "kto_tag", "completion", "label")
    single = True
    holds = LLaMAFactoryExport.holds
    rewrites: ClassVar[Mapping[str, str]] = REWRITES

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return dataset_info.json, which names the shards `curated`, and llamafactory.yaml."""
        columns = {"messages": "conversations", "kto_tag": "kto_tag"}
        return _dataset_files(advice, {"columns": columns}, {"stage": "kto"})

    def _written(self, rows: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        turns = ("prompt", "completion")
        columns = _join_turns(_sharegpt_columns(rows, turns, schema), turns)
        further = (rows[name] for name in self.further_columns(rows))
        return columns.with_columns(rows["label"].alias("kto_tag"), *further)


def _join_turns(columns: pl.DataFrame, turns: Sequence[str]) -> pl.DataFrame:
    """Return `conversations`, each the turns of a row, in place of their columns."""
    conversations = pl.concat_list(turns).alias("conversations")
    return columns.select(conversations, *(n for n in columns.columns if n not in turns))


def _sharegpt_columns(
    rows: pl.DataFrame, turns: Sequence[str], schema: ShardSchema
) -> pl.DataFrame:
    """Return turns as messages of ShareGPT, then media and tools."""
    if not schema.content:
        message = pl.struct(
            pl.element().struct.field("role").replace(_SPEAKERS).alias("from"),
            pl.element().struct.field("content").alias("value"),
        )
        return rows.select(pl.col(c).list.eval(message) for c in turns)
    media = media_columns(schema.content)
    converted = [
        _sharegpt_row(row, turns, media)
        for row in rows.select(*turns, *media).iter_rows(named=True)
    ]
    columns = [pl.Series(c, [r[c] for r in converted], dtype=pl.List(_MESSAGE)) for c in turns]
    columns += [
        media_fields(pl.Series(c, [r[c] for r in converted], dtype=MEDIA), schema) for c in media
    ]
    if TOOLS in schema.content:
        columns.append(rows[TOOLS].fill_null(""))
    return pl.DataFrame(columns)


def _dataset_files(
    advice: TrainerHints, kind: Mapping[str, Any], settings: Mapping[str, Json]
) -> JsonObject:
    """Return the description of the data, and settings that read it."""
    media = {c: c for c in media_columns(advice.content)}
    tools = {TOOLS: TOOLS} if TOOLS in advice.content else {}
    entry = {"file_name": advice.train_path, "formatting": "sharegpt", **kind}
    entry["columns"] = {**kind["columns"], **media, **tools}
    split_entries = {
        f"curated_{n}": entry | {"file_name": p} for n, p in advice.other_splits.items()
    }
    reading: JsonObject = {"dataset_dir": ".", "dataset": "curated"}
    if split_entries:
        reading["eval_dataset"] = next(iter(split_entries))
    return {
        "dataset_info.json": {"curated": entry} | split_entries,
        "llamafactory.yaml": {**settings, **reading},
    }


def _sharegpt_row(row: Mapping[str, Any], turns: Sequence[str], media: Sequence[str]) -> JsonObject:
    """Return messages and media of one row."""
    turn_media = TurnMedia({c: row[c] or () for c in media})
    row_turns = {
        side: list(_sharegpt_turns([render_turn(m, turn_media) for m in row[side]]))
        for side in turns
    }
    bare = "".join(
        PLACEHOLDERS[kind]
        for kind, c in MEDIA_COLUMNS.items()
        if c in media
        for _ in turn_media.unshown(c)
    )
    if bare:  # LLaMA-Factory wants a mark for each medium
        first = next((m for m in row_turns["prompt"] if m["from"] == "human"), None)
        if first is not None:
            first["value"] = bare + first["value"]
    return row_turns | {c: turn_media.all_media(c) for c in media}


def _sharegpt_turns(turns: Sequence[RenderedTurn]) -> Iterator[dict[str, str]]:
    """Yield the messages; consecutive tool results become one observation."""
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
