"""Log-probabilities by vLLM, behind the interface of `LanguageModel`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.errors import CurateError
from curate.models.lm.language_model import LanguageModel, Values
from curate.models.lm.loading import find_place
from curate.optional_packages import need

if TYPE_CHECKING:
    from curate.models.lm.network import Network
    from curate.models.lm.tokens import Encoded

# vLLM batches by itself; these bound what waits for it.
_ROWS_AT_ONCE = 256


class VLLMModel(LanguageModel):
    """A causal model served in this process by vLLM, which batches and shares prefixes itself."""

    @cached_property
    def _engine(self) -> Any:
        need("vllm", "vllm", "inference.backend")
        from vllm import LLM

        place, s = find_place(self.spec), self.settings
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
        )

    def logprobs(self, encoded: Sequence[Encoded]) -> Values:
        """Sum and number of each answer's token log-probabilities."""
        engine = self._engine
        from vllm import SamplingParams

        # vLLM gives log-probabilities of a prompt's tokens when it is asked to complete it.
        wanted = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
        for start in range(0, len(encoded), _ROWS_AT_ONCE):
            part = encoded[start : start + _ROWS_AT_ONCE]
            inputs = [{"prompt_token_ids": [*e.prompt, *e.answer]} for e in part]
            outputs = engine.generate(inputs, wanted, use_tqdm=False)
            values = [
                _answer_sum(e, out.prompt_logprobs) for e, out in zip(part, outputs, strict=True)
            ]
            self.usage.computed += sum(len(e) for e in part)
            yield range(start, start + len(part)), np.array(values, dtype=np.float64)

    @cached_property
    def networks(self) -> list[Network]:
        """None: vLLM gives log-probabilities alone.

        Raises:
            CurateError: always.
        """
        raise CurateError(
            "this step needs more of the model than log-probabilities",
            where="inference.backend",
            found="vllm",
            fix="use backend: transformers for it",
        )


def _answer_sum(row: Encoded, logprobs: Sequence[Any]) -> tuple[float, int]:
    """Sum and number over the answer's tokens; the first entry of vLLM's list is None."""
    ids = [*row.prompt, *row.answer]
    places = range(max(len(row.prompt), 1), len(ids))
    return sum(float(logprobs[t][ids[t]].logprob) for t in places), len(places)
