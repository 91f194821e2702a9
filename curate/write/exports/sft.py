"""Single answers as whole conversations, for supervised fine-tuning."""

from __future__ import annotations

import polars as pl

from curate.data.json_types import JsonObject
from curate.write.exports.base import (
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    extra_output_columns,
    weight_columns,
)
from curate.write.exports.fields import attachment_fields, messages_column
from curate.write.exports.trl import TRLConversationalExport

_MESSAGES = "messages"


class SFTExport(Export):
    """`messages`: prompt and answer as one conversation; tools and images beside it.

    TRL's SFTTrainer reads it as its conversational type. Plain texts are also read by axolotl as
    `type: chat_template` (axolotl.yaml) and by LLaMA-Factory as ShareGPT with the tags of OpenAI
    (dataset_info.json, llamafactory.yaml). For rows with tool calls or media these files are not
    written: axolotl passes on what it finds in the template alone, and LLaMA-Factory's reader of
    such messages adds a system text. TRL trains on all turns, the others on those of the assistant.
    """

    name = "sft"
    summary = "single answers: messages for TRL's SFTTrainer, axolotl and LLaMA-Factory"
    tasks = ("text-generation",)
    reserved = (_MESSAGES,)
    holds = TRLConversationalExport.holds
    single_answers, pairs = True, False

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the conversations, what belongs to them, and the id."""
        turns = [messages_column(pairs, column, schema) for column in ("prompt", "chosen")]
        conversation = pl.select(pl.concat_list(turns).alias(_MESSAGES)).to_series()
        further = ("pair_id", *weight_columns(pairs), *extra_output_columns(pairs, schema))
        return pairs.select(conversation, *attachment_fields(pairs, schema), *further)

    def files(self, hints: TrainerHints) -> JsonObject:
        """Return the settings by which axolotl and LLaMA-Factory read the shards."""
        axolotl = {
            "path": hints.train_path,
            "ds_type": hints.loader,
            "type": "chat_template",
            "field_messages": _MESSAGES,
        }
        files = {"axolotl.yaml": {"datasets": [axolotl]}, **_llamafactory_files(hints)}
        return {} if hints.content else files

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Warn of answers without a prompt, which a chat template writes as such."""
        notes = schema.media.notes()
        if counts.bare:
            notes.append(
                f"{counts.bare} of {counts.pairs} kept rows have no prompt: for plain texts use "
                "curate export --to source, which writes the rows as they were read"
            )
        return notes


def _llamafactory_files(hints: TrainerHints) -> JsonObject:
    """Return the files by which LLaMA-Factory reads plain texts."""
    entry: JsonObject = {
        "file_name": hints.train_path,
        "formatting": "sharegpt",
        "columns": {_MESSAGES: _MESSAGES},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }
    settings = {"stage": "sft", "dataset_dir": ".", "dataset": "curated"}
    return {"dataset_info.json": {"curated": entry}, "llamafactory.yaml": settings}
