"""Hidden states of a causal language model as features of prompts and answers."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from curate.data.table import dense_ranks, messages_series, messages_text
from curate.models.lm.conversations import Conversations, distinct_conversations
from curate.models.lm.language_model import LanguageModel
from curate.models.lm.network import CausalNetwork
from curate.models.lm.tokens import (
    ConversationEncoder,
    EncodedConversation,
    Messages,
    Prompt,
    RenderedConversation,
)
from curate.models.lm.trees import TreeBatch
from curate.models.text.style import text_style
from curate.steps.features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Progress
    from curate.store.store import Store


def hidden_features(
    pairs: pl.DataFrame, model: LanguageModel, store: Store | None, progress: Progress
) -> Features:
    """Return features whose vectors are hidden states of the last layer at the last token.

    An answer's vector is that after its last token, the prompt before it; a prompt's that of its
    own last token. Coordinates are standardised over all vectors, since a few of them dwarf the
    others in a language model, and each vector is scaled to length 1.
    """
    texts = distinct_conversations(pairs)
    key = _states_key(texts, model)
    cached = store.get_array(key) if store is not None else None
    states = _compute_states(texts, model, progress) if cached is None else np.asarray(cached)
    if cached is None and store is not None:
        store.put_array(key, states)
    names = pl.Series([prompt for prompt, _ in texts.keys], dtype=pl.String)
    numbers = dense_ranks(names)
    first = np.unique(numbers, return_index=True)[1]
    vectors = _standardise_states(np.concatenate([states[first, 0], states[:, 1]]))
    index = {
        "prompt": numbers[texts.chosen],
        "chosen": len(first) + texts.chosen,
        "rejected": len(first) + texts.rejected,
    }
    return Features(vectors, _conversation_style(texts, first), index, cached is not None)


def count_truncated(pairs: pl.DataFrame, model: LanguageModel) -> tuple[int, int]:
    """Return conversations of some pairs, and how many of them the model sees in part."""
    texts = distinct_conversations(pairs)
    cut = [bool(e.prompt_cut or e.answer_cut) for e in encode_conversations(texts, model)]
    return len(cut), sum(cut)


def encode_conversations(texts: Conversations, model: LanguageModel) -> list[EncodedConversation]:
    """Return tokens of all conversations."""
    both = zip(texts.prompts, texts.answers, strict=True)
    return model.encoder.encode([render_or_plain(model.encoder, p, a) for p, a in both])


def _states_key(texts: Conversations, model: LanguageModel) -> str:
    digest = blake2b("/".join(model.identity).encode(), digest_size=16)
    for parts in texts.keys:
        for part in parts:
            # With its length before it no text can run into the next one.
            digest.update(len(part).to_bytes(8, "big") + part.encode())
    return f"hidden/{digest.hexdigest()}"


def _compute_states(
    texts: Conversations, model: LanguageModel, progress: Progress
) -> NDArray[np.float32]:
    """Return (conversations, 2, d): at the prompt's last token, and at the answer's."""
    encoded = encode_conversations(texts, model)
    width = int(model.networks[0].model.config.get_text_config().hidden_size)
    out = np.zeros((len(texts), 2, width), dtype=np.float32)
    with progress.task(f"{model.spec.name}: hidden states", len(texts)) as task:
        for rows, values in model.measure(encoded, last_states):
            out[list(rows)] = values.reshape(len(rows), 2, -1)
            task.advance(len(rows))
    return out


def render_or_plain(
    encoder: ConversationEncoder, prompt: Prompt, answer: Messages
) -> RenderedConversation:
    """Render by the template, or plainly where it refuses the conversation."""
    rendered = encoder.render(prompt, answer)
    return encoder.plain(prompt, answer) if isinstance(rendered, str) else rendered


def last_states(network: CausalNetwork, batch: TreeBatch) -> Tensor:
    """Return (A, 2 d): what the output layer sees after the prompt's and the answer's last
    token."""
    hidden = network.hidden(batch)
    return torch.cat([hidden[batch.last_of_prompt], hidden[batch.last]], dim=1).float()


def _standardise_states(states: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = states.std(axis=0)
    # A few coordinates of a language model are orders of magnitude larger than all others.
    vectors = (states - states.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    standardised: NDArray[np.float32] = (vectors / np.where(norms > 0, norms, 1.0)).astype(
        np.float32
    )
    return standardised


def _conversation_style(texts: Conversations, first: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return style of the distinct prompts, then of all answers."""
    prompts = messages_series("m", [texts.prompts[i].messages for i in first])
    answers = messages_series("m", texts.answers)
    both = pl.DataFrame({"m": pl.concat([prompts, answers])}).select(t=messages_text("m"))
    return text_style(both["t"].to_list())
