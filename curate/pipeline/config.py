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

from curate.data.local_path import local_folder
from curate.data.section import Checked, Section
from curate.errors import CurateError
from curate.models.embed.settings import EmbedderConfig
from curate.pipeline.yaml_places import Places, load_yaml
from curate.read.formats.columns import ColumnMapping
from curate.read.formats.rule import RankingRule
from curate.read.input import InputConfig
from curate.steps.models import Inference
from curate.steps.registry import parameter_error
from curate.write.output import OutputConfig


class EngineConfig(Section):
    """Where scorers and embedders run."""

    name: Literal["local", "ray"] = Field("local", description="local: here; ray: by Ray Data.")
    address: str | None = Field(
        None, description="Address of a Ray cluster, or auto; default a cluster on this machine."
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
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


class StepConfig(Checked):
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
    accept_bias: bool = Field(
        False,
        description="Go on where length alone tells which labels a filter by a learned score acts "
        "on, instead of stopping with the ways out.",
    )
    output: OutputConfig = Field(default_factory=OutputConfig)
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    store: str | None = Field(
        "auto",
        description="Folder that keeps vectors and scores for the next run; auto: $CURATE_CACHE or "
        "~/.cache/curate; null: none.",
    )

    @field_validator("store")
    @classmethod
    def _local(cls, value: str | None) -> str | None:
        return value if value in (None, "auto") else str(local_folder(value or ""))


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
