"""The contract of an export."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import polars as pl

from curate.data.content_kinds import FILE_BYTES, TURNS
from curate.data.json_types import JsonObject
from curate.data.messages import MESSAGE_CONTENT_KINDS
from curate.data.table import PAIR_COLUMNS, has_single_answers
from curate.errors import CurateError
from curate.write.exports.media_files import MediaFileWriter
from curate.write.exports.prompt_spacing import PromptSpacing

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
class TrainerHints:
    """What a trainer should know of the data.

    Attributes:
        label_smoothing: share of wrong labels that is left: the epsilon of cDPO and rDPO; None
            where nobody estimated it.
        root: path of the shards, from the folder in which the advice is written.
        file_type: "parquet", "jsonl" or "dataset".
        splits: names of the splits, the one to train on first; empty: all pairs are to train on.
        content: kinds of content besides plain texts that the shards hold.
    """

    label_smoothing: float | None = None
    root: str = "kept"
    file_type: str = "parquet"
    splits: tuple[str, ...] = ()
    content: frozenset[str] = frozenset()

    @property
    def epsilon(self) -> float | None:
        """Return the share of wrong labels with the digits that a configuration needs."""
        return None if self.label_smoothing is None else round(self.label_smoothing, 4)

    @property
    def loader(self) -> str:
        """Return the name by which the `datasets` library loads the shards."""
        return {"jsonl": "json", "dataset": "arrow"}.get(self.file_type, "parquet")

    @property
    def train(self) -> str:
        """Return the split to train on."""
        return self.splits[0] if self.splits else "train"

    @property
    def train_path(self) -> str:
        """Return path of the shards to train on."""
        return f"{self.root}/{self.train}" if self.splits else self.root

    @property
    def other_splits(self) -> dict[str, str]:
        """Return paths of the shards of the other splits, by name."""
        return {name: f"{self.root}/{name}" for name in self.splits[1:]}

    @property
    def held_out(self) -> str | None:
        """Return path of the shards to validate on while training: the first of the others."""
        return next(iter(self.other_splits.values()), None)

    @property
    def shards(self) -> str:
        """Return glob of the shards to train on."""
        return self.glob(self.train)

    def glob(self, split: str) -> str:
        """Return glob of a split's shards."""
        if self.file_type == "dataset":
            return f"{self.root}/{split}/*.arrow"
        inside = f"{split}/" if self.splits else ""
        return f"{self.root}/{inside}*.{self.file_type}"


@dataclass(frozen=True)
class ShardSchema:
    """What the columns of all shards depend on besides the pairs.

    Attributes:
        content: kinds of content besides plain texts that the pairs have and the export holds.
        carried: columns of the pair table that the shards have besides, under their own names.
        prompt: whether the prompt is a column, or stands at the start of both answers.
        structured: whether messages are written as they were published, and not as plain texts.
        media: finds the files of media, and counts them.
        spacing: orders rows of single answers, and counts those beside one to the same prompt.
    """

    content: frozenset[str] = frozenset()
    carried: tuple[str, ...] = ()
    prompt: Prompt = "explicit"
    structured: bool = False
    media: MediaFileWriter = field(default_factory=MediaFileWriter)
    spacing: PromptSpacing = field(default_factory=PromptSpacing)


def extra_output_columns(pairs: pl.DataFrame, schema: ShardSchema) -> list[str]:
    """Return further columns for the shards: `schema.carried`, and those of the user's data."""
    user_columns = [name for name in pairs.columns if name not in (*PAIR_COLUMNS, *WEIGHTS, DRAW)]
    return [*schema.carried, *user_columns]


def weight_columns(pairs: pl.DataFrame) -> list[str]:
    """Return the columns of weights and label probabilities that the pairs have."""
    return [name for name in WEIGHTS if name in pairs.columns]


def margin_column(unknown: float | None = None) -> pl.Expr:
    """Return the strength as `margin`; `unknown` for null."""
    return pl.col("strength").cast(pl.Float64).fill_null(pl.lit(unknown)).alias("margin")


@dataclass
class PairCounts:
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
        """Add pairs to the counts."""
        self.pairs += len(pairs)
        self.ties += int(pairs["is_tie"].sum())
        self.bare += int((pairs["prompt"].list.len() == 0).sum())
        self.without_strength += pairs["strength"].null_count()
        # One text each by the usual speaker is all that a plain text can say without marks.
        several = [pl.col(part).list.len() > 1 for part in TURNS]
        other = pl.col("prompt").list.first().struct.field("role") != "user"
        self.dialogues += int(pairs.select(d=pl.any_horizontal(*several, other))["d"].sum())


def missing_smoothing_warning(form: Export, advice: TrainerHints) -> list[str]:
    """Return the warning that the share of wrong labels does not reach the trainer."""
    if advice.epsilon is None or form.smooths:
        return []
    return [
        f"{advice.epsilon:.1%} of the remaining labels are estimated to be wrong: the format "
        f"'{form.name}' has no label smoothing, so the trainer treats all labels as right"
    ]


def bare_answers_note(counts: PairCounts) -> str:
    """Return the note that some single answers have no prompt."""
    return (
        f"{counts.bare} of {counts.pairs} kept rows have no prompt: for plain texts use "
        "curate export --to source, which writes the rows as they were read"
    )


def missing_strength_warning(counts: PairCounts) -> list[str]:
    """Return the warning that some pairs have no strength among others with one."""
    lacking = counts.without_strength
    if not 0 < lacking < counts.pairs:
        return []
    return [f"{lacking} of {counts.pairs} kept pairs have no strength: their margin is 0"]


def missing_speakers_warning(counts: PairCounts, name: str) -> list[str]:
    """Return the warning that conversations become texts, in which marks say who speaks."""
    if not counts.dialogues:
        return []
    return [
        f"{counts.dialogues} of {counts.pairs} kept pairs have several turns or a system text: "
        f"the format '{name}' has no roles, and writes such turns into one text as 'system: ...', "
        "'user: ...', which chat templates do not treat as turns"
    ]


class Export(ABC):
    """Turns kept pairs into the columns that a trainer reads.

    Attributes:
        reserved: the columns that it makes besides those of the pair table.
        holds: kinds of content besides plain texts that come out as they went in.
        rewrites: kinds that are written in another spelling, and which; also those of `holds`.
        general: whether the form is for pairs of any kind.
        needs: parts without which the form makes no sense.
        binary: whether its columns hold bytes, which JSON has no place for.
        prompts: the values of `ShardSchema.prompt` that the export knows, the default first.
        carriers: what may carry weights to the trainer, the default first; "column" only where
            something reads it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reserved: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[frozenset[str]] = frozenset()
    rewrites: ClassVar[Mapping[str, str]] = {}
    tasks: ClassVar[tuple[str, ...]] = ()
    """Task categories of the hub; default by what the pairs hold."""
    general: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()
    binary: ClassVar[bool] = False
    prompts: ClassVar[tuple[Prompt, ...]] = ("explicit",)
    carriers: ClassVar[tuple[Carrier, ...]] = ("rows", "none")
    single_answers: ClassVar[bool] = False
    """Whether rows without a rejected answer have a form."""
    single_answer_export: ClassVar[str | None] = None
    """The export that writes such rows for the same trainer, where this one writes pairs."""
    pairs: ClassVar[bool] = True
    """Whether pairs have a form."""
    single: ClassVar[bool] = False
    """Whether each answer must be one message."""
    smooths: ClassVar[bool] = False
    """Whether its files hold the label smoothing, as a setting of the trainer."""

    def supported_content(self, file_type: str) -> frozenset[str]:
        """Return the kinds of content besides plain texts that files of this type can hold."""
        holds = self.holds | self.rewrites.keys()
        # JSON has no place for bytes, and no trainer decodes them from a text.
        return holds - {FILE_BYTES} if file_type == "jsonl" else holds

    def schema(
        self,
        content: Iterable[str] = (),
        file_type: str = "parquet",
        *,
        carried: tuple[str, ...] = (),
        prompt: Prompt | None = None,
        media: MediaFileWriter | None = None,
    ) -> ShardSchema:
        """Return the schema of shards.

        Args:
            content: kinds of content besides plain texts that the pairs have.
            file_type: "parquet", "jsonl" or "dataset".
            carried: see `ShardSchema`.
            prompt: see `ShardSchema`; default the first of `prompts`.
            media: see `ShardSchema`; default local paths.
        """
        supported = self.supported_content(file_type).intersection(content)
        structured = not supported.isdisjoint(self.holds.intersection(MESSAGE_CONTENT_KINDS))
        files = media or MediaFileWriter()
        return ShardSchema(supported, carried, prompt or self.prompts[0], structured, files)

    def check_answers(self, pairs: pl.DataFrame, where: str) -> None:
        """Make sure that the export is for rows with this number of answers.

        Raises:
            CurateError: single answers for an export of pairs, or pairs for one of single answers.
        """
        is_single = has_single_answers(pairs)
        if len(pairs) and (is_single > self.single_answers or not (is_single or self.pairs)):
            kind = "single answers" if is_single else "pairs"
            raise CurateError(
                f"the rows are {kind}, which this format has no form for",
                where=where,
                found=self.name,
                expected="sft (messages for TRL and axolotl), llamafactory_sft, pairs or source"
                if is_single
                else "a format for pairs, such as trl",
            )

    def check(self, pairs: pl.DataFrame, schema: ShardSchema) -> None:  # noqa: ARG002
        """Make sure that the export holds the turns of pairs; `convert` does so too.

        Raises:
            CurateError: an answer of several messages, where each must be one.
        """
        several = pl.max_horizontal(pl.col("chosen", "rejected").list.len()) > 1
        unsupported = pairs.filter(several) if self.single else pairs[:0]
        if len(unsupported):
            raise CurateError(
                f"the format '{self.name}' cannot represent answers of several messages",
                where=f"pair {unsupported['pair_id'][0]}",
                found=f"{len(unsupported)} such pairs among {len(pairs)}",
                fix="drop them with the filter {type: expression, keep: 'ARRAY_LENGTH(chosen) = 1 "
                "AND ARRAY_LENGTH(rejected) = 1'}, or use another output.format",
            )

    @abstractmethod
    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the kept pairs in the trainer's columns, then `extra_output_columns`."""

    def stream(self, parts: Iterator[pl.DataFrame], schema: ShardSchema) -> Iterator[pl.DataFrame]:
        """Yield `convert` of the kept pairs batch by batch."""
        return (self.convert(rows, schema) for part in parts for rows in schema.media.slices(part))

    @property
    def row_by_row(self) -> bool:
        """Return whether each pair gives one row that depends on nothing else."""
        return type(self).stream is Export.stream

    def files(self, hints: TrainerHints) -> JsonObject:  # noqa: ARG002
        """Return files for the trainer in the run's folder, by name, as plain data."""
        return {}

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Return warnings about counted pairs that the trainer cannot represent."""
        notes = schema.media.notes()
        if counts.ties:
            notes.append(
                f"{counts.ties} of {counts.pairs} kept pairs are ties, which the format "
                f"'{self.name}' cannot represent: trainers would use them as votes; "
                "use the filter 'ties'"
            )
        if counts.bare:
            notes.append(
                f"{counts.bare} of {counts.pairs} kept pairs have no shared prompt (joint "
                "preferences), which most trainers expect"
            )
        return notes
