"""The section `input` of pipeline.yaml: where the pairs come from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from curate.data.strict_model import YamlSection
from curate.read.formats.columns import ColumnMapping
from curate.read.formats.ranking_config import RankingRule


class ReadingConfig(YamlSection):
    """Which data is read, and how: the arguments of `read_pairs` but the data in memory."""

    path: str | None = Field(None, description="File, glob, folder or fsspec URL.")
    hf: str | None = Field(None, description="Hub dataset: owner/name.")
    format: str = Field("auto", description="Name of the format, or auto.")
    columns: ColumnMapping | None = Field(None, description="Mapping for 'format: columns'.")
    ranking: RankingRule = Field(
        default_factory=RankingRule, description="How rankings of several answers become pairs."
    )
    config: str | None = Field(None, description="Configuration of the hub dataset.")
    split: str | None = Field(None, description="Split (default: the only one, or train).")
    revision: str | None = Field(None, description="Revision of the hub dataset.")
    on_error: Literal["stop", "skip"] = Field(
        "stop", description="Stop at a malformed row, or skip and report it."
    )
    limit: int | None = Field(None, ge=1, le=2**63 - 1, description="Read at most this many pairs.")

    max_row_mb: int = Field(256, ge=1, le=1 << 20, description="Largest row of a text file, in MB.")
    max_file_mb: int = Field(
        2048,
        ge=1,
        le=1 << 24,
        description="Largest file that is read at once (a JSON array, compressed Parquet), in MB.",
    )


class InputConfig(ReadingConfig):
    """Where the pairs come from."""

    @model_validator(mode="before")
    @classmethod
    def _kind_as_format(cls, values: Any) -> Any:
        """Take `kind: answers` as `format: answers`, and `kind: pairs` as the default."""
        if isinstance(values, dict) and "kind" in values:
            kind, values = values["kind"], {k: v for k, v in values.items() if k != "kind"}
            if kind not in ("answers", "pairs"):
                raise ValueError(f"kind is {kind!r}; expected answers or pairs")
            if kind == "answers":
                values.setdefault("format", "answers")
        return values

    @model_validator(mode="after")
    def _one_place(self) -> InputConfig:
        if (self.path is None) == (self.hf is None):
            raise ValueError("give exactly one of path and hf")
        return self
