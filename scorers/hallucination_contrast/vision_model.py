"""Log-probabilities of answers by a model of images and texts, with its images seen or masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from curate import CurateError
from curate.scoring.embeddings import run_with_oom_retry, token_budget_batches
from curate.scoring.lm import (
    devices_of,
    load_processor,
    load_vision,
    model_fingerprint,
    precision_of,
)
from curate.scoring.texts import decode_message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.scoring.lm import Inference, ModelSpec

NO_IMAGE_PARTS, TOO_LONG = "images and image parts differ in number", "prompt too long"
_REFUSED = (ValueError, TypeError, KeyError, IndexError)


@dataclass(frozen=True)
class VisionConversation:
    """A conversation as a model takes it.

    Attributes:
        inputs: of the processor for the prompt; the answer's tokens follow in `input_ids`.
        answer: number of the answer's tokens.
    """

    inputs: dict[str, Tensor]
    answer: int

    def __len__(self) -> int:
        return int(self.inputs["input_ids"].shape[1])


class VisionModel:
    """A model of images and texts on one device.

    Args:
        spec: of the model; its processor brings the chat template.
        settings: device, type of weights, tokens in a batch, longest prompt and answer.
    """

    def __init__(self, spec: ModelSpec, settings: Inference) -> None:
        self.spec, self.settings = spec, settings
        self.device = devices_of(settings)[0]

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """Return what values depend on besides the conversation."""
        s = self.settings
        lengths = str((s.max_prompt_tokens, s.max_answer_tokens))
        return model_fingerprint(self.spec), precision_of(s), lengths

    @cached_property
    def _processor(self) -> Any:
        return load_processor(self.spec)

    @cached_property
    def _model(self) -> Any:
        return load_vision(self.spec, self.settings, self.device)

    @cached_property
    def _image_token(self) -> int:
        for holder in (self._processor, self._model.config):
            for name in ("image_token_id", "image_token_index"):
                if isinstance(getattr(holder, name, None), int):
                    return int(getattr(holder, name))
        raise CurateError(
            "the model has no token for images",
            where=self.spec.name,
            expected="a model of images and texts whose processor names its image token",
        )

    def encode(
        self,
        prompt: Sequence[Mapping[str, Any]],
        answer: Sequence[Mapping[str, Any]],
        images: Sequence[Any],
    ) -> VisionConversation | str:
        """Return tokens and images of a conversation, or why it cannot be written.

        As TRL writes vision data: images without parts of their own go before the first user's
        text, the answer is what the template adds after the prompt.
        """
        prompt_parts, answer_parts = _with_content_parts(prompt), _with_content_parts(answer)
        image_parts = [p for m in prompt_parts for p in m["content"] if p["type"] == "image"]
        # Data sets often name the image in a column of its own and not in the question.
        if not image_parts:
            user = next((m for m in prompt_parts if m["role"] == "user"), None)
            if user is None:
                return NO_IMAGE_PARTS
            user["content"] = [{"type": "image"}] * len(images) + user["content"]
        elif len(image_parts) != len(images):
            return NO_IMAGE_PARTS
        template = self._processor.apply_chat_template
        try:
            before = template(prompt_parts, add_generation_prompt=True, tokenize=False)
            text = template([*prompt_parts, *answer_parts], tokenize=False)
            inputs = self._processor(text=[before], images=[list(images)], return_tensors="pt")
        except _REFUSED as error:
            return f"template: {error}"
        # Otherwise the answer's tokens could not be separated from the prompt's.
        if not text.startswith(before):
            return "the template changes the prompt where an answer follows"
        tokens = self._processor.tokenizer(text[len(before) :], add_special_tokens=False)
        ids = tokens["input_ids"][: self.settings.max_answer_tokens]
        # An image takes hundreds of tokens, which nobody can cut: only the others are counted.
        image_tokens = int((inputs["input_ids"] == self._image_token).sum())
        if inputs["input_ids"].shape[1] - image_tokens > self.settings.max_prompt_tokens:
            return TOO_LONG
        return _append_answer(dict(inputs), torch.tensor([ids], dtype=torch.long))

    def logprobs(self, sequences: Sequence[VisionConversation]) -> Iterator[tuple[list[int], Any]]:
        """Yield rows, and (rows, 2) summed log-probabilities of their answers in nats: images seen,
        and images masked in the attention of every layer."""
        # Seen and masked go through in one batch, so that images are moved to the device once.
        lengths = np.array([len(s) for s in sequences], dtype=np.int64)
        for rows in token_budget_batches(lengths, self.settings.batch_tokens):
            batch = [sequences[i] for i in rows]
            name = f"{self.spec.name} on {self.device}"
            values = run_with_oom_retry(batch, lambda part: [self._run(part)], name)
            yield rows.tolist(), torch.cat(values).cpu().numpy()

    def _run(self, batch: Sequence[VisionConversation]) -> Tensor:
        inputs = {k: v.to(self.device) for k, v in _pad_batch(batch).items()}
        is_image_token = inputs["input_ids"] == self._image_token
        hidden = inputs["attention_mask"].masked_fill(is_image_token, 0)
        with torch.inference_mode():
            visible_values, positions = self._values(inputs, batch)
            # Tokens stay where they are: the image is masked, not taken out.
            position_arguments = {} if positions is None else {"position_ids": positions}
            masked, _ = self._values(
                inputs | {"attention_mask": hidden} | position_arguments, batch
            )
        return torch.stack([visible_values, masked], dim=1)

    def _values(
        self, inputs: dict[str, Tensor], batch: Sequence[VisionConversation]
    ) -> tuple[Tensor, Tensor | None]:
        """Return sums of the answers' log-probabilities, and the positions that the model gave."""
        caught: list[Tensor | None] = []
        # Models with positions in three dimensions compute them from the mask: under another mask
        # tokens would move, so the positions of the unmasked pass are taken.
        decoder = self._model.get_decoder()
        hook = decoder.register_forward_pre_hook(
            lambda _module, _args, keywords: caught.append(keywords.get("position_ids")),
            with_kwargs=True,
        )
        try:
            logits = self._model(**inputs, use_cache=False).logits
        finally:
            hook.remove()
        sums = []
        for row, sequence in enumerate(batch):
            end, start = len(sequence), len(sequence) - sequence.answer
            # Logits at a position predict the next token.
            token_logprobs = torch.log_softmax(logits[row, start - 1 : end - 1].float(), dim=-1)
            ids = inputs["input_ids"][row, start:end]
            sums.append(token_logprobs.gather(1, ids[:, None]).double().sum())
        return torch.stack(sums), caught[0] if caught else None


def _with_content_parts(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages as published, with every content as a list of parts."""
    converted = []
    for message in messages:
        decoded = decode_message(message)
        content = decoded.get("content")
        if not isinstance(content, list):
            decoded["content"] = [{"type": "text", "text": content or ""}]
        converted.append(decoded)
    return converted


def _append_answer(inputs: dict[str, Tensor], answer: Tensor) -> VisionConversation:
    """Return the answer's tokens after those of the prompt; what goes with tokens gets as many
    zeros."""
    prompt = inputs["input_ids"]
    more = answer.shape[1]
    for name, value in inputs.items():
        if name == "input_ids":
            inputs[name] = torch.cat([value, answer], dim=1)
        elif value.shape == prompt.shape:
            fill = torch.full((1, more), int(name == "attention_mask"), dtype=value.dtype)
            inputs[name] = torch.cat([value, fill], dim=1)
    return VisionConversation(inputs, more)


def _pad_batch(batch: Sequence[VisionConversation]) -> dict[str, Tensor]:
    """Return one batch: token rows padded at their end, images below each other."""
    longest = max(len(s) for s in batch)
    out: dict[str, Tensor] = {}
    for name, first in batch[0].inputs.items():
        values = [s.inputs[name] for s in batch]
        if first.shape == batch[0].inputs["input_ids"].shape:
            pads = [torch.nn.functional.pad(v, (0, longest - v.shape[1])) for v in values]
            out[name] = torch.cat(pads)
        else:
            out[name] = torch.cat(values)
    return out


def contrast_margins(values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return margins from (pairs, 4): chosen seen, chosen masked, rejected seen, rejected
    masked."""
    visible, masked = values[:, 0] - values[:, 2], values[:, 1] - values[:, 3]
    return {
        "margin": visible,
        "masked": masked,
        "contrast": visible - masked,
        "chosen_gain": values[:, 0] - values[:, 1],
        "rejected_gain": values[:, 2] - values[:, 3],
    }
