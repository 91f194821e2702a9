"""Chooses under a budget which pairs people should judge: `curate route`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from curate.data.hashes import content_keys
from curate.data.json_types import JsonObject
from curate.errors import CurateError
from curate.models.embed.settings import EmbedderConfig
from curate.people.drawn_tasks import draw_from_run
from curate.people.learned_route import LearnedRouting, learn_routing
from curate.people.pair_categories import coefficient_tags, default_tags, pair_categories
from curate.people.routing_features import (
    mean_uncertainty,
    predicted_gain,
    tercile_bins,
    text_features,
    unit_rank,
    vote_disagreement,
)
from curate.people.tasks import MARK, RoutingChoice, RoutingResult, check_tool, write_tasks
from curate.steps.context import Progress, SilentProgress
from curate.write.run_files import RunFiles
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_json


def route_pairs(
    run_folder: str | Path,
    folder: Path,
    choice: RoutingChoice,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RoutingResult:
    """Write tasks for the pairs of a run that are most worth a person's judgement.

    The priority is the mean of up to three ranks from 0 to 1: uncertainty, disagreement of
    annotators (0 for a single vote), and the gain of the pair's features where
    coefficients are given. The answers are shown in random order, and the tasks name neither the
    label nor the scores. Ties and pairs of equal answers can be chosen too: a person may decide.

    Raises:
        CurateError: no run of pairs, an unknown column, tool or feature, or nothing to rank by.
    """
    check_tool(choice.tool)
    run = _run_of_pairs(run_folder)
    if choice.sampling is not None:
        return draw_from_run(run_folder, folder, choice, overwrite)
    pairs = run.all_pairs()
    unsure, used = mean_uncertainty(run.scores(), choice.by)
    learned = None
    if choice.fit is not None:
        learned = _learn_from_run(run, pairs, unsure, choice, progress or SilentProgress())
        choice = replace(choice, coefficients=learned.fit.coefficients)
    priorities = _priorities_with_learning(pairs, unsure, learned, choice)
    used = used if learned is None or choice.by else []
    candidates = _candidates(pairs, priorities, learned, choice)
    chosen, fit = _most_urgent(candidates, choice), None if learned is None else learned.fit
    table = chosen.select("pair_id", *priorities.columns)
    facts: JsonObject = {"run": str(run_folder), "budget": choice.budget}
    facts |= {"candidates": len(candidates), "uncertainty": used}
    with atomic_folder(folder, overwrite, MARK) as stage:
        if learned is not None:
            write_json(learned.portable(), stage / "gains.json")
            facts["fit"] = asdict(learned.fit)
        write_tasks(stage, chosen, table, choice, facts)
    return RoutingResult(folder, table, used, len(candidates), fit)


def _run_of_pairs(folder: str | Path) -> RunFiles:
    """Return the run; raise CurateError for one of single answers, since people compare two."""
    run = RunFiles(folder)
    if run.manifest.has_single_answers:
        problem = "the rows are single answers, and people compare two"
        raise CurateError(problem, where=str(folder), fix="route a run of pairs")
    return run


def _priorities_with_learning(
    pairs: pl.DataFrame, unsure: pl.Series, learned: LearnedRouting | None, choice: RoutingChoice
) -> pl.DataFrame:
    """Return the priorities, which are the learned gains where no score was asked for."""
    if learned is None:
        tags = coefficient_tags(choice.coefficients)
        return pair_priorities(pairs, unsure, pair_categories(pairs, unsure, tags), choice)
    priorities = pair_priorities(pairs, unsure, learned.pair_categories, choice)
    # Learned gains say more than ranks of signals that were not learned.
    return priorities if choice.by else priorities.with_columns(priority=unit_rank(pl.col("gain")))


def _candidates(
    pairs: pl.DataFrame,
    priorities: pl.DataFrame,
    learned: LearnedRouting | None,
    choice: RoutingChoice,
) -> pl.DataFrame:
    """Return the pairs that may be chosen, with their priorities."""
    candidates = pl.concat([pairs, priorities], how="horizontal")
    if learned is not None:
        candidates = candidates.filter(learned.free)
    # A filter may be wrong about what it dropped: people should see such pairs too, unless the
    # user excludes them.
    if not choice.include_dropped:
        candidates = candidates.filter(pl.col("drop_step").is_null())
    return candidates


def _learn_from_run(
    run: RunFiles, pairs: pl.DataFrame, unsure: pl.Series, choice: RoutingChoice, progress: Progress
) -> LearnedRouting:
    """Learn the gains of features from doubly judged pairs, with the run's embedder."""
    embedder = EmbedderConfig.model_validate(run.manifest.config.get("embedder") or {})
    tags = default_tags(pairs) if choice.tags is None else choice.tags
    settings = (choice.fit or "", tags, choice.budget, choice.seed)
    folders = run.manifest.data_folders
    return learn_routing(pairs, unsure, *settings, embedder, folders, progress)


def pair_priorities(
    pairs: pl.DataFrame, unsure: pl.Series, levels: pl.DataFrame, choice: RoutingChoice
) -> pl.DataFrame:
    """Return uncertainty, disagreement, gain, priority and features of each pair.

    Args:
        pairs: the pair table.
        unsure: (pairs,) mean rank of uncertainty scores; null without any.
        levels: further features of the pairs that gains may name.
        choice: whose coefficients are used.

    Raises:
        CurateError: there is nothing to rank pairs by.
    """
    vote_spread = vote_disagreement(pairs)
    values = text_features(pairs)
    bins = pl.concat([tercile_bins(values), levels], how="horizontal")
    priorities = pl.DataFrame([unsure.alias("uncertainty"), vote_spread.alias("disagreement")])
    priorities = priorities.with_columns(gain=predicted_gain(bins, choice.coefficients))
    signals = []
    # What is null everywhere would pull every priority to the middle.
    if unsure.null_count() < len(unsure):
        signals.append(pl.col("uncertainty"))
    if vote_spread.null_count() < len(vote_spread):
        signals.append(unit_rank(pl.col("disagreement").fill_null(0.0)))
    if choice.coefficients:
        signals.append(unit_rank(pl.col("gain")))
    if not signals:
        raise CurateError(
            "there is no score to choose pairs for review",
            found="no uncertainty score, one vote per pair, no gains",
            fix="add a scorer such as label_em, mc_dropout or reward_margin, or give --gains",
        )
    priorities = priorities.with_columns(
        priority=pl.mean_horizontal(
            priorities.select(s.alias(str(i)) for i, s in enumerate(signals))
        )
    )
    named = bins.rename({name: f"{name}_bin" for name in bins.columns})
    return pl.concat([priorities, values, named], how="horizontal")


def _most_urgent(candidates: pl.DataFrame, choice: RoutingChoice) -> pl.DataFrame:
    """Return the pairs of highest priority, one vote an item, a few a prompt."""
    ranked = candidates.sort("priority", descending=True, nulls_last=True, maintain_order=True)
    texts = content_keys(ranked).select(_prompt="prompt", _low="low", _high="high")
    keys = pl.concat([ranked, texts], how="horizontal")
    # Several votes on the same answers are one task.
    keys = keys.filter(pl.struct(texts.columns).is_first_distinct())
    keys = keys.filter(pl.int_range(pl.len()).over("_prompt") < choice.per_prompt)
    return keys.head(choice.budget).drop(texts.columns)
