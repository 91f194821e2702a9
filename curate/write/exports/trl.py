"""The data set types of TRL: preference, reward with margin, unpaired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import polars as pl

from curate.data.found_parts import FILE_BYTES, TURNS
from curate.data.hashes import hash_halves
from curate.data.key_counts import Halves, KeyCounts
from curate.data.message_parts import BESIDE_CALLS, MESSAGE_PARTS, REASONING, TEXTS, TOOL_CALLS
from curate.data.row_parts import ARGUMENTS, DOCUMENTS, ROW_PARTS, TOOLS, row_part_keys
from curate.data.table import messages_key, messages_text
from curate.write.exports.base import (
    DRAW,
    Advice,
    Carrier,
    Export,
    KeptCounts,
    and_weight,
    carried,
    lacking_strength,
    margin,
    without_speakers,
)
from curate.write.exports.fields import messages, row_fields
from curate.write.exports.prompt_spacing import PromptSpacing

_HOLDS = frozenset({*MESSAGE_PARTS, TOOLS, ARGUMENTS, DOCUMENTS})
_SEES = _HOLDS | {"images", FILE_BYTES}
_CARRIERS: tuple[Carrier, ...] = ("rows", "column", "none")
"""TRL's own trainers read no weights, those of `curate.trl` do."""


def dpo_advice(advice: Advice) -> dict[str, Any]:
    """Settings of DPOConfig: rDPO (2403.00409) where a known share of labels is wrong, else DPO."""
    settings: dict[str, Any] = {"loss_type": "sigmoid", "label_smoothing": 0.0}
    if advice.epsilon is not None:
        settings = {"loss_type": "robust", "label_smoothing": advice.epsilon}
    return {"dpo_config.yaml": settings}


def turns(pairs: pl.DataFrame, form: Export) -> list[pl.Series]:
    """The columns of messages: prompt and answers, or two conversations."""
    columns = [messages(pairs, column, form) for column in TURNS]
    if form.prompt == "explicit":
        return columns
    prompt, *answers = columns
    return [pl.select(pl.concat_list(prompt, a).alias(a.name)).to_series() for a in answers]


class TRLConversational(Export):
    """`prompt`, `chosen`, `rejected` as messages for DPOTrainer and RewardTrainer; `pair_id`.

    With an implicit prompt `chosen` and `rejected` are whole conversations, and there is no
    `prompt`: open-instruct, RLHFlow, SimPO and Skywork read them so.
    """

    name = "trl"
    prompts = ("explicit", "implicit")
    smooths = True
    summary = "TRL preference, conversational with explicit prompt (DPOTrainer, RewardTrainer)"
    holds = _SEES
    carriers = _CARRIERS

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The message columns, the id that leads back to the scores, and weights if any."""
        texts = turns(pairs, self)
        rest = ("pair_id", *and_weight(pairs), *carried(pairs, self))
        return pairs.select(*texts, *row_fields(pairs, self), *rest)

    def files(self, advice: Advice) -> dict[str, Any]:
        """Settings for DPOConfig."""
        return dpo_advice(advice)


class TRLStandard(Export):
    """`prompt`, `chosen`, `rejected` as texts; turns are marked where there is more than one."""

    name = "trl_text"
    smooths = True
    summary = "TRL preference, standard: prompt, chosen and rejected as text"
    carriers = _CARRIERS
    rewrites: ClassVar[Mapping[str, str]] = {
        TEXTS: "joined into one text",
        TOOL_CALLS: "written into the text as <tool_call>",
        BESIDE_CALLS: "written into the text before the calls",
        REASONING: "written into the text as <think>",
    }

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The three texts, the id, and weights if any."""
        texts = [messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected")]
        return pairs.select(*texts, "pair_id", *and_weight(pairs), *carried(pairs, self))

    def warnings(self, kept: KeptCounts) -> list[str]:
        """As all do, and speakers that become marks in a text."""
        return super().warnings(kept) + without_speakers(kept, self.name)

    def files(self, advice: Advice) -> dict[str, Any]:
        """Settings for DPOConfig."""
        return dpo_advice(advice)


class TRLReward(Export):
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

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Messages, margin, id, and weights if any."""
        texts = turns(pairs, self)
        fields = row_fields(pairs, self)
        rest = ("pair_id", *and_weight(pairs), *carried(pairs, self))
        return pairs.select(*texts, *fields, margin(0.0), *rest)

    def warnings(self, kept: KeptCounts) -> list[str]:
        """Ties, and pairs without a strength among others with one."""
        return super().warnings(kept) + lacking_strength(kept)


class TRLUnpaired(Export):
    """TRL's unpaired type for KTOTrainer: each answer a row, `label` true for the chosen one.

    An answer that occurs in several pairs with the same label is written once, with the carried
    columns of its first pair, or once in each copy of a draw by weight; for that, hashes of all
    answers are held while they are written. Rows of one prompt stay apart, see `PromptSpacing`: TRL
    takes them in this order.
    """

    name = "trl_kto"
    summary = "TRL unpaired preference for KTOTrainer: prompt, completion, label"
    reserved: ClassVar[tuple[str, ...]] = ("completion", "label")
    holds = _SEES

    def __init__(self) -> None:
        super().__init__()
        self._spacing = PromptSpacing()

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Two rows a pair, repeats left out."""
        return pl.concat(self.stream(iter([pairs])))

    def stream(self, parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same of one part after another; what an earlier one held is left out too.

        Raises:
            CurateError: see `check`.
        """
        ordered = self._spacing.order(self._fresh(parts))
        return (self._written(rows) for part in ordered for rows in self.media.slices(part))

    def warnings(self, kept: KeptCounts) -> list[str]:
        """As all do, and rows that could not be kept apart."""
        clashes, rows = self._spacing.clashes, self._spacing.rows
        if not clashes:
            return super().warnings(kept)
        told = (
            f"{clashes:,} of {rows:,} rows are next to an answer to the same prompt in batches of "
            f"{self._spacing.sizes_text}, because there are too few prompts: KTO's estimate of "
            "the KL divergence is biased there; the loss apo_zero_unpaired does not need it"
        )
        return [*super().warnings(kept), told]

    def _fresh(self, parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The rows of pairs, without those that an earlier part held."""
        seen = KeyCounts()
        for pairs in parts:
            self.check(pairs)
            rows = self._rows(pairs)
            yield rows.filter(pl.Series(seen.before(_answer_keys(rows)) == 0))

    def _written(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the form's columns."""
        return rows.select(
            messages(rows, "prompt", self),
            messages(rows, "completion", self),
            *row_fields(rows, self),
            "label",
            *self.others(rows),
        )

    def others(self, rows: pl.DataFrame) -> list[str]:
        """Columns of the rows that the shards carry besides the form's."""
        names = ("prompt", "completion", "label", *ROW_PARTS, DRAW)
        return [name for name in rows.columns if name not in names]

    def _rows(self, pairs: pl.DataFrame) -> pl.DataFrame:
        sides = [
            pairs.select(
                "prompt",
                *ROW_PARTS,
                *carried(pairs, self),
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


def _answer_keys(rows: pl.DataFrame) -> Halves:
    """A hash of prompt, answer, label, the parts of each row and its draw, (rows, 2)."""
    label = pl.col("label").cast(pl.String)
    draw = pl.col(DRAW).struct
    copy = [draw.field("number").cast(pl.String), pl.lit("/"), draw.field("copy").cast(pl.String)]
    parts = row_part_keys(rows)
    text = pl.concat_str(
        messages_key("prompt"),
        messages_key("completion"),
        label,
        pl.lit("") if parts is None else pl.lit(parts),
        *(copy if DRAW in rows.columns else []),
    )
    return rows.select(hash_halves(text)).to_numpy(order="c")
