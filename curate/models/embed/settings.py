"""The section `embedder` of pipeline.yaml: which model embeds, and how."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from curate.data.strict_model import YamlSection

AUTO, SHIPPED, STATIC = "auto", "minilm", "static"


class EmbedderConfig(YamlSection):
    """The model that embeds prompts and answers; a text alone is its name."""

    name: str = Field(
        AUTO,
        description="minilm (shipped in a wheel), static (token vectors, far faster on a CPU), a "
        "sentence-transformers folder or name; auto: minilm, or static for more than 20,000 texts "
        "on a CPU.",
    )
    pooling: Literal["sentence", "last_token"] = Field(
        "sentence",
        description="sentence: a sentence-transformers model; last_token: hidden states of a "
        "causal language model, run as the section inference says.",
    )
    backend: Literal["torch", "openvino", "openvino-int8"] = Field(
        "torch",
        description="openvino runs a sentence embedder faster on many CPUs; openvino-int8 in whole "
        "numbers of 8 bits, faster still, with vectors a little off: the cosine is told.",
    )
    media: bool = Field(
        True,
        description="Embed answers that are images or audios by these media, which takes a model "
        "of them (CLIP, CLAP); false looks at texts alone.",
    )
    dtype: Literal["float32", "float16"] = Field(
        "float32", description="Of the vectors that are kept; float16 takes half the room."
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps...")
    batch_tokens: int = Field(8192, ge=16, description="Tokens in a batch, padding included.")
    max_tokens: int | None = Field(None, ge=8, description="Longest text; default the model's own.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value
