"""What changed between two versions of a dataset: `curate diff`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from curate.auditing.command import AuditOptions, audit_pairs
from curate.auditing.structure import PromptLeakage, audit_leakage
from curate.data.hashes import content_keys
from curate.data.json_result import JsonResult
from curate.data.table import BATCH_ROWS, batch_slices
from curate.models.embed.settings import EmbedderConfig
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.read.inspection import inspect_pairs
from curate.read.pairs import Pairs
from curate.steps.context import Context, Progress, SilentProgress
from curate.steps.registry import scorer_class

_EXAMPLES = 5
_CONTENT = ("prompt", "low", "high")


@dataclass(frozen=True)
class VersionSummary(JsonResult):
    """One version of a dataset.

    Attributes:
        pairs: number of pairs.
        prompts: distinct prompts.
        ties: pairs without a preferred answer.
        sources: pairs by source, the most frequent ones.
        chosen_is_longer: share of pairs whose preferred answer is longer.
        characters: median length of prompt, chosen and rejected.
        refusals: share of pairs whose chosen, rejected or both answers begin like a refusal (in
            English).
        noise: the share of wrong labels, with its assumption; None if it was not asked for, or
            nothing estimates it.
        leakage: prompts that the evaluation set has too; None without one.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(("noise", "leakage"))

    pairs: int
    prompts: int
    ties: int
    sources: dict[str, int]
    chosen_is_longer: float
    characters: dict[str, int]
    refusals: dict[str, float]
    noise: NoiseEstimate | None = None
    leakage: PromptLeakage | None = None


@dataclass(frozen=True)
class DatasetDiff(JsonResult):
    """Two versions of a dataset.

    Comparisons are counted: a prompt with two answers, however many votes it has, whatever the id
    of its pairs and the order of its answers.

    Attributes:
        old: the earlier version.
        new: the later version.
        unchanged: comparisons with the same label in both, by the majority of votes.
        relabelled: comparisons with another label.
        added: comparisons that only the new version has.
        removed: comparisons that only the old version has.
        examples: ids of a few pairs that are relabelled, added and removed.
    """

    old: VersionSummary
    new: VersionSummary
    unchanged: int
    relabelled: int
    added: int
    removed: int
    examples: dict[str, list[str]]


@dataclass(frozen=True)
class DiffOptions:
    """What is compared besides pairs.

    Attributes:
        against: evaluation set whose prompts are searched in both versions.
        noise: whether the noise of both is estimated, which embeds them.
        progress: receives the progress.
    """

    against: Pairs | None = None
    noise: bool = False
    progress: Progress = field(default_factory=SilentProgress)


def diff_datasets(old: Pairs, new: Pairs, options: DiffOptions | None = None) -> DatasetDiff:
    """Compare two versions of a dataset.

    Args:
        old: the earlier version.
        new: the later version.
        options: what is compared besides pairs.

    Raises:
        CurateError: rows of single answers, which have no labels.

    Examples:
        >>> from curate import read_pairs
        >>> old = read_pairs([{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}])
        >>> new = read_pairs([{"prompt": "2 + 2?", "chosen": "5", "rejected": "4"}])
        >>> diff = diff_datasets(old, new)
        >>> diff.relabelled, diff.added, diff.removed
        (1, 0, 0)
    """
    options = options or DiffOptions()
    for name, pairs in (("old", old), ("new", new)):
        pairs.require_two_answers(f"diff: the {name} version")
    first, second = _labels(old.frame), _labels(new.frame)
    shared = second.join(first, on=_CONTENT, how="inner", suffix="_old")
    changed = shared.filter(pl.col("label") != pl.col("label_old"))
    added = second.join(first, on=_CONTENT, how="anti")
    removed = first.join(second, on=_CONTENT, how="anti")
    examples = {
        name: rows["pair_id"].sort().head(_EXAMPLES).to_list()
        for name, rows in (("relabelled", changed), ("added", added), ("removed", removed))
    }
    return DatasetDiff(
        _summarise(old, options),
        _summarise(new, options),
        len(shared) - len(changed),
        len(changed),
        len(added),
        len(removed),
        examples,
    )


def _labels(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the label of each comparison by the majority of its votes: -1, 0 (tie) or 1."""
    keys = content_keys(pairs).with_columns(pairs["is_tie"], pairs["pair_id"])
    vote = pl.when("is_tie").then(0).when(pl.col("chosen") == pl.col("low")).then(1).otherwise(-1)
    return keys.group_by(_CONTENT, maintain_order=True).agg(
        label=vote.sum().sign(), pair_id=pl.col("pair_id").first()
    )


def _summarise(pairs: Pairs, options: DiffOptions) -> VersionSummary:
    data = inspect_pairs(pairs)
    noise, against = None, options.against
    if options.noise:
        noise = audit_pairs(pairs, options.progress, AuditOptions(EmbedderConfig())).estimate
    return VersionSummary(
        pairs=data.pairs,
        prompts=data.distinct_prompts,
        ties=data.ties or 0,
        sources=data.sources,
        chosen_is_longer=data.chosen_is_longer or 0.0,
        characters={side: lengths["50%"] for side, lengths in data.characters.items() if lengths},
        refusals=_refusal_shares(pairs.frame),
        noise=noise,
        leakage=None if against is None else audit_leakage(pairs.frame, against.frame),
    )


def _refusal_shares(pairs: pl.DataFrame) -> dict[str, float]:
    """Return the share of pairs in which each side, and both, begin like a refusal."""
    scorer, context = scorer_class("refusal")(), Context()
    batches = [scorer.score(pairs[rows], context) for rows in batch_slices(len(pairs), BATCH_ROWS)]
    if not batches:
        return {}
    flags = pl.concat(batches)
    flags = flags.with_columns(both=pl.col("chosen") & pl.col("rejected"))
    return {side: float(flags[side].mean() or 0.0) for side in ("chosen", "rejected", "both")}  # type: ignore[arg-type]
