"""Runs a sentence embedder's transformer by OpenVINO: faster on many CPUs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curate.errors import CurateError, first_line
from curate.models.embed.int8 import int8_version, quantise_model
from curate.optional_packages import need

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openvino import CompiledModel
    from sentence_transformers import SentenceTransformer
    from transformers.modeling_outputs import BaseModelOutput

OPENVINO, INT8 = "openvino", "openvino-int8"
_EXAMPLE = ["two texts", "of different lengths, so that no length is fixed"]
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def openvino_version(backend: str) -> str:
    """Return versions of what runs, since vectors may differ in their last digits between two of
    them."""
    import openvino

    version = f"{OPENVINO} {openvino.__version__}"
    return version if backend == OPENVINO else f"{version} int8 {int8_version()}"


def use_openvino(model: SentenceTransformer, name: str, backend: str = OPENVINO) -> None:
    """Let OpenVINO compute the hidden states of the model's transformer; pooling stays as it is.

    It picks the precision that the processor is fast in, bfloat16 where there are instructions for
    it; with the backend "openvino-int8" whole numbers.

    Raises:
        CurateError: OpenVINO is not installed, or cannot convert the model.
    """
    need(OPENVINO, OPENVINO, f"embedder.backend: {backend}")
    # Its converter reports its use to its makers unless this package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    try:
        transformer = model[0].model
        example = model.preprocess(_EXAMPLE)
        model_inputs = {key: example[key] for key in _INPUTS if key in example}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, about branches that do not matter
            converted = openvino.convert_model(
                _Hidden(transformer.eval(), tuple(model_inputs)),
                example_input=tuple(model_inputs.values()),
            )
        if backend == INT8:
            converted = quantise_model(converted, _example_inputs(model, tuple(model_inputs)))
        compiled = openvino.compile_model(converted, "CPU")
    except (AttributeError, RuntimeError, TypeError) as error:
        raise CurateError(
            "OpenVINO cannot run this embedder",
            where="embedder.backend",
            found=f"{name}: {first_line(error)}",
            fix="use backend: torch",
        ) from None
    transformer.forward = _make_forward(compiled, tuple(model_inputs))


def _example_inputs(
    model: SentenceTransformer, names: tuple[str, ...]
) -> Callable[[str], list[NDArray[np.int64]]]:
    def inputs(text: str) -> list[NDArray[np.int64]]:
        tokenised = model.preprocess([text])
        return [tokenised[name].numpy() for name in names]

    return inputs


class _Hidden(nn.Module):
    """The transformer with its inputs by position and its last hidden states as output."""

    def __init__(self, transformer: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self._transformer, self._names = transformer, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return hidden states (texts, tokens, dim)."""
        named = dict(zip(self._names, inputs, strict=True))
        hidden: Tensor = self._transformer(**named).last_hidden_state
        return hidden


def _make_forward(
    compiled: CompiledModel, names: tuple[str, ...]
) -> Callable[..., BaseModelOutput]:
    from transformers.modeling_outputs import BaseModelOutput

    def forward(**inputs: Tensor) -> BaseModelOutput:
        # By position: the tracer names inputs as it likes.
        hidden = compiled([inputs[name].numpy() for name in names])[0]
        return BaseModelOutput(last_hidden_state=torch.from_numpy(hidden))

    return forward
