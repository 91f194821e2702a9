"""axolotl's preference data: for DPO by `chat_template.default` or as TRL reads it, and for KTO."""

from __future__ import annotations

import polars as pl

from curate.data.attachments import ARGUMENTS, DOCUMENTS, TOOLS
from curate.data.content_kinds import TURNS
from curate.data.json_types import JsonObject
from curate.data.messages import MESSAGE_CONTENT_KINDS
from curate.write.exports.base import Export, ShardSchema, TrainerHints, extra_output_columns
from curate.write.exports.fields import attachment_fields, message_object, messages_column
from curate.write.exports.trl import TRLUnpairedExport

_HOLDS = frozenset({*MESSAGE_CONTENT_KINDS, TOOLS, ARGUMENTS, DOCUMENTS})


def _dataset_entry(advice: TrainerHints, path: str) -> JsonObject:
    """Return an entry of `datasets` without its strategy."""
    return {"path": path, "ds_type": advice.loader, "split": "train"}


class AxolotlExport(Export):
    """Rows of messages, and axolotl.yaml.

    Plain texts are `messages` (the prompt), `chosen` and `rejected` (one message each) for the
    strategy `chat_template.default`. It reads role and content alone: an answer without a text
    becomes the text of its dummy prompt. Pairs of which some hold more are `prompt`, `chosen`,
    `rejected` and `tools`, which axolotl passes on as they are (`passthrough.default`, and
    `skip_prepare_dataset`, since its own filter takes texts): TRL's DPOTrainer within it writes
    them by the chat template.
    """

    name = "axolotl"
    single_answer_export = "sft"
    smooths = True
    summary = "axolotl DPO: chat_template.default, or TRL's rows where tools are, with axolotl.yaml"
    reserved = ("messages",)
    holds = _HOLDS
    single = True

    def check(self, pairs: pl.DataFrame, schema: ShardSchema) -> None:
        """Make sure that each answer is one message, where texts are plain; see `Export.check`."""
        if not schema.content:
            super().check(pairs, schema)

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the prompt's messages, and each answer.

        Raises:
            CurateError: an answer of plain texts holds more than one message: the strategy would
                read the last alone.
        """
        self.check(pairs, schema)
        if schema.content:
            turns = [messages_column(pairs, column, schema) for column in TURNS]
        else:
            turns = [messages_column(pairs, "prompt", schema).alias("messages")]
            turns += [message_object(pairs, side, schema) for side in TURNS[1:]]
        return pairs.select(
            *turns,
            *attachment_fields(pairs, schema),
            "pair_id",
            *extra_output_columns(pairs, schema),
        )

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the part of axolotl's configuration that reads the shards."""
        by_template = {
            "type": "chat_template.default",
            "field_messages": "messages",
            "field_chosen": "chosen",
            "field_rejected": "rejected",
        }
        reading = {"type": "passthrough.default"} if advice.content else by_template
        config: JsonObject = {
            "rl": "dpo",
            "datasets": [_dataset_entry(advice, advice.train_path) | reading],
        }
        if advice.held_out is not None:
            config["test_datasets"] = [_dataset_entry(advice, advice.held_out) | reading]
        if advice.content:
            config |= {"skip_prepare_dataset": True, "remove_unused_columns": False}
        if advice.epsilon is not None:
            config["dpo_label_smoothing"] = advice.epsilon
        return {"axolotl.yaml": config}


class AxolotlKTOExport(TRLUnpairedExport):
    """TRL's unpaired rows, which axolotl passes on to TRL's KTOTrainer in their order."""

    name = "axolotl_kto"
    summary = "axolotl KTO: TRL's prompt, completion, label, with axolotl.yaml"
    holds = _HOLDS

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the part of axolotl's configuration that reads the shards."""
        config: JsonObject = {
            "rl": "kto",
            "datasets": [_dataset_entry(advice, advice.train_path)],
            # Its strategies for KTO write texts by templates of their own.
            "skip_prepare_dataset": True,
            "remove_unused_columns": False,
            "shuffle_merged_datasets": False,
        }
        if advice.held_out is not None:
            config["test_datasets"] = [_dataset_entry(advice, advice.held_out)]
        return {"axolotl.yaml": config}
