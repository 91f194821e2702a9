"""`curate explain`: which features of an answer the labels of a dataset prefer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binomtest

from curate.data.hashes import select_in_batches
from curate.data.table import gather_pairs, messages_text
from curate.errors import CurateError
from curate.explain.contrasts import TermTable, find_contrasts, term_table
from curate.explain.explanation import (
    AutoencoderFit,
    ExplainedFeature,
    Explanation,
    FeatureExample,
    GroupWinRate,
)
from curate.explain.naming import extreme_rows, feature_words
from curate.models.embed.autoencoder import FittedAutoencoder, SAESettings, fit_to_run
from curate.models.embed.frame import embed_frame, standalone_context
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.out_of_fold import vote_mask
from curate.models.heads.regression import fit_vote_regression
from curate.models.judge.endpoint import EndpointParams
from curate.models.judge.naming import name_features
from curate.models.text.traits import LENGTH, trait_difference
from curate.read.pairs import Pairs
from curate.steps.context import Context, Progress
from curate.versions import versions

# Fewer leave an autoencoder nothing to find features in.
MIN_PAIRS = 200
# Pairs shown of a feature, and pairs from which a judge names it.
_SHOWN_EXAMPLES, _EXAMPLES_TO_NAME = 3, 8
_MAX_SHOWN_CHARACTERS = 400
# Smaller groups give win rates that are mostly chance.
_MIN_GROUP_PAIRS = 20
# Level of the test, after correction for the number of features.
_ALPHA = 0.05


def explain_labels(
    pairs: Pairs,
    progress: Progress,
    settings: SAESettings | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
    seed: int = 0,
    namer: EndpointParams | None = None,
) -> tuple[Explanation, pl.DataFrame]:
    """Return features of answers and how the vote goes with them (arXiv 2510.26202).

    The table has pair_id and the activations `f0`, `f1`... of a sparse autoencoder's features.

    Args:
        pairs: the dataset.
        progress: receives the progress.
        settings: settings of the autoencoder.
        embedder: embedder of the texts.
        store: see `store` in pipeline.yaml.
        seed: seed of autoencoder and halves.
        namer: endpoint of a language model that names each feature by its extreme pairs.

    Raises:
        CurateError: fewer than 200 pairs hold a vote.
    """
    config, settings = embedder or EmbedderConfig(), settings or SAESettings()
    context = standalone_context(config, store, seed, progress)
    is_voted = _require_votes(vote_mask(pairs.frame, context))
    features, embedding = embed_frame(pairs.frame, config, store, progress, media=pairs.folders)
    context = context.for_pairs(pairs.frame, features)
    fitted, table = fit_to_run(pairs.frame, context, is_voted, settings), term_table(pairs.frame)
    entries = _feature_entries(pairs.frame, fitted.features.numpy(), table, context, is_voted)
    prompts = context.prompt_groups(pairs.frame)
    contrasts = find_contrasts(pairs.frame, table, prompts, is_voted, seed)
    entries = _name_features(entries, pairs.frame, fitted.features.numpy(), context, namer)
    judge = None if namer is None else context.facts
    fit = AutoencoderFit(settings, fitted.epochs, round(fitted.explained, 4))
    about = (versions(), seed, embedding, pairs.reading_notes(), len(pairs.frame))
    explanation = Explanation(*about, int(is_voted.sum()), fit, tuple(entries), contrasts, judge)
    return explanation, _activation_table(pairs.frame, fitted)


def _activation_table(pairs: pl.DataFrame, fitted: FittedAutoencoder) -> pl.DataFrame:
    """Return pair_id and the activation of each feature, in columns `f0`, `f1`..."""
    values = fitted.features.numpy()
    columns = {f"f{i}": values[:, i] for i in range(values.shape[1])}
    return pl.DataFrame({"pair_id": pairs["pair_id"], **columns})


def _require_votes(is_voted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask; raise CurateError where it holds too few pairs."""
    vote_count = int(is_voted.sum())
    if vote_count < MIN_PAIRS:
        raise CurateError(
            "too few pairs to find features",
            where="explain",
            found=f"{vote_count} pairs with a vote",
            expected=f"at least {MIN_PAIRS}",
        )
    return is_voted


def _name_features(
    entries: Sequence[ExplainedFeature],
    pairs: pl.DataFrame,
    values: NDArray[np.float32],
    context: Context,
    namer: EndpointParams | None,
) -> list[ExplainedFeature]:
    """Return the entries, with the names that a language model gives to their extreme pairs."""
    if namer is None:
        return list(entries)
    tops = extreme_rows(values, _EXAMPLES_TO_NAME)
    examples = []
    for entry in entries:
        number = int(entry.feature[1:])
        extremes = _extreme_examples(pairs, values[:, number], tops[number])
        examples.append(([e.answer_with for e in extremes], [e.answer_without for e in extremes]))
    names = name_features(examples, context, namer)
    return [replace(entry, name=name) for entry, name in zip(entries, names, strict=True)]


def _feature_entries(
    pairs: pl.DataFrame,
    values: NDArray[np.float32],
    table: TermTable,
    context: Context,
    is_voted: NDArray[np.bool_],
) -> list[ExplainedFeature]:
    """Return one entry a feature, the most significant first."""
    length = select_in_batches(pairs, d=trait_difference(LENGTH))["d"].to_numpy()[is_voted]
    prompts = context.prompt_groups(pairs)
    groups = np.unique(prompts[is_voted], return_inverse=True)[1]
    words = feature_words(table, values, prompts)
    tops = extreme_rows(values, _SHOWN_EXAMPLES)
    sources, annotators = (pairs[c].filter(is_voted) for c in ("source", "annotator"))
    entries = []
    for number in range(values.shape[1]):
        activations = values[is_voted, number].astype(np.float64)
        fired = activations != 0
        if not fired.any():
            continue
        entries.append(
            ExplainedFeature(
                feature=f"f{number}",
                words=words[number][0],
                words_without=words[number][1],
                fires=int(fired.sum()),
                share=round(float(fired.mean()), 4),
                **_feature_effect(activations, length, groups, values.shape[1]),
                length_correlation=_cosine_similarity(activations, length),
                **_win_rate(activations[fired] > 0),
                by_source=_win_rate_by_group(sources, activations),
                by_annotator=_win_rate_by_group(annotators, activations),
                examples=_extreme_examples(pairs, values[:, number], tops[number]),
            )
        )
    return sorted(entries, key=lambda entry: (entry.p_value, -abs(entry.effect)))


class _FeatureEffect(TypedDict):
    effect: float
    low: float
    high: float
    p_value: float
    significant: bool
    length_effect: float


def _feature_effect(
    activations: NDArray[np.float64],
    length: NDArray[np.float64],
    groups: NDArray[np.int64],
    feature_count: int,
) -> _FeatureEffect:
    """Return a feature's coefficient beside length: interval, p-value and significance."""
    fit = fit_vote_regression(np.column_stack([activations, length]), groups)
    low, high = fit.interval(0)
    # Bonferroni over all features, also those that never fire.
    p = min(1.0, fit.p_value(0) * feature_count)
    return {
        "effect": round(float(fit.coefficients[0]), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "p_value": p,
        "significant": bool(p < _ALPHA),
        "length_effect": round(float(fit.coefficients[1]), 4),
    }


def _cosine_similarity(
    first_vector: NDArray[np.float64], second_vector: NDArray[np.float64]
) -> float:
    """Return the cosine of both, which needs no mean: swapping the answers negates either."""
    size = float(np.linalg.norm(first_vector) * np.linalg.norm(second_vector))
    return round(float(first_vector @ second_vector) / size, 4) if size > 0 else 0.0


class _WinRate(TypedDict):
    win_rate: float
    win_rate_low: float
    win_rate_high: float


def _win_rate(wins: NDArray[np.bool_]) -> _WinRate:
    """Return how often the answer with the feature was preferred, with the 95 % interval."""
    interval = binomtest(int(wins.sum()), len(wins)).proportion_ci()
    return {
        "win_rate": round(float(wins.mean()), 4),
        "win_rate_low": round(float(interval.low), 4),
        "win_rate_high": round(float(interval.high), 4),
    }


def _win_rate_by_group(
    names: pl.Series, activations: NDArray[np.float64]
) -> tuple[GroupWinRate, ...]:
    """Return the win rate in each group of 20 pairs or more in which the feature fires; none for a
    single.
    """
    frame = pl.DataFrame({"name": names, "z": activations}).filter(
        pl.col("name").is_not_null(), pl.col("z") != 0
    )
    groups = frame.group_by("name").agg(pairs=pl.len(), win_rate=(pl.col("z") > 0).mean())
    groups = groups.filter(pl.col("pairs") >= _MIN_GROUP_PAIRS).sort(
        "pairs", "name", descending=True
    )
    if len(groups) < 2:
        return ()
    return tuple(GroupWinRate(**row) for row in groups.iter_rows(named=True))


def _extreme_examples(
    pairs: pl.DataFrame, column: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[FeatureExample, ...]:
    """Return the pairs of largest activation: the answer with the feature and the one without."""
    texts = gather_pairs(pairs, rows).select(
        "pair_id",
        *(
            messages_text(p).str.slice(0, _MAX_SHOWN_CHARACTERS)
            for p in ("prompt", "chosen", "rejected")
        ),
    )
    examples = []
    for value, row in zip(column[rows].tolist(), texts.iter_rows(named=True), strict=True):
        chosen, rejected = row["chosen"], row["rejected"]
        answers = (chosen, rejected) if value > 0 else (rejected, chosen)
        examples.append(
            FeatureExample(row["pair_id"], row["prompt"], *answers, value > 0, round(value, 4))
        )
    return tuple(examples)
