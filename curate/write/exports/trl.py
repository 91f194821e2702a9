"""The data set types of TRL: preference, reward with margin, unpaired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import polars as pl

from curate.data.attachments import ARGUMENTS, ATTACHMENTS, DOCUMENTS, TOOLS, attachment_keys
from curate.data.content_kinds import FILE_BYTES, TURNS
from curate.data.hashes import hash_halves
from curate.data.json_fields import extra_value
from curate.data.json_types import JsonObject
from curate.data.key_counts import KeyCounts, KeyHalves
from curate.data.messages import (
    MESSAGE_CONTENT_KINDS,
    REASONING,
    TEXT_BESIDE_CALLS,
    TEXTS,
    TOOL_CALLS,
)
from curate.data.table import has_single_answers, messages_key, messages_text
from curate.errors import CurateError
from curate.read.formats.unpaired import verdict_score
from curate.write.exports.base import (
    DRAW,
    Carrier,
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    extra_output_columns,
    margin_column,
    missing_speakers_warning,
    missing_strength_warning,
    weight_columns,
)
from curate.write.exports.fields import attachment_fields, messages_column

_HOLDS = frozenset({*MESSAGE_CONTENT_KINDS, TOOLS, ARGUMENTS, DOCUMENTS})
_SEES = _HOLDS | {"images", FILE_BYTES}
_CARRIERS: tuple[Carrier, ...] = ("rows", "column", "none")
"""TRL's own trainers read no weights, those of `curate.trl` do."""


def dpo_settings(advice: TrainerHints) -> JsonObject:
    """Return settings of DPOConfig: rDPO (2403.00409) if the noise rate is known, else DPO."""
    settings: JsonObject = {"loss_type": "sigmoid", "label_smoothing": 0.0}
    if advice.epsilon is not None:
        settings = {"loss_type": "robust", "label_smoothing": advice.epsilon}
    return {"dpo_config.yaml": settings}


def turn_columns(pairs: pl.DataFrame, schema: ShardSchema) -> list[pl.Series]:
    """Return the columns of messages: prompt and answers, or two conversations."""
    columns = [messages_column(pairs, column, schema) for column in TURNS]
    if schema.prompt == "explicit":
        return columns
    prompt, *answers = columns
    return [pl.select(pl.concat_list(prompt, a).alias(a.name)).to_series() for a in answers]


class TRLConversationalExport(Export):
    """`prompt`, `chosen`, `rejected` as messages for DPOTrainer and RewardTrainer; `pair_id`.

    With an implicit prompt `chosen` and `rejected` are whole conversations, and there is no
    `prompt`: open-instruct, RLHFlow, SimPO and Skywork read them so.
    """

    name = "trl"
    prompts = ("explicit", "implicit")
    single_answer_export = "sft"
    smooths = True
    summary = "TRL preference, conversational with explicit prompt (DPOTrainer, RewardTrainer)"
    holds = _SEES
    carriers = _CARRIERS

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the message columns, the id that leads back to the scores, and weights if any."""
        texts = turn_columns(pairs, schema)
        remaining_columns = (
            "pair_id",
            *weight_columns(pairs),
            *extra_output_columns(pairs, schema),
        )
        return pairs.select(*texts, *attachment_fields(pairs, schema), *remaining_columns)

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return settings for DPOConfig."""
        return dpo_settings(advice)


class TRLStandardExport(Export):
    """`prompt`, `chosen`, `rejected` as texts; turns are marked where there is more than one."""

    name = "trl_text"
    smooths = True
    summary = "TRL preference, standard: prompt, chosen and rejected as text"
    carriers = _CARRIERS
    rewrites: ClassVar[Mapping[str, str]] = {
        TEXTS: "joined into one text",
        TOOL_CALLS: "written into the text as <tool_call>",
        TEXT_BESIDE_CALLS: "written into the text before the calls",
        REASONING: "written into the text as <think>",
    }

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the three texts, the id, and weights if any."""
        texts = [messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected")]
        return pairs.select(
            *texts, "pair_id", *weight_columns(pairs), *extra_output_columns(pairs, schema)
        )

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Also warn of speakers that become plain text."""
        return super().warnings(counts, schema) + missing_speakers_warning(counts, self.name)

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return settings for DPOConfig."""
        return dpo_settings(advice)


class TRLRewardExport(Export):
    """TRL's reward type: the conversational columns and `margin`, the strength of each pair.

    Pairs without a strength get the margin 0, which is no margin in the loss.
    """

    name = "trl_reward"
    tasks = ("text-classification",)
    prompts = ("explicit", "implicit")
    summary = "TRL RewardTrainer: conversational preference with a margin column"
    reserved = ("margin",)
    holds = _HOLDS
    carriers = _CARRIERS

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return messages, margin, id, and weights if any."""
        texts = turn_columns(pairs, schema)
        fields = attachment_fields(pairs, schema)
        remaining_columns = (
            "pair_id",
            *weight_columns(pairs),
            *extra_output_columns(pairs, schema),
        )
        return pairs.select(*texts, *fields, margin_column(0.0), *remaining_columns)

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Warn of ties, and of pairs without a strength among others with one."""
        return super().warnings(counts, schema) + missing_strength_warning(counts)


class TRLUnpairedExport(Export):
    """TRL's unpaired type for KTOTrainer: each answer a row, `label` true for the chosen one.

    An answer that occurs in several pairs with the same label is written once, with the carried
    columns of its first pair, or once in each copy of a draw by weight; for that, hashes of all
    answers are held while they are written. Rows of one prompt stay apart, see `PromptSpacing`: TRL
    takes them in this order. Single answers have the label of their own rows (`label` or `kto_tag`
    in `extra`): KTO needs no partner.
    """

    name = "trl_kto"
    summary = "TRL unpaired preference for KTOTrainer: prompt, completion, label"
    reserved: ClassVar[tuple[str, ...]] = ("completion", "label")
    holds = _SEES
    single_answers = True

    def check_answers(self, pairs: pl.DataFrame, where: str) -> None:
        """Make sure that single answers have a label; see `Export.check_answers`."""
        super().check_answers(pairs, where)
        if not has_single_answers(pairs):
            return
        unlabelled = pairs.select(n=_own_label().is_null().sum())["n"][0]
        if unlabelled:
            raise CurateError(
                "single answers need a label for KTO",
                where=where,
                found=f"{unlabelled:,} of {len(pairs):,} rows without one",
                expected="a column label or kto_tag: true or false, 1 or 0, good or bad",
                fix="for supervised fine-tuning use sft or llamafactory_sft",
            )

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return two rows a pair, without repeats."""
        return pl.concat(self.stream(iter([pairs]), schema))

    def stream(self, parts: Iterator[pl.DataFrame], schema: ShardSchema) -> Iterator[pl.DataFrame]:
        """Yield two rows a pair, batch by batch, without rows of earlier batches.

        Raises:
            CurateError: see `check`.
        """
        ordered = schema.spacing.order(self._fresh(parts, schema))
        return (
            self._written(rows, schema) for part in ordered for rows in schema.media.slices(part)
        )

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Also warn of equal rows that could not be separated."""
        spacing = schema.spacing
        if not spacing.clashes:
            return super().warnings(counts, schema)
        repeated = (
            f"{spacing.clashes:,} of {spacing.rows:,} rows are next to an answer to the same "
            f"prompt in batches of {spacing.sizes_text}, because there are too few prompts: KTO's "
            "estimate of the KL divergence is biased there; the loss apo_zero_unpaired does not "
            "need it"
        )
        return [*super().warnings(counts, schema), repeated]

    def _fresh(self, parts: Iterator[pl.DataFrame], schema: ShardSchema) -> Iterator[pl.DataFrame]:
        """Yield the rows of pairs, without those of earlier batches."""
        answer_counts = KeyCounts()
        for pairs in parts:
            self.check(pairs, schema)
            rows = self._rows(pairs, schema)
            yield rows.filter(pl.Series(answer_counts.before(_answer_keys(rows)) == 0))

    def _written(self, rows: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the rows in the form's columns."""
        return rows.select(
            messages_column(rows, "prompt", schema),
            messages_column(rows, "completion", schema),
            *attachment_fields(rows, schema),
            "label",
            *self.further_columns(rows),
        )

    def further_columns(self, rows: pl.DataFrame) -> list[str]:
        """Return the further columns of the shards' rows."""
        names = ("prompt", "completion", "label", *ATTACHMENTS, DRAW)
        return [name for name in rows.columns if name not in names]

    def _rows(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        if has_single_answers(pairs):
            extra_columns = extra_output_columns(pairs, schema)
            draw = [DRAW] if DRAW in pairs.columns else []
            columns = ("prompt", *ATTACHMENTS, *extra_columns, *draw)
            return pairs.select(*columns, completion=pl.col("chosen"), label=_own_label())
        sides = [
            pairs.select(
                "prompt",
                *ATTACHMENTS,
                *extra_output_columns(pairs, schema),
                *([DRAW] if DRAW in pairs.columns else []),
                completion=pl.col(side),
                label=pl.lit(label),
            )
            for side, label in (("chosen", True), ("rejected", False))
        ]
        # Every other pair begins with its rejected answer, so that both labels are everywhere.
        order = pl.int_range(pl.len()) * 2 + (pl.col("label") == (pl.int_range(pl.len()) % 2 == 1))
        rows = pl.concat([side.with_columns(order.alias("_order")) for side in sides])
        return rows.sort("_order").drop("_order")


def _own_label() -> pl.Expr:
    """Return whether the single answer of a row is good, by its own label; null without one."""
    label = pl.coalesce(extra_value("label"), extra_value("kto_tag"))
    return verdict_score(label).cast(pl.Boolean)


def _answer_keys(rows: pl.DataFrame) -> KeyHalves:
    """Return a hash of prompt, answer, label, the parts of each row and its draw, (rows, 2)."""
    label = pl.col("label").cast(pl.String)
    draw = pl.col(DRAW).struct
    copy = [draw.field("number").cast(pl.String), pl.lit("/"), draw.field("copy").cast(pl.String)]
    parts = attachment_keys(rows)
    text = pl.concat_str(
        messages_key("prompt"),
        messages_key("completion"),
        label,
        pl.lit("") if parts is None else pl.lit(parts),
        *(copy if DRAW in rows.columns else []),
    )
    return rows.select(hash_halves(text)).to_numpy(order="c")
