"""Log-probabilities by vLLM, behind the interface of `LanguageModel`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.errors import CurateError, first_line
from curate.models.lm.language_model import LanguageModel, Values
from curate.models.lm.loading import find_model
from curate.optional_packages import need

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.logprobs import Logprob
    from vllm.lora.request import LoRARequest

    from curate.models.lm.network import CausalNetwork
    from curate.models.lm.tokens import EncodedConversation

# vLLM batches by itself; these bound what waits for it.
_ROWS_AT_ONCE = 256
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values of vLLM's `max_lora_rank` that all of its versions take."""


class VLLMModel(LanguageModel):
    """A causal model served in this process by vLLM, which batches and shares prefixes itself."""

    @cached_property
    def _engine(self) -> LLM:
        need("vllm", "vllm", "inference.backend")
        from vllm import LLM

        place, s = find_model(self.spec), self.settings
        name = place.name
        if place.gguf_file is not None:
            name = str(Path(place.name) / place.gguf_file)
        return LLM(
            model=name,
            tokenizer=place.name,
            revision=self.spec.revision,
            trust_remote_code=self.spec.trust_remote_code,
            dtype=s.dtype,
            max_model_len=s.max_prompt_tokens + s.max_answer_tokens + 1,
            tensor_parallel_size=max(len(s.devices), 1),
            enable_prefix_caching=s.share_prompts,
            **self._adapter_options,
        )

    @cached_property
    def _adapter_options(self) -> dict[str, bool | int]:
        """Return what the engine must know of the adapter.

        Raises:
            CurateError: no adapter there, or one that vLLM cannot apply as it is.
        """
        if self.spec.adapter is None:
            return {}
        rank = lora_rank(self.spec.adapter)
        return {"enable_lora": True, "max_lora_rank": next(r for r in _RANKS if r >= rank)}

    @cached_property
    def _request(self) -> LoRARequest | None:
        """Return the adapter that each request names, None without one."""
        if self.spec.adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        folder = Path(self.spec.adapter).expanduser()
        return LoRARequest("adapter", 1, str(folder) if folder.is_dir() else self.spec.adapter)

    def logprobs(self, encoded: Sequence[EncodedConversation]) -> Values:
        """Return the sum and number of each answer's token log-probabilities."""
        engine = self._engine
        from vllm import SamplingParams

        # vLLM gives log-probabilities of a prompt's tokens when it is asked to complete it.
        sampling = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
        for start in range(0, len(encoded), _ROWS_AT_ONCE):
            chunk = encoded[start : start + _ROWS_AT_ONCE]
            inputs = [{"prompt_token_ids": [*e.prompt, *e.answer]} for e in chunk]
            outputs = engine.generate(inputs, sampling, use_tqdm=False, lora_request=self._request)
            values = [
                _answer_sum(e, out.prompt_logprobs) for e, out in zip(chunk, outputs, strict=True)
            ]
            self.usage.computed += sum(len(e) for e in chunk)
            yield range(start, start + len(chunk)), np.array(values, dtype=np.float64)

    @cached_property
    def networks(self) -> list[CausalNetwork]:
        """Raise an error: vLLM gives only log-probabilities.

        Raises:
            CurateError: always.
        """
        raise CurateError(
            "this step needs more of the model than log-probabilities",
            where="inference.backend",
            found="vllm",
            fix="use backend: transformers for it",
        )


def lora_rank(adapter: str) -> int:
    """Return the largest rank of a LoRA adapter of PEFT, a folder or a name on the hub.

    Raises:
        CurateError: no adapter there, or one that is more than LoRA matrices: vLLM would leave out
            the rest, or refuse it after the model is loaded.
    """
    need("peft", "models", f"adapter {adapter}")
    from peft import PeftConfig

    try:
        config = PeftConfig.from_pretrained(adapter)
    except Exception as error:  # of the hub's client, or of a damaged file
        raise CurateError(
            f"the adapter cannot be read: {type(error).__name__}",
            where=adapter,
            found=first_line(error),
        ) from error
    more = {
        "peft_type": getattr(config.peft_type, "value", config.peft_type),
        "bias": getattr(config, "bias", "none"),
        "modules_to_save": getattr(config, "modules_to_save", None),
        "use_dora": getattr(config, "use_dora", False),
    }
    plain = {"peft_type": "LORA", "bias": "none", "modules_to_save": None, "use_dora": False}
    odd = {name: value for name, value in more.items() if (value or plain[name]) != plain[name]}
    ranks = [getattr(config, "r", 0), *(getattr(config, "rank_pattern", None) or {}).values()]
    if odd or max(ranks) > _RANKS[-1]:
        raise CurateError(
            "backend vllm cannot apply the adapter as it is",
            where=adapter,
            found=", ".join(f"{k}: {v}" for k, v in odd.items()) or f"rank {max(ranks)}",
            expected=f"LoRA of rank {_RANKS[-1]} or less, nothing besides",
            fix="use backend: transformers, which merges it, or merge it into the model yourself",
        )
    return int(max(ranks))


def _answer_sum(
    row: EncodedConversation, logprobs: Sequence[dict[int, Logprob]]
) -> tuple[float, int]:
    """Return sum and number over the answer's tokens; the first entry of vLLM's list is None."""
    ids = [*row.prompt, *row.answer]
    places = range(max(len(row.prompt), 1), len(ids))
    return sum(float(logprobs[t][ids[t]].logprob) for t in places), len(places)
