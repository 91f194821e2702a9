"""Token ids of conversations as trainers make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from curate.errors import CurateError
from curate.models.lm.conversations import Conversations
from curate.models.lm.loading import read_tokenizer
from curate.models.lm.tokens import ConversationEncoder, Messages, Prompt
from curate.steps.models import Inference, ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class ConversationTokens:
    """A conversation.

    Attributes:
        prompt: ids of the prompt with the opening of the answer's turn.
        both: ids of prompt and answer.
    """

    prompt: tuple[int, ...]
    both: tuple[int, ...]

    @property
    def aligned(self) -> bool:
        """Return whether the prompt's ids begin `both`: the trainer splits there."""
        return self.both[: len(self.prompt)] == self.prompt


@dataclass(frozen=True)
class TemplateTexts:
    """A conversation as the chat template writes it.

    Attributes:
        prompt: the text of the prompt with the opening of the answer's turn.
        both: the text of prompt and answer.
    """

    prompt: str
    both: str


class TokenLayout(Protocol):
    """How a trainer makes tokens of a conversation; see `Trainer`."""

    @property
    def is_joint(self) -> bool:
        """Return whether prompt and answer become tokens as one text."""

    def end(self, text: str, eos: str | None) -> str:
        """Return the text that is tokenised."""


PairTokens = tuple[ConversationTokens | str, ConversationTokens | str]
"""The conversations of a pair: chosen and rejected, or the template's error."""


def read_chat_tokenizer(model: ModelSpec, where: str) -> PreTrainedTokenizerBase:
    """Return a model's tokenizer, which has a chat template.

    Args:
        model: name and revision of the model.
        where: what names the model, for the error message.

    Raises:
        CurateError: there is no tokenizer, or it has no chat template.
    """
    tokenizer = read_tokenizer(model)
    if not getattr(tokenizer, "chat_template", None):
        raise CurateError(
            "the tokenizer has no chat template, so the trainer cannot format messages",
            where=f"{where} {model.name}",
            fix="use the instruct model's tokenizer, set a template, or export text (trl_text)",
        )
    return tokenizer


class TrainerTokens:
    """Writes and tokenises conversations by the model's own chat template, as a trainer does.

    Args:
        tokenizer: of the model.
        spelling: of the trainer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, spelling: TokenLayout) -> None:
        self._encoder = ConversationEncoder(tokenizer, Inference())
        self._spelling, self._eos = spelling, tokenizer.eos_token

    def write(
        self, prompts: Sequence[Prompt], answers: Sequence[Messages]
    ) -> list[TemplateTexts | str]:
        """Return the text of each conversation, or the template's error."""
        return [self._write(p, a) for p, a in zip(prompts, answers, strict=True)]

    def encode(self, texts: Sequence[TemplateTexts | str]) -> list[ConversationTokens | str]:
        """Return ids of each conversation; a reason stays as it is."""
        pieces = [
            (text.prompt, self._second(text)) for text in texts if isinstance(text, TemplateTexts)
        ]
        ids = self._encoder.ids([piece for both in pieces for piece in both])
        return [t if isinstance(t, str) else self._tokens(t, ids) for t in texts]

    def encode_pairs(self, texts: Conversations) -> list[PairTokens]:
        """Return the ids of both conversations of each pair; each distinct one is encoded once."""
        ids = self.encode(self.write(texts.prompts, texts.answers))
        return [(ids[c], ids[r]) for c, r in zip(texts.chosen, texts.rejected, strict=True)]

    def _second(self, text: TemplateTexts) -> str:
        """Return the text that is tokenised besides the prompt: conversation or answer."""
        both = self._spelling.end(text.both, self._eos)
        return both if self._spelling.is_joint else both[len(text.prompt) :]

    def _tokens(self, text: TemplateTexts, ids: Mapping[str, Sequence[int]]) -> ConversationTokens:
        prompt, second = tuple(ids[text.prompt]), tuple(ids[self._second(text)])
        return ConversationTokens(prompt, second if self._spelling.is_joint else prompt + second)

    def _write(self, prompt: Prompt, answer: Messages) -> TemplateTexts | str:
        try:
            before = self._encoder.written(prompt, (), True)
            return TemplateTexts(before, self._encoder.written(prompt, answer, False))
        except Exception as error:  # a template is code of the model's authors: it raises anything
            return (str(error).splitlines() or ["?"])[0][:200]
