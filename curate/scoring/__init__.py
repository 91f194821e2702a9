"""What writers of scorers import beside `curate`: texts, held-out heads, language models.

Row scorers need `messages_text` and its like, learned scorers `HeldOutScorer` and `vote_mask`,
model scorers `Model` and `answer_logprobs`. The sub-modules hold what single methods are made of:
`texts`, `media`, `embeddings`, `heads`, `annotators`, `lm`, `judge`; and `filtering` for filters.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.data.hashes import select_in_batches
    from curate.data.json_fields import extra_value
    from curate.data.table import batch_slices, messages_text
    from curate.models.embed.neighbours import nearest_neighbours, take_rows
    from curate.models.heads.folds import group_folds
    from curate.models.heads.head_scorer import STATUS, HeldOutScorer, record_learnability
    from curate.models.heads.margin_scorer import MarginParams, MarginScorer
    from curate.models.heads.noise.calibration import calibrate
    from curate.models.heads.noise.mean_difference import MeanDifference
    from curate.models.heads.out_of_fold import (
        HeadParameters,
        OutOfFold,
        RepeatedHeadParameters,
        train_out_of_fold,
        training_status,
        vote_mask,
    )
    from curate.models.heads.ridge.margins import held_out_margins
    from curate.models.lm.answer_logprobs import (
        MODEL_STATUS,
        AnswerLogprobs,
        answer_logprobs,
        with_status,
    )
    from curate.models.text.answer_texts import map_distinct_texts
    from curate.optional_packages import need
    from curate.steps.features import Features
    from curate.steps.models import Model
    from curate.store.array_blocks import compute_in_blocks

__all__ = [
    "MODEL_STATUS",
    "STATUS",
    "AnswerLogprobs",
    "Features",
    "HeadParameters",
    "HeldOutScorer",
    "MarginParams",
    "MarginScorer",
    "MeanDifference",
    "Model",
    "OutOfFold",
    "RepeatedHeadParameters",
    "answer_logprobs",
    "batch_slices",
    "calibrate",
    "compute_in_blocks",
    "extra_value",
    "group_folds",
    "held_out_margins",
    "map_distinct_texts",
    "messages_text",
    "nearest_neighbours",
    "need",
    "record_learnability",
    "select_in_batches",
    "take_rows",
    "train_out_of_fold",
    "training_status",
    "vote_mask",
    "with_status",
]

_HOMES = {
    "select_in_batches": "curate.data.hashes",
    "extra_value": "curate.data.json_fields",
    "batch_slices": "curate.data.table",
    "messages_text": "curate.data.table",
    "nearest_neighbours": "curate.models.embed.neighbours",
    "take_rows": "curate.models.embed.neighbours",
    "group_folds": "curate.models.heads.folds",
    "HeldOutScorer": "curate.models.heads.head_scorer",
    "STATUS": "curate.models.heads.head_scorer",
    "record_learnability": "curate.models.heads.head_scorer",
    "MarginParams": "curate.models.heads.margin_scorer",
    "MarginScorer": "curate.models.heads.margin_scorer",
    "calibrate": "curate.models.heads.noise.calibration",
    "MeanDifference": "curate.models.heads.noise.mean_difference",
    "HeadParameters": "curate.models.heads.out_of_fold",
    "OutOfFold": "curate.models.heads.out_of_fold",
    "RepeatedHeadParameters": "curate.models.heads.out_of_fold",
    "train_out_of_fold": "curate.models.heads.out_of_fold",
    "training_status": "curate.models.heads.out_of_fold",
    "vote_mask": "curate.models.heads.out_of_fold",
    "held_out_margins": "curate.models.heads.ridge.margins",
    "AnswerLogprobs": "curate.models.lm.answer_logprobs",
    "MODEL_STATUS": "curate.models.lm.answer_logprobs",
    "answer_logprobs": "curate.models.lm.answer_logprobs",
    "with_status": "curate.models.lm.answer_logprobs",
    "map_distinct_texts": "curate.models.text.answer_texts",
    "need": "curate.optional_packages",
    "Features": "curate.steps.features",
    "Model": "curate.steps.models",
    "compute_in_blocks": "curate.store.array_blocks",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: a scorer of texts must not wait for torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'curate.scoring' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
