"""Chooses under a budget which pairs people should judge: `curate route`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.hashes import content_keys
from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError
from curate.models.embed.settings import EmbedderConfig
from curate.people.draw import SAMPLE, Sampling, draw
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
from curate.report.run_view import load_view
from curate.steps.context import Progress, SilentProgress
from curate.verdicts.tool import Tool
from curate.verdicts.tools import TOOLS
from curate.write.manifest import data_folders
from curate.write.run_files import RunFiles
from curate.write.run_folder import staged
from curate.write.shards import write_files, write_frame, write_json

if TYPE_CHECKING:
    from curate.people.route_fit import RouteFit

MARK = "route.json"


@dataclass(frozen=True)
class Choice:
    """What to route, and how.

    Attributes:
        budget: pairs at most.
        tool: "argilla", "label_studio" or "pairs".
        by: score columns that tell uncertainty; empty: all that are known to.
        coefficients: gain of each feature's bin; empty: features do not count.
        per_prompt: pairs of one prompt at most.
        include_dropped: whether pairs that a filter dropped may be chosen.
        seed: of the order in which the two answers are shown, and of a draw.
        sampling: draw pairs with known probabilities in place of the most urgent ones, for
            `curate audit --gold`.
        fit: annotator that is a model: coefficients are learned where people voted too, and only
            pairs without their votes are chosen.
        tags: columns or keys of `extra` that the fit may route by; None: the source.
    """

    budget: int
    tool: str = "label_studio"
    by: list[str] = field(default_factory=list)
    coefficients: dict[str, float] = field(default_factory=dict)
    per_prompt: int = 1
    include_dropped: bool = True
    seed: int = 0
    sampling: Sampling | None = None
    fit: str | None = None
    tags: list[str] | None = None


@dataclass(frozen=True)
class Routed:
    """What was chosen.

    Attributes:
        folder: of the task files.
        pairs: id, uncertainty, disagreement, gain, priority and features of each chosen pair, the
            most urgent first.
        columns: score columns that told uncertainty.
        candidates: pairs that could have been chosen.
        fit: what was learned, where it was asked for.
    """

    folder: Path
    pairs: pl.DataFrame
    columns: list[str]
    candidates: int
    fit: RouteFit | None = None


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
    if choice.tool not in TOOLS:
        valid = ", ".join(TOOLS)
        raise CurateError("unknown tool", where="--to", found=repr(choice.tool), expected=valid)
    if choice.sampling is not None:
        return _drawn(run_folder, folder, choice, overwrite)
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
        _write(stage, chosen, table, choice, {"run": str(run_folder)} | facts)
    return Routed(folder, table, used, len(candidates), None if learned is None else learned.fit)


def _learned(
    run: RunFiles, pairs: pl.DataFrame, unsure: pl.Series, choice: Choice, progress: Progress
) -> Learned:
    """Gains of features where both judged, by the run's embedder."""
    embedder = EmbedderConfig.model_validate(run.manifest["config"].get("embedder") or {})
    tags = usual_tags(pairs) if choice.tags is None else choice.tags
    given = (choice.fit or "", tags, choice.budget, choice.seed)
    return learn(pairs, unsure, *given, embedder, data_folders(run.manifest), progress)


def _drawn(run_folder: str | Path, folder: Path, choice: Choice, overwrite: bool) -> Routed:
    """Tasks for pairs that are drawn, and beside them how they were."""
    assert choice.sampling is not None
    view = load_view(run_folder)
    name, large = view.suspicion or ("", True)
    suspicion = None
    # Of other scores it is not known what value means a probability.
    if name in ("noise_score.score", "label_em.posterior"):
        value = view.frame[name]
        suspicion = value if large else 1.0 - value
    sample = draw(view.frame, suspicion, choice.budget, choice.sampling, choice.seed)
    ids = sample.filter("drawn")["pair_id"]
    chosen = view.frame.filter(pl.col("pair_id").is_in(ids.implode()))
    with staged(folder, overwrite, MARK) as stage:
        write_frame(sample, stage / SAMPLE)
        table = chosen.select("pair_id")
        facts = {"candidates": len(sample), "sampling": choice.sampling}
        _write(stage, chosen, table, choice, {"run": str(run_folder)} | facts)
    return Routed(folder, table, [], len(sample))


def _write(
    stage: Path, chosen: pl.DataFrame, table: pl.DataFrame, choice: Choice, facts: dict[str, Any]
) -> None:
    """The tool's tasks, answers in random order; what is known of each pair; the mark."""
    # Nobody shall learn from the place which answer the label prefers.
    drawn = np.random.default_rng(choice.seed).random(len(chosen)) < 0.5
    tool: Tool = TOOLS[choice.tool]
    shown = pl.Series("first_is_chosen", drawn)
    write_files(tool.files(chosen.select(list(PAIR_COLUMNS)), shown), stage)
    write_frame(table, stage / "routed.parquet")
    write_json(facts | {"pairs": len(chosen), "tool": choice.tool}, stage / MARK)


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
            "nothing tells which pairs people should see",
            found="no uncertainty score, one vote a pair, no gains",
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
