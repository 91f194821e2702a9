"""Token ids of conversations as TRL's trainers make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate.models.lm.tokens import Encoder, Messages, Prompt
from curate.steps.models import Inference


@dataclass(frozen=True)
class Tokens:
    """A conversation.

    Attributes:
        prompt: ids of the prompt with the opening of the answer's turn.
        both: ids of prompt and answer.
    """

    prompt: tuple[int, ...]
    both: tuple[int, ...]

    @property
    def aligned(self) -> bool:
        """Whether the prompt's ids are the beginning of both: the trainer cuts the answer there."""
        return self.both[: len(self.prompt)] == self.prompt


class TrainerTokens:
    """Writes and tokenises conversations by the model's own chat template, as a trainer does.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._encoder = Encoder(tokenizer, Inference())

    def __call__(
        self, prompts: Sequence[Prompt], answers: Sequence[Messages]
    ) -> list[Tokens | str]:
        """Ids of each conversation, or why the template refuses it."""
        texts = [
            self._texts(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)
        ]
        ids = self._encoder.ids(
            [text for pair in texts if isinstance(pair, tuple) for text in pair]
        )
        return [
            t if isinstance(t, str) else Tokens(tuple(ids[t[0]]), tuple(ids[t[1]])) for t in texts
        ]

    def _texts(self, prompt: Prompt, answer: Messages) -> tuple[str, str] | str:
        try:
            before = self._encoder.written(prompt, (), True)
            return before, self._encoder.written(prompt, answer, False)
        except Exception as error:  # a template is code of the model's authors: it raises anything
            return (str(error).splitlines() or ["?"])[0][:200]
