"""Language models and classifiers: loading, conversations as tokens, measures, stored values."""

from __future__ import annotations

from curate.models.lm.answer_logprobs import (
    NO_TOKENS,
    OK,
    ConversationRenderer,
    load_cached_model,
    load_language_model,
    measure_answers,
    record_usage,
)
from curate.models.lm.classifier import Classifier, TextSegment, classify_answers, label_index
from curate.models.lm.conversations import (
    Computed,
    Conversations,
    distinct_conversations,
    lookup_or_compute,
    record_truncation,
    truncation_counts,
)
from curate.models.lm.language_model import LanguageModel, Measure, TokenUsage, token_sums
from curate.models.lm.loading import (
    devices_of,
    load_image_classifier,
    load_processor,
    load_vision,
    model_fingerprint,
    precision_of,
)
from curate.models.lm.network import CausalNetwork
from curate.models.lm.tokens import (
    ConversationEncoder,
    EncodedConversation,
    Messages,
    Prompt,
    RenderedConversation,
)
from curate.models.lm.trainer_rules import TRAINERS, Trainer, TrainerName
from curate.models.lm.trainer_tokens import PairTokens, TrainerTokens, read_chat_tokenizer
from curate.models.lm.trees import TreeBatch
from curate.steps.models import Inference, ModelSpec

__all__ = [
    "NO_TOKENS",
    "OK",
    "TRAINERS",
    "CausalNetwork",
    "Classifier",
    "Computed",
    "ConversationEncoder",
    "ConversationRenderer",
    "Conversations",
    "EncodedConversation",
    "Inference",
    "LanguageModel",
    "Measure",
    "Messages",
    "ModelSpec",
    "PairTokens",
    "Prompt",
    "RenderedConversation",
    "TextSegment",
    "TokenUsage",
    "Trainer",
    "TrainerName",
    "TrainerTokens",
    "TreeBatch",
    "classify_answers",
    "devices_of",
    "distinct_conversations",
    "label_index",
    "load_cached_model",
    "load_image_classifier",
    "load_language_model",
    "load_processor",
    "load_vision",
    "lookup_or_compute",
    "measure_answers",
    "model_fingerprint",
    "precision_of",
    "read_chat_tokenizer",
    "record_truncation",
    "record_usage",
    "token_sums",
    "truncation_counts",
]
