"""The section `output` of pipeline.yaml: where and how the kept pairs are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from curate.data.local_path import local_folder
from curate.data.section import Section
from curate.write.exports.base import Carrier, Prompt
from curate.write.exports.media_files import MediaCarrier
from curate.write.splits import check_shares
from curate.write.weighing import SoftLabels

FileType = Literal["parquet", "jsonl", "dataset"]


class OutputConfig(Section):
    """Where and how the kept pairs are written."""

    path: str = Field("curated", description="Folder of the run.")
    format: str = Field("trl", description="Export format of the kept shards.")
    file_type: FileType = Field(
        "parquet",
        description="Kind of the kept shards; dataset: a DatasetDict as save_to_disk writes it.",
    )
    allow_loss: bool = Field(
        False,
        description="Go on where the format has no place for parts of the data (tool calls, "
        "images...); what is lost is counted.",
    )
    prompt: Prompt | None = Field(
        None,
        description="explicit: a column of its own; implicit (trl, trl_reward): both answers are "
        "whole conversations, as open-instruct, RLHFlow, SimPO and Skywork read them.",
    )
    media: MediaCarrier = Field(
        "paths",
        description="Images, videos and audios that the data name by files. paths: absolute paths; "
        "embed: the files are in the shards, as the hub has images.",
    )
    weights: Carrier | None = Field(
        None,
        description="How training weights and soft labels reach the trainer. rows: each pair as "
        "often as it weighs, in expectation; column: weight and label_probability, which the "
        "trainers of curate.trl read; none. Default rows, column for the format pairs.",
    )
    soft_labels: SoftLabels = Field(
        "sampled",
        description="Rows of a label that is right with probability p. sampled: it with p, the "
        "other one with 1 - p; signed: the likelier one alone, with weight |2p - 1|.",
    )
    copies: int = Field(
        1, ge=1, le=100, description="Draws of weighted rows to train on, one for each epoch."
    )
    splits: dict[str, float] | None = Field(
        None,
        description="Shares of the prompts by split, the one to train on first, such as {train: "
        "0.98, test: 0.02}; nearly equal prompts go to the same one.",
    )
    language: list[str] = Field(
        default_factory=list,
        description="Languages of the texts for the card, ISO 639-1, such as [en]; default what "
        "the scorer language finds in a tenth of the prompts or more.",
    )
    rows_per_shard: int = Field(100_000, ge=1, description="Rows in one shard at most.")
    report: bool = Field(True, description="Write report.html, the run as a page to look at.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Score columns that the shards carry, as a list or as NAME: COLUMN.",
    )

    @field_validator("path")
    @classmethod
    def _local(cls, value: str) -> str:
        return str(local_folder(value))

    @field_validator("splits")
    @classmethod
    def _whole(cls, shares: dict[str, float] | None) -> dict[str, float] | None:
        return shares if shares is None else check_shares(shares)

    @field_validator("columns", mode="before")
    @classmethod
    def _named(cls, columns: object) -> object:
        return {name: name for name in columns} if isinstance(columns, list) else columns
