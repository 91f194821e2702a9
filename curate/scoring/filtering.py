"""For filters: conditions, label changes, posteriors, votes and ranks."""

from __future__ import annotations

from curate.data.table import has_single_answers
from curate.models.people.votes import HIGH, LOW, TIE, dawid_skene_consensus, vote_table
from curate.steps.conditions import condition_columns, evaluate_condition, parse_condition
from curate.steps.posterior import (
    DEFAULT_COLUMN,
    BelowParams,
    PosteriorParams,
    label_probabilities,
    record_remaining_noise,
)
from curate.steps.relabel import FLIPPED, RELABELLED, flip_labels, flip_only
from curate.steps.selection import keep_best, missing_codes

__all__ = [
    "DEFAULT_COLUMN",
    "FLIPPED",
    "HIGH",
    "LOW",
    "RELABELLED",
    "TIE",
    "BelowParams",
    "PosteriorParams",
    "condition_columns",
    "dawid_skene_consensus",
    "evaluate_condition",
    "flip_labels",
    "flip_only",
    "has_single_answers",
    "keep_best",
    "label_probabilities",
    "missing_codes",
    "parse_condition",
    "record_remaining_noise",
    "vote_table",
]
