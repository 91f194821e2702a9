"""pipeline.yaml: its model, and errors that name the line."""

from __future__ import annotations

from pathlib import Path, PurePath
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

from curate.data.json_text import has_lone_surrogate
from curate.data.json_types import JsonObject
from curate.data.local_path import local_folder
from curate.data.strict_model import StrictModel, YamlSection
from curate.errors import CurateError
from curate.models.embed.settings import EmbedderConfig
from curate.pipeline.yaml_locations import YamlLocations, load_yaml
from curate.read.formats.columns import ColumnMapping
from curate.read.formats.ranking_config import RankingRule
from curate.read.input import InputConfig
from curate.steps.models import Inference
from curate.steps.registry import parameter_error
from curate.verdicts.gold import Gold, GoldConfig
from curate.write.output import OutputConfig


class EngineConfig(YamlSection):
    """Where scorers and embedders run."""

    name: Literal["local", "ray"] = Field(
        "local", description="local: this machine; ray: Ray Data."
    )
    address: str | None = Field(
        None,
        description="Address of a Ray cluster, or auto for one running on this machine; default "
        "$RAY_ADDRESS, else a new cluster on this machine.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Number of parallel row scorers and embedders; default 1 (local: processes for "
        "row scorers) or one per core or GPU of the cluster (ray).",
    )
    gpus_per_worker: float | None = Field(
        None,
        ge=0,
        description="GPUs of each Ray worker that embeds, trains probe models or runs a model; "
        "default 1 where the cluster has GPUs.",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        # `engine: ray` is short for `engine: {name: ray}`.
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _local_alone(self) -> EngineConfig:
        if self.name == "local" and (self.address is not None or self.gpus_per_worker is not None):
            raise ValueError("address and gpus_per_worker need engine ray")
        return self


class StepConfig(StrictModel):
    """One scorer or filter: its type and its own parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="Type of the scorer or filter.")
    name: str | None = Field(None, description="Name in columns and reports; default its type.")

    @property
    def parameters(self) -> JsonObject:
        """Return the step's own parameters."""
        return dict(self.model_extra or {})


class SourceConfig(InputConfig):
    """One source of a mixture."""

    name: str | None = Field(None, description="Name of the source; default the name of its file.")
    share: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Share of its prompts to sample; 2: every pair twice. Default all.",
    )
    weight: float | None = Field(
        None, gt=0, description="Size of the source relative to the other sources' weights."
    )
    filters: list[StepConfig] = Field(
        default_factory=list,
        description="Filters for this source only; they run before the common filters.",
    )

    @model_validator(mode="after")
    def _one_size(self) -> SourceConfig:
        if self.share is not None and self.weight is not None:
            raise ValueError("give share or weight, not both")
        return self


OnBias = Literal["warn", "stop"]


class PipelineConfig(YamlSection):
    """A whole pipeline.yaml."""

    input: InputConfig | None = Field(
        None, description="Where the pairs come from; a list is a mixture of sources."
    )
    sources: list[SourceConfig] = Field(
        default_factory=list, description="Sources of a mixture, same as a list at `input`."
    )
    embedder: EmbedderConfig = Field(default_factory=EmbedderConfig)
    inference: Inference = Field(default_factory=Inference)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    scorers: list[StepConfig] = Field(default_factory=list)
    filters: list[StepConfig] = Field(default_factory=list)
    gold: Gold | None = Field(
        None,
        description="Reviewed pairs: a file of verdicts, a list of files, or {column: extra.x}.",
    )
    on_bias: OnBias = Field(
        "warn",
        description="Where answer length alone decides which labels a filter by a learned score "
        "acts on. warn: show a warning and what helps; stop: end the run before anything is "
        "written, with the scores in the store for the next run.",
    )
    accept_bias: bool | None = Field(
        None, description="Deprecated: runs continue by default when length decides; see on_bias."
    )
    accept_chance: bool | None = Field(
        None, description="Deprecated, no effect: filters use whatever scores exist."
    )
    output: OutputConfig = Field(default_factory=OutputConfig)
    seed: int = Field(0, ge=0, description="Random seed.")
    store: str | None = Field(
        "auto",
        description="Folder that keeps vectors and scores for the next run; auto: $CURATE_CACHE or "
        "~/.cache/curate; null: none.",
    )

    @model_validator(mode="before")
    @classmethod
    def _mixture(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("input"), list):
            data = data | {"sources": data["input"], "input": None}
        return data

    @field_validator("sources")
    @classmethod
    def _named(cls, sources: list[SourceConfig]) -> list[SourceConfig]:
        weighed = sum(source.weight is not None for source in sources)
        if weighed not in (0, len(sources)):
            raise ValueError("give every source a weight, or none")
        names = [source.name or _default_source_name(source) for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources have the name {name!r}: give each its own name")
        pairs = zip(sources, names, strict=True)
        return [source.model_copy(update={"name": name}) for source, name in pairs]

    @model_validator(mode="after")
    def _stop_keeps_scores(self) -> PipelineConfig:
        if self.on_bias == "stop" and self.accept_bias:
            raise ValueError("on_bias: stop and accept_bias: true contradict each other")
        if self.on_bias == "stop" and self.store is None:
            raise ValueError("on_bias: stop needs a store, which keeps the scores")
        return self

    @property
    def deprecated_keys(self) -> tuple[str, ...]:
        """Return a note for each deprecated key that is given."""
        notes = {
            "accept_bias": "runs continue by default; 'on_bias: stop' stops them",
            "accept_chance": "filters use whatever scores exist",
        }
        return tuple(
            f"{name} no longer has an effect: {note}"
            for name, note in notes.items()
            if getattr(self, name) is not None
        )

    @field_validator("store")
    @classmethod
    def _local(cls, value: str | None) -> str | None:
        return value if value in (None, "auto") else str(local_folder(value or ""))


def _default_source_name(source: SourceConfig) -> str:
    """Return the hub's name, or the file's without folders and endings."""
    # A pattern such as data/*.jsonl has no name of its own: its folder names it.
    path = PurePath((source.path or "").replace("*", "").rstrip("/"))
    return source.hf or path.name.split(".")[0] or path.parent.name or "source"


# Classes of the sections, whose valid keys an error message suggests.
_SECTIONS: dict[str, type[BaseModel]] = {
    "input": InputConfig,
    "sources": SourceConfig,
    "embedder": EmbedderConfig,
    "engine": EngineConfig,
    "inference": Inference,
    "output": OutputConfig,
    "columns": ColumnMapping,
    "ranking": RankingRule,
    "gold": GoldConfig,
}


def parse_config(data: Any, locations: YamlLocations | None = None) -> PipelineConfig:
    """Return a configuration from plain data; raises CurateError with the place of the first
    mistake.
    """
    locations = locations or YamlLocations("pipeline", {})
    if not isinstance(data, dict):
        raise CurateError(
            "the pipeline is not a mapping",
            where=locations.name,
            found=type(data).__name__,
            expected="keys input, scorers, filters, output",
        )
    try:
        return PipelineConfig.model_validate(data)
    except ValidationError as error:
        loc = error.errors()[0]["loc"]
        # The innermost section that has keys: the nearest valid name is looked for among them.
        section = next((_SECTIONS[p] for p in reversed(loc[:-1]) if p in _SECTIONS), PipelineConfig)
        mistake = parameter_error(error, list(section.model_fields), "")
        # In the file a mixture is at `input`.
        mixed = isinstance(data.get("input"), list) and loc[:1] == ("sources",)
        mistake.where = locations.describe(("input", *loc[1:]) if mixed else loc)
        raise CurateError(
            mistake.problem,
            where=mistake.where,
            found=mistake.found,
            expected=mistake.expected,
            fix=mistake.fix,
        ) from None


def check_utf8(config: PipelineConfig, locations: YamlLocations | None = None) -> None:
    """Refuse a text that no manifest could hold, such as a file name whose bytes are no UTF-8.

    Raises:
        CurateError: a text is not valid Unicode; the error names its key.
    """
    locations = locations or YamlLocations("pipeline", {})
    # A stack and no recursion: extra parameters may be nested deeper than Python calls.
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), config.model_dump())]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += [((*key, name), inner) for name, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            stack += [((*key, number), inner) for number, inner in enumerate(value)]
        elif isinstance(value, str) and has_lone_surrogate(value):
            raise CurateError(
                "the text is not valid Unicode",
                where=locations.describe(key),
                found=value.encode("utf-8", "backslashreplace").decode(),
                fix="rename the file, or name its folder or a pattern that matches it",
            )


def load_config(path: str | Path) -> tuple[PipelineConfig, YamlLocations]:
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
    # Locations come from the same parse, so that an error can name line and column.
    data, locations = load_yaml(text, str(path))
    return parse_config(data, locations), locations


def dump_config(config: PipelineConfig) -> str:
    """Return the configuration as YAML, defaults included."""
    text: str = yaml.safe_dump(config_data(config), sort_keys=False)
    return text


def config_data(config: PipelineConfig) -> JsonObject:
    """Return the configuration as plain data, defaults included; a mixture is at `input`."""
    data: JsonObject = config.model_dump(mode="json", exclude_none=True)
    sources = data.pop("sources")
    return {"input": sources, **data} if sources else data
