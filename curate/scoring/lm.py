"""Language models and classifiers: log-probabilities, gradients, labels of texts."""

from __future__ import annotations

from curate.models.lm.answer_logprobs import (
    OK,
    load_cached_model,
    load_language_model,
    measure_answers,
)
from curate.models.lm.classifier import Classifier, TextSegment, classify_answers, label_index
from curate.models.lm.conversations import Conversations, distinct_conversations, lookup_or_compute
from curate.models.lm.gradients import PAIR_SUMS, gradient_pair_sums
from curate.models.lm.language_model import token_sums
from curate.models.lm.mixed import mixed_logprobs
from curate.models.lm.network import CausalNetwork
from curate.models.lm.pair_values import measure_pairs
from curate.models.lm.token_values import TokenLogprobs, answer_token_logprobs
from curate.models.lm.tokens import ConversationEncoder, Messages, Prompt, RenderedConversation
from curate.models.lm.trainer_rules import TRAINERS, Trainer, TrainerName
from curate.models.lm.trainer_tokens import PairTokens, TrainerTokens, read_chat_tokenizer
from curate.models.lm.trees import TreeBatch
from curate.models.lm.vision_model import VisionConversation, VisionModel, contrast_margins

__all__ = [
    "OK",
    "PAIR_SUMS",
    "TRAINERS",
    "CausalNetwork",
    "Classifier",
    "ConversationEncoder",
    "Conversations",
    "Messages",
    "PairTokens",
    "Prompt",
    "RenderedConversation",
    "TextSegment",
    "TokenLogprobs",
    "Trainer",
    "TrainerName",
    "TrainerTokens",
    "TreeBatch",
    "VisionConversation",
    "VisionModel",
    "answer_token_logprobs",
    "classify_answers",
    "contrast_margins",
    "distinct_conversations",
    "gradient_pair_sums",
    "label_index",
    "load_cached_model",
    "load_language_model",
    "lookup_or_compute",
    "measure_answers",
    "measure_pairs",
    "mixed_logprobs",
    "read_chat_tokenizer",
    "token_sums",
]
