"""Parts of held-out heads, noise rates and regressions; progress and scratch space of long fits."""

from __future__ import annotations

from curate.models.heads.build import initialise_heads
from curate.models.heads.dropout_uncertainty import (
    agreement_share,
    label_uncertainty,
    normal_uncertainty,
)
from curate.models.heads.feature_matrix import FeatureMatrix
from curate.models.heads.general_heads import GENERAL_L2, train_general
from curate.models.heads.held_out_values import LocalAnswerFeatures, gather_held_out_values
from curate.models.heads.losses import LossKind, bradley_terry
from curate.models.heads.modules import (
    HeadKind,
    HeadSpec,
    LinearHeads,
    Optimiser,
    dropout_mask,
    rows_in_order,
)
from curate.models.heads.noise.calibration import fit_scale, label_agreement
from curate.models.heads.noise.rate import estimate_noise_rate_of_pairs, record_noise_estimate
from curate.models.heads.one_thread import threads_for
from curate.models.heads.out_of_fold import (
    answer_features,
    fold_weights,
    has_too_few_prompts,
    head_inputs,
    train_heads,
)
from curate.models.heads.posterior.averaging import AveragedPosterior
from curate.models.heads.posterior.axes import normalised
from curate.models.heads.posterior.facts import record_posterior
from curate.models.heads.posterior.label_posterior import LabelPosterior
from curate.models.heads.posterior.observations import Observations
from curate.models.heads.probe import norm_change
from curate.models.heads.regression import (
    estimable_columns,
    explained_bits,
    fit_vote_regression,
    held_out_log_odds,
)
from curate.models.text.attributes import (
    Attribute,
    attribute_margins,
    attribute_status,
    rating_columns,
)
from curate.models.text.contamination import (
    confident_learning_rate,
    holder_contamination,
    lowest_share_mask,
)
from curate.models.text.traits import TRAIT_NAMES
from curate.steps.context import Progress, SilentProgress
from curate.steps.features import FeatureKind
from curate.store.array_blocks import select_rows
from curate.store.scratch import ScratchSpace

__all__ = [
    "GENERAL_L2",
    "TRAIT_NAMES",
    "Attribute",
    "AveragedPosterior",
    "FeatureKind",
    "FeatureMatrix",
    "HeadKind",
    "HeadSpec",
    "LabelPosterior",
    "LinearHeads",
    "LocalAnswerFeatures",
    "LossKind",
    "Observations",
    "Optimiser",
    "Progress",
    "ScratchSpace",
    "SilentProgress",
    "agreement_share",
    "answer_features",
    "attribute_margins",
    "attribute_status",
    "bradley_terry",
    "confident_learning_rate",
    "dropout_mask",
    "estimable_columns",
    "estimate_noise_rate_of_pairs",
    "explained_bits",
    "fit_scale",
    "fit_vote_regression",
    "fold_weights",
    "gather_held_out_values",
    "has_too_few_prompts",
    "head_inputs",
    "held_out_log_odds",
    "holder_contamination",
    "initialise_heads",
    "label_agreement",
    "label_uncertainty",
    "lowest_share_mask",
    "norm_change",
    "normal_uncertainty",
    "normalised",
    "rating_columns",
    "record_noise_estimate",
    "record_posterior",
    "rows_in_order",
    "select_rows",
    "threads_for",
    "train_general",
    "train_heads",
]
