"""Texts of pairs: parts and keys of messages, sentences, sources, patterns, duplicates, schemas."""

from __future__ import annotations

from curate.data.duplicates import duplicate_flags, first_duplicate
from curate.data.hashes import (
    content_keys,
    hash_128,
    numbers_by_appearance,
    same_answers,
    vote_keys,
)
from curate.data.json_fields import SLOT_KEY, encode_json, with_extra_key
from curate.data.messages import (
    THINK_END,
    THINK_START,
    decode_message,
    message_tool_calls,
    parse_json_object,
    split_trace,
)
from curate.data.table import BATCH_ROWS, MESSAGES, dense_ranks, messages_key, text_keys
from curate.models.text.answer_counts import SENTENCE
from curate.models.text.artefacts import Artefact, artefact_direction, strip_template_tokens
from curate.models.text.evaluation_texts import (
    EvaluationText,
    NgramIndex,
    plain_texts,
    read_evaluation_texts,
)
from curate.models.text.languages import LanguageDetector
from curate.models.text.near_duplicates import near_duplicate_of
from curate.models.text.patterns import Patterns, check_pattern, ignoring_case, opening_matches
from curate.models.text.schema_check import UncheckableSchemaError, schema_problem
from curate.models.text.sentences import split_sentences, word_coverage
from curate.models.text.sources import NO_SOURCES, source_status, source_table
from curate.models.text.style import distinct_ngram_share
from curate.models.text.supported import NO_SENTENCES, answer_support, best_source
from curate.models.text.text_kinds import kind_columns, kind_flags
from curate.models.text.word_counts import count_words

__all__ = [
    "BATCH_ROWS",
    "MESSAGES",
    "NO_SENTENCES",
    "NO_SOURCES",
    "SENTENCE",
    "SLOT_KEY",
    "THINK_END",
    "THINK_START",
    "Artefact",
    "EvaluationText",
    "LanguageDetector",
    "NgramIndex",
    "Patterns",
    "UncheckableSchemaError",
    "answer_support",
    "artefact_direction",
    "best_source",
    "check_pattern",
    "content_keys",
    "count_words",
    "decode_message",
    "dense_ranks",
    "distinct_ngram_share",
    "duplicate_flags",
    "encode_json",
    "first_duplicate",
    "hash_128",
    "ignoring_case",
    "kind_columns",
    "kind_flags",
    "message_tool_calls",
    "messages_key",
    "near_duplicate_of",
    "numbers_by_appearance",
    "opening_matches",
    "parse_json_object",
    "plain_texts",
    "read_evaluation_texts",
    "same_answers",
    "schema_problem",
    "source_status",
    "source_table",
    "split_sentences",
    "split_trace",
    "strip_template_tokens",
    "text_keys",
    "vote_keys",
    "with_extra_key",
    "word_coverage",
]
