"""Which model, and how it is run: the part of the settings that needs no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from curate.data.strict_model import StrictModel


class ModelSpec(StrictModel):
    """A model: a name on the hub, a folder, a gguf file, or "smollm2" (from its wheel)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Hub name, folder, .gguf file, or smollm2.")
    revision: str | None = Field(None, description="Branch, tag or commit on the Hub.")
    gguf_file: str | None = Field(
        None, description="Name of the gguf file in the folder or repository."
    )
    adapter: str | None = Field(None, description="PEFT adapter to merge: folder or Hub name.")
    trust_remote_code: bool = Field(False, description="Run code shipped with the model.")


def _from_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Model = Annotated[ModelSpec, BeforeValidator(_from_name, json_schema_input_type=str | ModelSpec)]
"""A `ModelSpec`, which may be given as a name."""


class Inference(StrictModel):
    """How language and reward models are run; the section `inference` of pipeline.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps...")
    devices: tuple[str, ...] = Field(
        (), description="Several devices, with a copy of the model on each; overrides device."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Type of the weights; auto: float32 on CPU, otherwise bfloat16."
    )
    batch_tokens: int = Field(2048, ge=1, description="Tokens per batch, including padding.")
    max_prompt_tokens: int = Field(
        1024, ge=1, description="Longer prompts lose their beginning; the run reports how many."
    )
    max_answer_tokens: int = Field(
        1024, ge=1, description="Longer answers lose their end; the run reports how many."
    )
    share_prompts: bool = Field(
        True, description="Compute each prompt once for all its answers, if the model allows it."
    )
    compile: bool = Field(False, description="Use torch.compile (first batches are slow).")
    backend: Literal["transformers", "vllm"] = Field(
        "transformers", description="Backend for log-probabilities; vllm is an extra."
    )
    models_in_memory: int = Field(2, ge=1, description="Maximum number of loaded models.")
