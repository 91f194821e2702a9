"""pipeline.yaml: its model, and errors that name the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from curate.errors import CurateError
from curate.formats.columns import ColumnMapping
from curate.formats.rule import RankingRule
from curate.models.lm.spec import Inference
from curate.registry import parameter_error
from curate.yaml_places import Places, load_yaml

FileType = Literal["parquet", "jsonl", "dataset"]


class Section(BaseModel):
    """A part of pipeline.yaml; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputConfig(Section):
    """Where the pairs come from."""

    path: str | None = Field(None, description="File, glob, folder or fsspec URL.")
    hf: str | None = Field(None, description="Data set of the hub: owner/name.")
    format: str = Field("auto", description="Name of the format, or auto.")
    columns: ColumnMapping | None = Field(None, description="Mapping for 'format: columns'.")
    ranking: RankingRule = Field(
        default_factory=RankingRule, description="How rankings of several answers become pairs."
    )
    config: str | None = Field(None, description="Configuration of the hub's data set.")
    split: str | None = Field(None, description="Split; default the only one, or train.")
    revision: str | None = Field(None, description="Revision of the hub's data set.")
    on_error: Literal["stop", "skip"] = Field(
        "stop", description="What to do with a malformed row: stop, or report it and go on."
    )
    limit: int | None = Field(None, ge=1, description="Read at most this many pairs.")

    @model_validator(mode="after")
    def _one_place(self) -> InputConfig:
        if (self.path is None) == (self.hf is None):
            raise ValueError("give exactly one of path and hf")
        return self


class EmbedderConfig(Section):
    """The model that embeds prompts and answers."""

    name: str = Field(
        "minilm",
        description="minilm (shipped in a wheel), static (token vectors, far faster on a CPU), or "
        "a sentence-transformers folder or name.",
    )
    pooling: Literal["sentence", "last_token"] = Field(
        "sentence",
        description="sentence: a sentence-transformers model; last_token: hidden states of a "
        "causal language model, run as the section inference says.",
    )
    backend: Literal["torch", "openvino"] = Field(
        "torch", description="openvino runs a sentence embedder faster on many CPUs."
    )
    dtype: Literal["float32", "float16"] = Field(
        "float32", description="Of the vectors that are kept; float16 takes half the room."
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps...")
    batch_tokens: int = Field(8192, ge=16, description="Tokens in a batch, padding included.")
    max_tokens: int | None = Field(None, ge=8, description="Longest text; default the model's own.")


class OutputConfig(Section):
    """Where and how the kept pairs are written."""

    path: str = Field("curated", description="Folder of the run.")
    format: str = Field("trl", description="Export format of the kept shards.")
    file_type: FileType = Field(
        "parquet",
        description="Kind of the kept shards; dataset: a DatasetDict as save_to_disk writes it.",
    )
    rows_per_shard: int = Field(100_000, ge=1, description="Rows in one shard at most.")
    report: bool = Field(True, description="Write report.html, the run as a page to look at.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Score columns that the shards carry, as a list or as NAME: COLUMN.",
    )

    @field_validator("columns", mode="before")
    @classmethod
    def _named(cls, columns: object) -> object:
        return {name: name for name in columns} if isinstance(columns, list) else columns


class EngineConfig(Section):
    """Where scorers and embedders run."""

    name: Literal["local", "ray"] = Field("local", description="local: here; ray: by Ray Data.")
    address: str | None = Field(
        None, description="Address of a Ray cluster, or auto; default a cluster on this machine."
    )
    workers: int | None = Field(
        None,
        ge=1,
        description="Row scorers and embedders at a time; default 1 (local: processes for row "
        "scorers) or one a core or GPU of the cluster (ray).",
    )
    gpus_per_worker: float = Field(0.0, ge=0, description="GPUs of each worker of Ray.")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _local_alone(self) -> EngineConfig:
        if self.name == "local" and (self.address is not None or self.gpus_per_worker):
            raise ValueError("address and gpus_per_worker are for engine ray")
        return self


class StepConfig(BaseModel):
    """One scorer or filter: its type, and its own parameters beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="Kind of the scorer or filter.")
    name: str | None = Field(None, description="Name of its columns and reports; default its type.")

    @property
    def parameters(self) -> dict[str, Any]:
        """The step's own parameters."""
        return dict(self.model_extra or {})


class PipelineConfig(Section):
    """A whole pipeline.yaml."""

    input: InputConfig | None = None
    embedder: EmbedderConfig = Field(default_factory=EmbedderConfig)
    inference: Inference = Field(default_factory=Inference)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    scorers: list[StepConfig] = Field(default_factory=list)
    filters: list[StepConfig] = Field(default_factory=list)
    output: OutputConfig = Field(default_factory=OutputConfig)
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    store: str | None = Field(
        "auto",
        description="Folder that keeps vectors and scores for the next run; auto: $CURATE_CACHE or "
        "~/.cache/curate; null: none.",
    )


_SECTIONS: dict[str, type[BaseModel]] = {
    "input": InputConfig,
    "embedder": EmbedderConfig,
    "engine": EngineConfig,
    "inference": Inference,
    "output": OutputConfig,
    "columns": ColumnMapping,
    "ranking": RankingRule,
}


def parse_config(data: Any, places: Places | None = None) -> PipelineConfig:
    """A configuration from plain data; raises CurateError with the place of the first mistake."""
    places = places or Places("pipeline", {})
    if not isinstance(data, dict):
        raise CurateError(
            "the pipeline is not a mapping",
            where=places.name,
            found=type(data).__name__,
            expected="keys input, scorers, filters, output",
        )
    try:
        return PipelineConfig.model_validate(data)
    except ValidationError as error:
        loc = error.errors()[0]["loc"]
        section = next((_SECTIONS[p] for p in reversed(loc[:-1]) if p in _SECTIONS), PipelineConfig)
        mistake = parameter_error(error, list(section.model_fields), "")
        mistake.where = places.describe(loc)
        raise CurateError(
            mistake.problem,
            where=mistake.where,
            found=mistake.found,
            expected=mistake.expected,
            fix=mistake.fix,
        ) from None


def load_config(path: str | Path) -> tuple[PipelineConfig, Places]:
    """Read pipeline.yaml.

    Returns:
        The configuration, and the places of its keys for later error messages.

    Raises:
        CurateError: no such file, no valid YAML, or a wrong key or value.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        fix = "name an existing file, or write one with: curate init"
        raise CurateError("no such configuration file", where=str(path), fix=fix) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CurateError(
            "the configuration cannot be read", where=str(path), found=str(error)
        ) from None
    data, places = load_yaml(text, str(path))
    return parse_config(data, places), places


def dump_config(config: PipelineConfig) -> str:
    """The configuration as YAML, defaults included."""
    text: str = yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False)
    return text
