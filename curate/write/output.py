"""The section `output` of pipeline.yaml: where and how the kept pairs are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from curate.data.local_path import local_folder
from curate.data.strict_model import YamlSection
from curate.write.exports.base import Carrier, Prompt
from curate.write.exports.media_files import MediaCarrier
from curate.write.splits import check_shares
from curate.write.weighing import SoftLabels

FileType = Literal["parquet", "jsonl", "dataset"]


class OutputConfig(YamlSection):
    """Where and how the kept pairs are written."""

    path: str = Field("curated", description="Folder of the run.")
    format: str = Field("trl", description="Export format of the kept shards.")
    file_type: FileType = Field(
        "parquet",
        description="File type of the kept shards; dataset: a DatasetDict saved to disk.",
    )
    allow_loss: bool = Field(
        False,
        description="Export even if the format can't represent some content (tool calls, "
        "images, ...); the loss is counted.",
    )
    prompt: Prompt | None = Field(
        None,
        description="explicit: a separate column; implicit (trl, trl_reward): both answers are "
        "complete conversations, for open-instruct, RLHFlow, SimPO and Skywork.",
    )
    media: MediaCarrier = Field(
        "paths",
        description="Images, video and audio given as files. paths: absolute paths; embed: the "
        "files are embedded in the shards.",
    )
    weights: Carrier | None = Field(
        None,
        description="How weights and soft labels reach the trainer. rows: rows in proportion to "
        "the weight; column: weight and label_probability, for the trainers of curate.trl; none. "
        "Default: rows, or column for the format pairs.",
    )
    soft_labels: SoftLabels = Field(
        "sampled",
        description="Rows for a label that is right with probability p. sampled: the label with "
        "p, the opposite one with 1 - p; signed: only the likelier one, with weight |2p - 1|.",
    )
    copies: int = Field(
        1, ge=1, le=100, description="Random draws of weighted rows, one per epoch."
    )
    splits: dict[str, float] | None = Field(
        None,
        description="Shares of the prompts by split, training first, such as {train: 0.98, test: "
        "0.02}; near-duplicate prompts are in the same split.",
    )
    language: list[str] = Field(
        default_factory=list,
        description="Languages for the card, ISO 639-1, such as [en]; default: those that the "
        "scorer language finds in at least 10 % of the prompts.",
    )
    rows_per_shard: int = Field(100_000, ge=1, description="Maximum rows per shard.")
    report: bool = Field(True, description="Write report.html.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Score columns to add to the shards, as a list or as NAME: COLUMN.",
    )

    @field_validator("path")
    @classmethod
    def _local(cls, value: str) -> str:
        return str(local_folder(value))

    @field_validator("splits")
    @classmethod
    def _check_shares(cls, shares: dict[str, float] | None) -> dict[str, float] | None:
        return shares if shares is None else check_shares(shares)

    @field_validator("columns", mode="before")
    @classmethod
    def _named(cls, columns: object) -> object:
        return {name: name for name in columns} if isinstance(columns, list) else columns
