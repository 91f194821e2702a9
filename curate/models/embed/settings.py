"""The section `embedder` of pipeline.yaml: which model embeds, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from curate.data.strict_model import YamlSection

AUTO, SHIPPED, STATIC = "auto", "minilm", "static"


class EmbedderConfig(YamlSection):
    """The model that embeds prompts and answers; a plain string is its name."""

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
        description="openvino runs a sentence embedder faster on many CPUs; openvino-int8 "
        "quantises it to 8 bits, which is faster still, with a small error that is reported.",
    )
    media: bool = Field(
        True,
        description="Embed image and audio answers by their media, which needs a multimodal model "
        "(CLIP, CLAP); false: embed only texts.",
    )
    dtype: Literal["float32", "float16"] = Field(
        "float32", description="Type of the stored vectors; float16 halves their size."
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps...")
    batch_tokens: int = Field(8192, ge=16, description="Tokens in a batch, padding included.")
    max_tokens: int | None = Field(None, ge=8, description="Longest text; default the model's own.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value


EmbedderSource = str | Mapping[str, object] | EmbedderConfig
"""How Python names an embedder: by its name, or by the settings of the section `embedder`."""
