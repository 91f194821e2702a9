"""Single answers as whole conversations, for supervised fine-tuning by TRL and axolotl."""

from __future__ import annotations

import polars as pl

from curate.data.attachments import MEDIA_COLUMNS
from curate.data.json_types import JsonObject
from curate.write.exports.base import (
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    bare_answers_note,
    extra_output_columns,
    weight_columns,
)
from curate.write.exports.fields import attachment_fields, messages_column
from curate.write.exports.trl import TRLConversationalExport

_MESSAGES = "messages"
_MESSAGE_PROPERTIES = (
    "role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name",
)  # fmt: skip


class SFTExport(Export):
    """`messages`: prompt and answer as one conversation; tools and images beside it.

    TRL's SFTTrainer reads it as its conversational type, and axolotl as `type: chat_template`
    (axolotl.yaml); the mapping of message properties makes it pass on calls and traces, of which
    it otherwise takes those that it finds in the chat template. For media axolotl needs a
    processor, so no such file is written. TRL trains on all turns, axolotl on those of the
    assistant.
    """

    name = "sft"
    summary = "single answers: messages for TRL's SFTTrainer and axolotl"
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
        """Return the settings by which axolotl reads the shards."""
        if not hints.content.isdisjoint(MEDIA_COLUMNS):
            return {}
        entry: JsonObject = {
            "path": hints.train_path,
            "ds_type": hints.loader,
            "type": "chat_template",
            "field_messages": _MESSAGES,
        }
        if hints.content:
            entry["message_property_mappings"] = {name: name for name in _MESSAGE_PROPERTIES}
        config: JsonObject = {"datasets": [entry]}
        if hints.held_out is not None:
            config["test_datasets"] = [{**entry, "path": hints.held_out}]
        return {"axolotl.yaml": config}

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Warn of answers without a prompt, which a chat template writes as such."""
        notes = schema.media.notes()
        if counts.bare:
            notes.append(bare_answers_note(counts))
        return notes


class SFTChosenExport(SFTExport):
    """The prompt and the chosen answer of each pair as `sft` writes single answers."""

    name = "sft_chosen"
    summary = "the chosen answer of each pair: messages for TRL's SFTTrainer and axolotl"
    # Nothing of the rejected answer is written, so no set of pairs is pointed to it unasked.
    general = False
    single_answers, pairs = False, True
