"""Runs a sentence embedder's transformer by OpenVINO: faster on many CPUs."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from curate.errors import CurateError, first_line
from curate.optional_packages import need

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OPENVINO = "openvino"
_EXAMPLE = ["two texts", "of different lengths, so that no length is fixed"]
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def openvino_version() -> str:
    """Version of OpenVINO, since vectors may differ in their last digits between two of them."""
    import openvino

    return str(openvino.__version__)


def use_openvino(model: SentenceTransformer, name: str) -> None:
    """Let OpenVINO compute the hidden states of the model's transformer; pooling stays as it is.

    It picks the precision that the processor is fast in, bfloat16 where there are instructions for
    it.

    Raises:
        CurateError: OpenVINO is not installed, or cannot convert the model.
    """
    need(OPENVINO, OPENVINO, "embedder.backend: openvino")
    # Its converter reports its use to its makers unless this package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    try:
        transformer = model[0].model
        example = model.preprocess(_EXAMPLE)
        wanted = {key: example[key] for key in _INPUTS if key in example}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, about branches that do not matter
            converted = openvino.convert_model(
                _Hidden(transformer.eval(), tuple(wanted)), example_input=tuple(wanted.values())
            )
        compiled = openvino.compile_model(converted, "CPU")
    except (AttributeError, RuntimeError, TypeError) as error:
        raise CurateError(
            "OpenVINO cannot run this embedder",
            where="embedder.backend",
            found=f"{name}: {first_line(error)}",
            fix="use backend: torch",
        ) from None
    transformer.forward = _forward(compiled, tuple(wanted))


class _Hidden(nn.Module):
    """The transformer with its inputs by position and its last hidden states as output."""

    def __init__(self, transformer: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self._transformer, self._names = transformer, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Hidden states (texts, tokens, dim)."""
        named = dict(zip(self._names, inputs, strict=True))
        hidden: Tensor = self._transformer(**named).last_hidden_state
        return hidden


def _forward(compiled: Any, names: tuple[str, ...]) -> Any:
    from transformers.modeling_outputs import BaseModelOutput

    def forward(**inputs: Any) -> BaseModelOutput:
        # By position: the tracer names inputs as it likes.
        hidden = compiled([inputs[name].numpy() for name in names])[0]
        return BaseModelOutput(last_hidden_state=torch.from_numpy(hidden))

    return forward
