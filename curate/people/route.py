"""Chooses under a budget which pairs people should judge: `curate route`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from curate.data.hashes import content_keys
from curate.errors import CurateError
from curate.models.embed.settings import EmbedderConfig
from curate.people.drawn_tasks import draw_from_run
from curate.people.kinds import kinds, tags_in, usual_tags
from curate.people.learned_route import Learned, learn
from curate.people.signals import (
    binned,
    disagreement,
    features,
    gain,
    rank_of,
    uncertainty,
)
from curate.people.tasks import MARK, Choice, Routed, check_tool, write_tasks
from curate.steps.context import Progress, SilentProgress
from curate.write.manifest import data_folders
from curate.write.run_files import RunFiles
from curate.write.run_folder import staged
from curate.write.shards import write_json


def route(
    run_folder: str | Path,
    folder: Path,
    choice: Choice,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Routed:
    """Write tasks for the pairs of a run that are most worth a person's judgement.

    The priority is the mean of up to three ranks from 0 to 1: uncertainty, disagreement of
    annotators (0 where there was one vote alone), and the gain of the pair's features where
    coefficients are given. The answers are shown in random order, and the tasks name neither the
    label nor the scores. Ties and pairs of equal answers can be chosen too: a person may tell.

    Raises:
        CurateError: no run, an unknown column, tool or feature, or nothing to tell pairs apart by.
    """
    check_tool(choice.tool)
    if choice.sampling is not None:
        return draw_from_run(run_folder, folder, choice, overwrite)
    run = RunFiles(run_folder)
    pairs = run.all_pairs()
    unsure, used = uncertainty(run.scores(), choice.by)
    learned = None
    if choice.fit is not None:
        learned = _learned(run, pairs, unsure, choice, progress or SilentProgress())
        choice = replace(choice, coefficients=learned.fit.coefficients)
    levels = (
        kinds(pairs, unsure, tags_in(choice.coefficients)) if learned is None else learned.kinds
    )
    told = priorities(pairs, unsure, levels, choice)
    # Learned gains say more than ranks of signals that were not learned.
    if learned is not None and not choice.by:
        told, used = told.with_columns(priority=rank_of(pl.col("gain"))), []
    free = pl.repeat(True, len(pairs), eager=True) if learned is None else learned.free
    candidates = pl.concat([pairs, told], how="horizontal").filter(free)
    # A filter may be wrong about what it dropped: people should see such pairs too, unless told
    # not.
    if not choice.include_dropped:
        candidates = candidates.filter(pl.col("drop_step").is_null())
    chosen = _most_urgent(candidates, choice)
    with staged(folder, overwrite, MARK) as stage:
        table = chosen.select("pair_id", *told.columns)
        facts = {"budget": choice.budget, "candidates": len(candidates), "uncertainty": used}
        if learned is not None:
            write_json(learned.portable(), stage / "gains.json")
            facts["fit"] = asdict(learned.fit)
        write_tasks(stage, chosen, table, choice, {"run": str(run_folder)} | facts)
    return Routed(folder, table, used, len(candidates), None if learned is None else learned.fit)


def _learned(
    run: RunFiles, pairs: pl.DataFrame, unsure: pl.Series, choice: Choice, progress: Progress
) -> Learned:
    """Gains of features where both judged, by the run's embedder."""
    embedder = EmbedderConfig.model_validate(run.manifest["config"].get("embedder") or {})
    tags = usual_tags(pairs) if choice.tags is None else choice.tags
    given = (choice.fit or "", tags, choice.budget, choice.seed)
    return learn(pairs, unsure, *given, embedder, data_folders(run.manifest), progress)


def priorities(
    pairs: pl.DataFrame, unsure: pl.Series, levels: pl.DataFrame, choice: Choice
) -> pl.DataFrame:
    """Uncertainty, disagreement, gain, priority and features of each pair.

    Args:
        pairs: the pair table.
        unsure: (pairs,) mean rank of scores that tell uncertainty; null where none does.
        levels: further features of the pairs that gains may name.
        choice: whose coefficients are used.

    Raises:
        CurateError: nothing is there to tell pairs apart by.
    """
    apart = disagreement(pairs)
    values = features(pairs)
    bins = pl.concat([binned(values), levels], how="horizontal")
    told = pl.DataFrame([unsure.alias("uncertainty"), apart.alias("disagreement")])
    told = told.with_columns(gain=gain(bins, choice.coefficients))
    signals = []
    # What is null everywhere would pull every priority to the middle.
    if unsure.null_count() < len(unsure):
        signals.append(pl.col("uncertainty"))
    if apart.null_count() < len(apart):
        signals.append(rank_of(pl.col("disagreement").fill_null(0.0)))
    if choice.coefficients:
        signals.append(rank_of(pl.col("gain")))
    if not signals:
        raise CurateError(
            "there is no score to choose pairs for review",
            found="no uncertainty score, one vote per pair, no gains",
            fix="add a scorer such as label_em, mc_dropout or reward_margin, or give --gains",
        )
    told = told.with_columns(
        priority=pl.mean_horizontal(told.select(s.alias(str(i)) for i, s in enumerate(signals)))
    )
    named = bins.rename({name: f"{name}_bin" for name in bins.columns})
    return pl.concat([told, values, named], how="horizontal")


def _most_urgent(candidates: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """The pairs of highest priority, one vote an item, a few a prompt."""
    ranked = candidates.sort("priority", descending=True, nulls_last=True, maintain_order=True)
    texts = content_keys(ranked).select(_prompt="prompt", _low="low", _high="high")
    keys = pl.concat([ranked, texts], how="horizontal")
    # Several votes on the same answers are one task.
    keys = keys.filter(pl.struct(texts.columns).is_first_distinct())
    keys = keys.filter(pl.int_range(pl.len()).over("_prompt") < choice.per_prompt)
    return keys.head(choice.budget).drop(texts.columns)
