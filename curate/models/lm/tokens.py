"""Prompts and answers as token ids: chat template, one BOS, exact borders, counted truncation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import TYPE_CHECKING

from curate.data.messages import decode_message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from curate.data.json_types import Json
    from curate.steps.models import Inference

Messages = Sequence[Mapping[str, str | None]]
"""Messages of the pair table."""
# Texts that the tokeniser is given at a time, so that progress is seen.
_CHUNK = 512


@dataclass(frozen=True)
class Prompt:
    """What an answer follows.

    Attributes:
        messages: of the pair table.
        tools: definitions of functions for the chat template.
        arguments: `chat_template_kwargs`, documents included.
    """

    messages: Messages = ()
    tools: Sequence[Json] | None = None
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class RenderedConversation:
    """A prompt and an answer as the model's template writes them; the answer ends its turn."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class EncodedConversation:
    """Token ids of a prompt (with everything up to the answer's first token) and of an answer.

    `prompt_cut` and `answer_cut` are the tokens that truncation took from the prompt's beginning
    and the answer's end.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    prompt_cut: int = 0
    answer_cut: int = 0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class ConversationEncoder:
    """Writes conversations by a tokenizer's chat template, or plainly where it has none.

    Prompt and answer are tokenised each for itself, so that the border between them is exact and
    both answers of a pair follow the same prompt tokens.

    Attributes:
        templated: the tokenizer has a chat template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: Inference) -> None:
        self._tokenizer = tokenizer
        self._max_prompt = settings.max_prompt_tokens
        self._max_answer = settings.max_answer_tokens
        self.templated = bool(getattr(tokenizer, "chat_template", None))
        self._bos = _added_bos(tokenizer)

    def words(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each token by itself."""
        tokens: list[str] = self._tokenizer.batch_decode([[i] for i in ids])
        return tokens

    def vocabulary(self) -> dict[str, int]:
        """Return token ids by token."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        return vocabulary

    def render(self, prompt: Prompt, answer: Messages) -> RenderedConversation | str:
        """Return the texts, or why the template refuses the conversation.

        The template gets messages as published, tools and arguments, as TRL's trainers give them.
        The answer begins where prompt and conversation part, which is before the prompt's end for a
        template that opens the answer's turn in its own way (a reasoning block, say), and ends with
        what the template writes after the end of the turn.
        """
        if not self.templated:
            return _render_plain(prompt.messages, answer, self._tokenizer.eos_token or "")
        try:
            before = self.written(prompt, (), True)
            both = self.written(prompt, answer, False)
        except Exception as error:  # a template is code of the model's authors: it raises anything
            return f"chat template: {(str(error).splitlines() or ['?'])[0][:200]}"
        shared = before if both.startswith(before) else commonprefix([before, both])  # noqa: RUF071 (of texts)
        return RenderedConversation(shared, both[len(shared) :])

    @staticmethod
    def plain(prompt: Prompt, answer: Messages) -> RenderedConversation:
        """Return prompt and answer as texts, without template and end of text."""
        return RenderedConversation(_join_turns(prompt.messages), _join_turns(answer))

    def written(self, prompt: Prompt, answer: Messages, generate: bool) -> str:
        """Return a conversation as the chat template writes it.

        Args:
            prompt: with tools and the template's arguments.
            answer: may be empty.
            generate: whether the answer's turn is opened at the end.
        """
        text: str = self._tokenizer.apply_chat_template(
            [decode_message(message) for message in (*prompt.messages, *answer)],
            tokenize=False,
            add_generation_prompt=generate,
            tools=prompt.tools,
            **prompt.arguments,
        )
        return text

    def encode(self, texts: Sequence[RenderedConversation]) -> list[EncodedConversation]:
        """Return token ids of rendered conversations; each distinct text is tokenised once."""
        prompts = self.ids([t.prompt for t in texts])
        answers = self.ids([t.answer for t in texts])
        return [self._cut(prompts[t.prompt], answers[t.answer], self._begin) for t in texts]

    def alone(self, texts: Sequence[RenderedConversation]) -> list[EncodedConversation]:
        """Return the answers without their prompts: after only the BOS token, or EOS if there is
        none."""
        start = self._tokenizer.bos_token_id
        start = self._tokenizer.eos_token_id if start is None else start
        answers = self.ids([t.answer for t in texts])
        return [self._cut([start], answers[t.answer], self._begin) for t in texts]

    def joint(self, texts: Sequence[RenderedConversation]) -> list[EncodedConversation]:
        """Return prompt and answer tokenised as one text, which stands in `answer` of the result.

        What is too long is tokenised apart and cut as `encode` does.
        """
        joint_ids = self.ids([t.prompt + t.answer for t in texts])
        fits = [
            len(joint_ids[t.prompt + t.answer]) <= self._max_prompt + self._max_answer
            for t in texts
        ]
        apart = iter(self.encode([t for t, fit in zip(texts, fits, strict=True) if not fit]))
        return [
            self._begun(joint_ids[t.prompt + t.answer]) if fit else next(apart)
            for t, fit in zip(texts, fits, strict=True)
        ]

    def apart(self, texts: Sequence[RenderedConversation]) -> list[EncodedConversation]:
        """Encode without BOS, for a layout that brings its own special tokens."""
        prompts = self.ids([t.prompt for t in texts])
        answers = self.ids([t.answer for t in texts])
        return [self._cut(prompts[t.prompt], answers[t.answer], []) for t in texts]

    def _begun(self, ids: list[int]) -> EncodedConversation:
        """Return a text after BOS, which is added only if it is missing."""
        bos = () if self._bos is None or ids[:1] == [self._bos] else (self._bos,)
        return EncodedConversation(bos, tuple(ids))

    def ids(self, texts: Sequence[str]) -> dict[str, list[int]]:
        """Return token ids of each distinct text, without special tokens of the tokenizer's own."""
        distinct = list(dict.fromkeys(texts))
        ids_by_text: dict[str, list[int]] = {}
        for start in range(0, len(distinct), _CHUNK):
            chunk = distinct[start : start + _CHUNK]
            ids = self._tokenizer(chunk, add_special_tokens=False, verbose=False)["input_ids"]
            ids_by_text.update(zip(chunk, ids, strict=True))
        return ids_by_text

    @property
    def _begin(self) -> list[int]:
        return [] if self._bos is None else [self._bos]

    def _cut(self, prompt: list[int], answer: list[int], bos: list[int]) -> EncodedConversation:
        # The template may have written BOS itself: it must not stand there twice.
        body = prompt[1:] if bos and prompt[:1] == bos else prompt
        budget = max(self._max_prompt - len(bos), 0)
        # The end of a prompt is kept: it holds the question, and the answer refers to it.
        visible_body = body[len(body) - budget :] if len(body) > budget else body
        return EncodedConversation(
            (*bos, *visible_body),
            tuple(answer[: self._max_answer]),
            len(body) - len(visible_body),
            max(len(answer) - self._max_answer, 0),
        )


def _added_bos(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the BOS id if the tokenizer puts it before every text, else None."""
    bos: int | None = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None


def _join_turns(messages: Messages) -> str:
    """Return several turns as `role: content`; a single message as it is."""
    if len(messages) == 1:
        return messages[0]["content"] or ""
    return "\n\n".join(f"{m['role']}: {m['content'] or ''}" for m in messages)


def _render_plain(prompt: Messages, answer: Messages, eos: str) -> RenderedConversation:
    """Return the prompt and answer for a model without a template."""
    before = _join_turns(prompt)
    if len(prompt) > 1:
        before += "\n\nassistant: "
    elif before:
        before += "\n\n"
    return RenderedConversation(before, "\n\n".join(m["content"] or "" for m in answer) + eos)
