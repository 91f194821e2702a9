"""The contract of an export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import polars as pl

from curate.data.found_parts import TURNS
from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError
from curate.write.exports.media_files import MediaFiles

WEIGHT, LABEL_PROBABILITY = "weight", "label_probability"
WEIGHTS = (WEIGHT, LABEL_PROBABILITY)
"""Columns of the kept pairs where a filter gave them: the training weight of a pair, and the
probability that its label as written is right."""

DRAW = "__draw__"
"""Column of rows that were drawn by weight: number of the draw, copy of the pair in it, and whether
the label was flipped."""

Prompt = Literal["explicit", "implicit"]

Carrier = Literal["rows", "column", "none"]
"""What carries weights to a trainer."""


@dataclass(frozen=True)
class Advice:
    """What a trainer should know of the data.

    Attributes:
        label_smoothing: share of wrong labels that is left: the epsilon of cDPO and rDPO; None
            where nobody estimated it.
        root: path of the shards, from the folder in which the advice is written.
        file_type: "parquet", "jsonl" or "dataset".
        splits: names of the splits, the one to train on first; empty: all pairs are to train on.
    """

    label_smoothing: float | None = None
    root: str = "kept"
    file_type: str = "parquet"
    splits: tuple[str, ...] = ()

    @property
    def epsilon(self) -> float | None:
        """The share of wrong labels with the digits that a configuration needs."""
        return None if self.label_smoothing is None else round(self.label_smoothing, 4)

    @property
    def loader(self) -> str:
        """The name by which the `datasets` library loads the shards."""
        return {"jsonl": "json", "dataset": "arrow"}.get(self.file_type, "parquet")

    @property
    def train(self) -> str:
        """The split to train on."""
        return self.splits[0] if self.splits else "train"

    @property
    def kept(self) -> str:
        """Path of the shards to train on."""
        return f"{self.root}/{self.train}" if self.splits else self.root

    @property
    def others(self) -> dict[str, str]:
        """Paths of the shards of the other splits, by name."""
        return {name: f"{self.root}/{name}" for name in self.splits[1:]}

    @property
    def held_out(self) -> str | None:
        """Path of the shards to validate on while training: the first of the others."""
        return next(iter(self.others.values()), None)

    @property
    def shards(self) -> str:
        """Glob of the shards to train on."""
        return self.glob(self.train)

    def glob(self, split: str) -> str:
        """Glob of a split's shards."""
        if self.file_type == "dataset":
            return f"{self.root}/{split}/*.arrow"
        inside = f"{split}/" if self.splits else ""
        return f"{self.root}/{inside}*.{self.file_type}"


def carried(pairs: pl.DataFrame, form: Export) -> list[str]:
    """Columns that the user wants in the shards: `form.carries`, and those of no pair table."""
    others = [name for name in pairs.columns if name not in (*PAIR_COLUMNS, *WEIGHTS, DRAW)]
    return [*form.carries, *others]


def and_weight(pairs: pl.DataFrame) -> list[str]:
    """The columns of weights and label probabilities, where filters gave some."""
    return [name for name in WEIGHTS if name in pairs.columns]


def margin(unknown: float | None = None) -> pl.Expr:
    """The strength as `margin`, `unknown` for a pair without one."""
    return pl.col("strength").cast(pl.Float64).fill_null(pl.lit(unknown)).alias("margin")


@dataclass
class KeptCounts:
    """What a trainer may not be able to hold, counted over the kept pairs.

    Attributes:
        pairs: all of them.
        ties: marked as such.
        bare: without a shared prompt.
        without_strength: of unknown strength.
        dialogues: whose prompt or answer is more than one text by its usual speaker.
    """

    pairs: int = 0
    ties: int = 0
    bare: int = 0
    without_strength: int = 0
    dialogues: int = 0

    def add(self, pairs: pl.DataFrame) -> None:
        """Count more pairs."""
        self.pairs += len(pairs)
        self.ties += int(pairs["is_tie"].sum())
        self.bare += int((pairs["prompt"].list.len() == 0).sum())
        self.without_strength += pairs["strength"].null_count()
        # One text each by the usual speaker is all that a plain text can say without marks.
        several = [pl.col(part).list.len() > 1 for part in TURNS]
        other = pl.col("prompt").list.first().struct.field("role") != "user"
        self.dialogues += int(pairs.select(d=pl.any_horizontal(*several, other))["d"].sum())


def without_smoothing(form: Export, advice: Advice) -> list[str]:
    """The warning that the share of wrong labels does not reach the trainer."""
    if advice.epsilon is None or form.smooths:
        return []
    return [
        f"{advice.epsilon:.1%} of the remaining labels are estimated to be wrong: the format "
        f"'{form.name}' has no label smoothing, so the trainer treats all labels as right"
    ]


def lacking_strength(kept: KeptCounts) -> list[str]:
    """The warning that some pairs have no strength among others with one."""
    lacking = kept.without_strength
    if not 0 < lacking < kept.pairs:
        return []
    return [f"{lacking} of {kept.pairs} kept pairs have no strength: their margin is 0"]


def without_speakers(kept: KeptCounts, name: str) -> list[str]:
    """The warning that conversations become texts, in which marks say who speaks."""
    if not kept.dialogues:
        return []
    return [
        f"{kept.dialogues} of {kept.pairs} kept pairs have several turns or a system text: "
        f"the format '{name}' has no roles, and writes such turns into one text as 'system: ...', "
        "'user: ...', which chat templates do not treat as turns"
    ]


class Export(ABC):
    """Turns kept pairs into the columns that a trainer reads.

    Attributes:
        reserved: the columns that it makes besides those of the pair table.
        holds: the parts besides plain texts that come out as they went in; see `parts`.
        rewrites: parts that are written in another spelling, and which; also those of `holds`.
        parts: those that the pairs have and the form holds; set before the first is converted,
            since the columns of all shards depend on it.
        carries: columns of the pair table that the shards carry besides, under their own names.
        general: whether the form is for pairs of any kind.
        needs: parts without which the form makes no sense.
        binary: whether its columns hold bytes, which JSON has no place for.
        media: the files of media.
        prompt: whether the prompt is a column, or stands at the start of both answers.
        prompts: the values of `prompt` that the form knows.
        carriers: what may carry weights to the trainer, the default first; "column" only where
            something reads it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reserved: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[frozenset[str]] = frozenset()
    rewrites: ClassVar[Mapping[str, str]] = {}
    parts: frozenset[str] = frozenset()
    carries: tuple[str, ...] = ()
    tasks: ClassVar[tuple[str, ...]] = ()
    """Task categories of the hub; default by what the pairs hold."""
    general: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()
    binary: ClassVar[bool] = False
    prompt: Prompt = "explicit"
    prompts: ClassVar[tuple[Prompt, ...]] = ("explicit",)
    carriers: ClassVar[tuple[Carrier, ...]] = ("rows", "none")
    single: ClassVar[bool] = False
    """Whether each answer must be one message."""
    smooths: ClassVar[bool] = False
    """Whether its files hold the label smoothing, as a setting of the trainer."""

    def __init__(self) -> None:
        self.media = MediaFiles()

    def check(self, pairs: pl.DataFrame) -> None:
        """Make sure that the form holds the turns of pairs; `convert` does so too.

        Raises:
            CurateError: an answer of several messages, where each must be one.
        """
        several = pl.max_horizontal(pl.col("chosen", "rejected").list.len()) > 1
        held = pairs.filter(several) if self.single else pairs[:0]
        if len(held):
            raise CurateError(
                f"the format '{self.name}' cannot represent answers of several messages",
                where=f"pair {held['pair_id'][0]}",
                found=f"{len(held)} such pairs among {len(pairs)}",
                fix="drop them with the filter {type: expression, keep: 'ARRAY_LENGTH(chosen) = 1 "
                "AND ARRAY_LENGTH(rejected) = 1'}, or use another output.format",
            )

    @abstractmethod
    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The kept pairs in the trainer's columns, in order, then those of `carried`."""

    def stream(self, parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """`convert` of kept pairs that come a part at a time."""
        return (self.convert(rows) for part in parts for rows in self.media.slices(part))

    @property
    def row_by_row(self) -> bool:
        """Whether each pair gives one row that depends on nothing else."""
        return type(self).stream is Export.stream

    def files(self, advice: Advice) -> dict[str, Any]:  # noqa: ARG002
        """Files for the trainer in the run's folder, by name: .json as data, .yaml as data."""
        return {}

    def warnings(self, kept: KeptCounts) -> list[str]:
        """What the trainer cannot hold of the pairs that were counted."""
        found = self.media.notes()
        if kept.ties:
            found.append(
                f"{kept.ties} of {kept.pairs} kept pairs are ties, which the format '{self.name}' "
                "cannot represent: trainers would use them as votes; use the filter 'ties'"
            )
        if kept.bare:
            found.append(
                f"{kept.bare} of {kept.pairs} kept pairs have no shared prompt (joint preferences),"
                " which most trainers expect"
            )
        return found
