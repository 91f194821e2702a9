"""Token ids of conversations as trainers make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from curate.models.lm.tokens import ConversationEncoder, Messages, Prompt
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


@dataclass(frozen=True)
class Written:
    """A conversation as the chat template writes it.

    Attributes:
        prompt: the text of the prompt with the opening of the answer's turn.
        both: the text of prompt and answer.
    """

    prompt: str
    both: str


class Spelling(Protocol):
    """How a trainer makes tokens of a conversation; see `Trainer`."""

    @property
    def is_joint(self) -> bool:
        """Whether prompt and answer become tokens as one text."""

    def end(self, text: str, eos: str | None) -> str:
        """A conversation as it is tokenised."""


class TrainerTokens:
    """Writes and tokenises conversations by the model's own chat template, as a trainer does.

    Args:
        tokenizer: of the model.
        spelling: of the trainer.
    """

    def __init__(self, tokenizer: Any, spelling: Spelling) -> None:
        self._encoder = ConversationEncoder(tokenizer, Inference())
        self._spelling, self._eos = spelling, tokenizer.eos_token

    def write(self, prompts: Sequence[Prompt], answers: Sequence[Messages]) -> list[Written | str]:
        """The text of each conversation, or why the template refuses it."""
        return [self._write(p, a) for p, a in zip(prompts, answers, strict=True)]

    def encode(self, texts: Sequence[Written | str]) -> list[Tokens | str]:
        """Ids of each conversation; a reason stays as it is."""
        pieces = [(text.prompt, self._second(text)) for text in texts if isinstance(text, Written)]
        ids = self._encoder.ids([piece for both in pieces for piece in both])
        return [t if isinstance(t, str) else self._tokens(t, ids) for t in texts]

    def _second(self, text: Written) -> str:
        """What is tokenised beside the prompt: the whole conversation, or the answer."""
        both = self._spelling.end(text.both, self._eos)
        return both if self._spelling.is_joint else both[len(text.prompt) :]

    def _tokens(self, text: Written, ids: Mapping[str, Sequence[int]]) -> Tokens:
        prompt, second = tuple(ids[text.prompt]), tuple(ids[self._second(text)])
        return Tokens(prompt, second if self._spelling.is_joint else prompt + second)

    def _write(self, prompt: Prompt, answer: Messages) -> Written | str:
        try:
            before = self._encoder.written(prompt, (), True)
            return Written(before, self._encoder.written(prompt, answer, False))
        except Exception as error:  # a template is code of the model's authors: it raises anything
            return (str(error).splitlines() or ["?"])[0][:200]
