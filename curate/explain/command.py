"""`curate explain`: which features of an answer the labels of a data set prefer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binomtest

from curate.data.hashes import select_in_batches
from curate.data.table import messages_text, rows_at
from curate.errors import CurateError
from curate.explain.naming import extremes, feature_words
from curate.models.embed.autoencoder import SAESettings, fit_to_run
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
_EXAMPLES, _NAMED_BY = 3, 8
_SHOWN = 400
# Of a group about which something is said.
_GROUP_PAIRS = 20
# Of the test, after correction for the number of features.
_ALPHA = 0.05


def explain(
    pairs: Pairs,
    progress: Progress,
    settings: SAESettings | None = None,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
    seed: int = 0,
    namer: EndpointParams | None = None,
) -> tuple[dict[str, Any], pl.DataFrame]:
    """What the features are and how the vote goes with them (What's In My Human Feedback).

    A sparse autoencoder is trained on embedding differences (arXiv 2510.26202), without looking at
    which answer was preferred. For each feature: in how many pairs it fires, how often the answer
    that has it wins, and its coefficient in a Bradley-Terry regression with the length beside it.

    Args:
        pairs: the data set.
        progress: where progress is shown.
        settings: of the autoencoder.
        embedder: of the texts.
        store: as in pipeline.yaml.
        seed: of the autoencoder.
        namer: endpoint of a language model that names each feature by its extreme pairs.

    Returns:
        The findings as plain data, and pair_id with `f0`, `f1`... of every pair, in order.

    Raises:
        CurateError: fewer than 200 pairs hold a vote.
    """
    config, settings = embedder or EmbedderConfig(), settings or SAESettings()
    frame = pairs.frame
    context = standalone_context(config, store, seed, progress)
    voting = vote_mask(frame, context)
    _check(int(voting.sum()))
    features, facts = embed_frame(frame, config, store, progress, media=pairs.folders)
    context.features_of = lambda: features
    fitted = fit_to_run(pairs.frame, context, voting, settings)
    values = fitted.features.numpy()
    entries = _features(frame, values, context, voting)
    found = {
        "versions": versions(),
        "seed": seed,
        "embedder": facts,
        "notes": pairs.reading_notes(),
        "pairs": len(frame),
        "votes": int(voting.sum()),
        "autoencoder": asdict(settings) | {"epochs": fitted.epochs}
        | {"explained": round(fitted.explained, 4)},
        "features": entries,
    }  # fmt: skip
    if namer is not None:
        _name(entries, frame, values, context, namer)
        found |= context.facts
    columns = {f"f{i}": values[:, i] for i in range(values.shape[1])}
    return found, pl.DataFrame({"pair_id": frame["pair_id"], **columns})


def _check(voting: int) -> None:
    if voting < MIN_PAIRS:
        raise CurateError(
            "too few pairs to find features in",
            where="explain",
            found=f"{voting} pairs that hold a vote",
            expected=f"{MIN_PAIRS} or more",
        )


def _name(
    entries: list[dict[str, Any]],
    pairs: pl.DataFrame,
    values: NDArray[np.float32],
    context: Context,
    namer: EndpointParams,
) -> None:
    """Give each entry the name that a language model gives to its extreme pairs, or None."""
    tops = extremes(values, _NAMED_BY)
    examples = []
    for entry in entries:
        number = int(entry["feature"][1:])
        shown = _examples(pairs, values[:, number], tops[number])
        examples.append(([e["with"] for e in shown], [e["without"] for e in shown]))
    for entry, name in zip(entries, name_features(examples, context, namer), strict=True):
        entry["name"] = name


def _features(
    pairs: pl.DataFrame,
    values: NDArray[np.float32],
    context: Context,
    voting: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """One entry a feature, the most significant first."""
    length = select_in_batches(pairs, d=trait_difference(LENGTH))["d"].to_numpy()[voting]
    groups = np.unique(context.prompt_groups(pairs)[voting], return_inverse=True)[1]
    words, tops = feature_words(pairs, values), extremes(values, _EXAMPLES)
    entries = []
    for number in range(values.shape[1]):
        own = values[voting, number].astype(np.float64)
        fired = own != 0
        if not fired.any():
            continue
        fit = fit_vote_regression(np.column_stack([own, length]), groups)
        low, high = fit.interval(0)
        p = min(1.0, fit.p_value(0) * values.shape[1])
        entries.append(
            {
                "feature": f"f{number}",
                "words": words[number][0],
                "words_without": words[number][1],
                "fires": int(fired.sum()),
                "share": round(float(fired.mean()), 4),
                "effect": round(float(fit.coefficients[0]), 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "p_value": p,
                "significant": bool(p < _ALPHA),
                "length_effect": round(float(fit.coefficients[1]), 4),
                "length_correlation": _correlation(own, length),
                **_win_rate(own[fired] > 0),
                "by_source": _by_group(pairs["source"].filter(voting), own),
                "by_annotator": _by_group(pairs["annotator"].filter(voting), own),
                "examples": _examples(pairs, values[:, number], tops[number]),
            }
        )
    return sorted(entries, key=lambda entry: (entry["p_value"], -abs(entry["effect"])))


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Cosine of both, which needs no mean: swapping the answers negates either."""
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return round(float(first @ second) / size, 4) if size > 0 else 0.0


def _win_rate(wins: NDArray[np.bool_]) -> dict[str, Any]:
    """How often the answer with the feature was preferred, with the 95 % interval."""
    interval = binomtest(int(wins.sum()), len(wins)).proportion_ci()
    return {
        "win_rate": round(float(wins.mean()), 4),
        "win_rate_low": round(float(interval.low), 4),
        "win_rate_high": round(float(interval.high), 4),
    }


def _by_group(names: pl.Series, own: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Win rate in each group of 20 pairs or more in which the feature fires; none for a single."""
    frame = pl.DataFrame({"name": names, "z": own}).filter(
        pl.col("name").is_not_null(), pl.col("z") != 0
    )
    groups = frame.group_by("name").agg(pairs=pl.len(), win_rate=(pl.col("z") > 0).mean())
    groups = groups.filter(pl.col("pairs") >= _GROUP_PAIRS).sort("pairs", "name", descending=True)
    return groups.to_dicts() if len(groups) > 1 else []


def _examples(
    pairs: pl.DataFrame, column: NDArray[np.float32], rows: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """The pairs of largest activation: the answer with the feature and the one without."""
    texts = rows_at(pairs, rows).select(
        "pair_id",
        *(messages_text(p).str.slice(0, _SHOWN) for p in ("prompt", "chosen", "rejected")),
    )
    shown = []
    for value, row in zip(column[rows].tolist(), texts.iter_rows(named=True), strict=True):
        sides = ("chosen", "rejected") if value > 0 else ("rejected", "chosen")
        shown.append(
            {
                "pair_id": row["pair_id"],
                "prompt": row["prompt"],
                "with": row[sides[0]],
                "without": row[sides[1]],
                "preferred": value > 0,
                "activation": round(value, 4),
            }
        )
    return shown
