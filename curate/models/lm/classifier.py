"""Sequence-classification models: reward models and text classifiers, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.errors import CurateError, suggestion
from curate.models.embed.batching import run_on_replicas, run_with_oom_retry, token_budget_batches
from curate.models.embed.device import move_to_device
from curate.models.lm.answer_logprobs import OK, load_cached_model
from curate.models.lm.conversations import (
    Computed,
    add_model_counts,
    distinct_conversations,
    lookup_or_compute,
    truncation_counts,
)
from curate.models.lm.loading import (
    devices_of,
    load_classifier,
    load_config,
    load_tokenizer,
    model_fingerprint,
    precision_of,
)
from curate.models.lm.tokens import (
    ConversationEncoder,
    EncodedConversation,
    Messages,
    Prompt,
    RenderedConversation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from curate.steps.context import Context
    from curate.steps.models import Inference, ModelSpec

TextSegment = Literal["conversation", "answer"]
"""What a classifier reads: prompt and answer, or only the answer."""
# Share of padding at most: more costs more than another call.
_WASTE = 0.04


@dataclass(frozen=True)
class TextLayout:
    """The tokens that a tokenizer without chat template puts around two texts, or around one."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, texts: int) -> TextLayout:
        """Return the layout in which the tokenizer writes one or two short texts."""
        encoding = tokenizer(*["a", "b"][:texts])
        ids, owner = encoding["input_ids"], encoding.sequence_ids()
        text_positions = [t for t, o in enumerate(owner) if o is not None]
        turn = owner.index(texts - 1)
        end_of_first = max(t for t, o in enumerate(owner) if o == 0) + 1
        between = ids[end_of_first:turn] if texts > 1 else []
        return cls(
            tuple(ids[: text_positions[0]]), tuple(between), tuple(ids[text_positions[-1] + 1 :])
        )


class Classifier:
    """A sequence-classification model on one or several devices, loaded when it is needed."""

    def __init__(
        self, spec: ModelSpec, settings: Inference, part: TextSegment = "conversation"
    ) -> None:
        self.spec, self.settings, self.part = spec, settings, part

    @cached_property
    def config(self) -> PretrainedConfig:
        """Return the model's configuration: labels, problem type."""
        return load_config(self.spec)

    @cached_property
    def labels(self) -> list[str]:
        """Return names of the outputs, in order."""
        names = self.config.id2label
        return [str(names[i]) for i in range(len(names))]

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """Return what the outputs depend on besides the text."""
        s = self.settings
        lengths = str((s.max_prompt_tokens, s.max_answer_tokens))
        return (model_fingerprint(self.spec), precision_of(s), lengths, self.part)

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.spec)

    @cached_property
    def encoder(self) -> ConversationEncoder:
        """Return the encoder, which writes conversations as tokens."""
        return ConversationEncoder(self._tokenizer, self.settings)

    @cached_property
    def _replicas(self) -> list[PreTrainedModel]:
        s = self.settings
        models = [load_classifier(self.spec, s, device) for device in devices_of(s)]
        if s.compile:
            return [torch.compile(model, dynamic=True) for model in models]
        return models

    @cached_property
    def _layout(self) -> TextLayout | None:
        """Return the layout; None where the chat template writes everything."""
        if self.part == "answer":
            return TextLayout.of(self._tokenizer, 1)
        return None if self.encoder.templated else TextLayout.of(self._tokenizer, 2)

    def render(self, prompt: Prompt, answer: Messages) -> RenderedConversation | str:
        """Return the texts that the model reads, or why its template refuses them."""
        if self.part == "answer":
            return self.encoder.plain(Prompt(), answer)
        if not self.encoder.templated:
            return self.encoder.plain(prompt, answer)
        return self.encoder.render(prompt, answer)

    def encode(self, texts: Sequence[RenderedConversation]) -> list[EncodedConversation]:
        """Return token ids, without those that the layout adds."""
        return self.encoder.joint(texts) if self._layout is None else self.encoder.apart(texts)

    def rows(self, encoded: Sequence[EncodedConversation]) -> list[_Row]:
        """Return token ids as the model reads them."""
        layout = self._layout
        if layout is None:
            return [_Row((*e.prompt, *e.answer), len(e.prompt)) for e in encoded]
        if self.part == "answer":
            return [_Row((*layout.before, *e.answer, *layout.after), 0) for e in encoded]
        token_rows = []
        for e in encoded:
            first = (*layout.before, *e.prompt, *layout.between)
            token_rows.append(_Row((*first, *e.answer, *layout.after), len(first)))
        return token_rows

    def outputs(self, encoded: Sequence[EncodedConversation]) -> Computed:
        """Return raw outputs (rows, labels) of the model, by batches."""
        rows = self.rows(encoded)
        lengths = np.array([len(r.ids) for r in rows], dtype=np.int64)
        batches = token_budget_batches(lengths, self.settings.batch_tokens, _WASTE)

        def run(model: PreTrainedModel, batch: NDArray[np.int64]) -> NDArray[np.float64]:
            name = f"{self.spec.name} on {model.device}"
            part = [rows[i] for i in batch]
            batch_outputs: list[NDArray[np.float64]] = run_with_oom_retry(
                part, partial(self._forward, model), name
            )
            return np.stack(batch_outputs)

        outputs = run_on_replicas(self._replicas, batches, run)
        return zip((b.tolist() for b in batches), outputs, strict=True)

    def _forward(self, model: PreTrainedModel, rows: Sequence[_Row]) -> list[NDArray[np.float64]]:
        inputs = self._inputs(model, rows)
        with torch.inference_mode():
            values = model(**{k: move_to_device(v, model.device) for k, v in inputs.items()}).logits
        return list(values.double().cpu().numpy())

    def _inputs(self, model: PreTrainedModel, rows: Sequence[_Row]) -> dict[str, Tensor]:
        pad = self._pad(model, rows)
        width = max(len(r.ids) for r in rows)
        ids = np.full((len(rows), width), pad, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        types = np.zeros((len(rows), width), dtype=np.int64)
        for n, row in enumerate(rows):
            ids[n, : len(row.ids)], mask[n, : len(row.ids)] = row.ids, 1
            # BERT and similar models were trained to recognise the second text by its token type.
            types[n, row.turn : len(row.ids)] = self._layout is not None and row.turn > 0
        model_inputs = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
        }
        if "token_type_ids" in self._tokenizer.model_input_names:
            model_inputs["token_type_ids"] = torch.from_numpy(types)
        return model_inputs

    def _pad(self, model: PreTrainedModel, rows: Sequence[_Row]) -> int:
        """Return the padding token.

        The classes for decoders take their output at the last token that is not the padding of
        their configuration. Where that names none, a token is taken with which no row ends.
        """
        if self.config.pad_token_id is not None:
            return int(self.config.pad_token_id)
        last = {r.ids[-1] for r in rows if r.ids}
        # One more number than there are last tokens: one of them is free.
        free = next(i for i in range(len(last) + 1) if i not in last)
        model.config.pad_token_id = free
        return free


@dataclass(frozen=True)
class _Row:
    """Token ids, and where the answer begins among them."""

    ids: tuple[int, ...]
    turn: int


def classify_answers(
    pairs: pl.DataFrame, context: Context, spec: ModelSpec, part: TextSegment = "conversation"
) -> tuple[Classifier, NDArray[np.float64], pl.Series]:
    """Return raw outputs of a classifier for both answers of each pair.

    Returns:
        The classifier, outputs (pairs, 2, labels) of chosen and rejected, and a status a pair.
    """
    model = load_cached_model(
        context, ("classifier", spec, part), lambda: Classifier(spec, context.inference, part)
    )
    texts = distinct_conversations(pairs)
    # Conversations that the model's template refuses have no values, and the store keeps none.
    refused: dict[int, str] = {}
    labels = len(model.labels)

    def compute(rows: list[int]) -> Computed:
        rendered = {row: model.render(texts.prompts[row], texts.answers[row]) for row in rows}
        refused.update({row: text for row, text in rendered.items() if isinstance(text, str)})
        written = {row: text for row, text in rendered.items() if not isinstance(text, str)}
        encoded, names = model.encode(list(written.values())), list(written)
        with context.progress.task(f"{spec.name}: answers", len(names)) as task:
            for at, values in model.outputs(encoded):
                cut = [(encoded[i].prompt_cut, encoded[i].answer_cut) for i in at]
                yield [names[i] for i in at], np.column_stack([values, cut])
                task.advance(len(at))

    kind = ("classifier", *model.identity)
    # Two columns more than labels: whether prompt and answer were cut.
    values = lookup_or_compute(context.store, kind, texts.keys, labels + 2, compute)
    counts = truncation_counts(values[:, labels], values[:, labels + 1])
    add_model_counts(context.report, spec.name, counts)
    why = np.array([refused.get(row, OK) for row in range(len(texts))], dtype=object)
    # The chosen answer's reason first; the rejected one's where that is sound.
    problem = np.where(why[texts.chosen] == OK, why[texts.rejected], why[texts.chosen])
    both = np.stack([values[texts.chosen, :labels], values[texts.rejected, :labels]], axis=1)
    return model, both, pl.Series("status", problem.tolist(), dtype=pl.String)


def label_index(label: str | None, labels: Sequence[str], scorer: str) -> int:
    """Return which of a model's labels is wanted, the last one where none is named.

    Raises:
        CurateError: the model has no such label.
    """
    if label is None:
        return len(labels) - 1
    if label not in labels:
        raise CurateError(
            "the model has no such label",
            where=f"scorer '{scorer}', label",
            found=repr(label),
            fix=suggestion(label, labels),
        )
    return labels.index(label)
