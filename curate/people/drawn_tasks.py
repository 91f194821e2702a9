"""Draws pairs of a dataset or a run for people, and opens such a draw: `curate route --random`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.data.json_types import JsonObject
from curate.data.table import PAIR_COLUMNS, as_pair_table
from curate.errors import CurateError, first_line
from curate.people.sampling import SAMPLE, draw_sample, read_sample
from curate.people.tasks import MARK, RoutingChoice, RoutingResult, check_tool, write_tasks
from curate.report.run_view import load_view
from curate.steps.next_steps import PIPELINE, judging_commands
from curate.write.contents import is_run_folder, read_completion_file
from curate.write.run_files import RunFiles
from curate.write.run_folder import atomic_folder
from curate.write.shards import write_frame

if TYPE_CHECKING:
    from curate.read.pairs import Pairs

_PAIRS = "drawn.parquet"
# Scores whose value is a probability, and whether it is that of a wrong label.
_PROBABILITIES = {"noise_score.score": True, "label_em.posterior": False}


@dataclass(frozen=True)
class DrawSource:
    """Where pairs were drawn from.

    Attributes:
        data: the dataset or run as the command line names it.
        is_run: whether it is the folder of a run.
        options: command-line options by which it is read.
        folders: in which files of media are looked for.
    """

    data: str
    is_run: bool
    options: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class DrawnPairs:
    """A sample for people to review.

    Attributes:
        folder: of the draw.
        pairs: the pair table of the drawn pairs, in the order of the draw.
        source: where they were drawn from.
        sample: all pairs of the draw's source; see `draw_sample`.
    """

    folder: Path
    pairs: pl.DataFrame
    source: DrawSource
    sample: pl.DataFrame

    def next_commands(self, verdicts: Path | None = None) -> tuple[str, ...]:
        """Return the next steps after the review, with this sample's paths.

        Args:
            verdicts: file of verdicts, where they are not in the folder of the draw.
        """
        steps = judging_commands(
            self.source.data, len(self.pairs), self.folder, self.source.options, verdicts
        )
        if self.source.is_run:
            data, gold = (shlex.quote(str(p)) for p in (self.source.data, verdicts or self.folder))
            new = shlex.quote(f"{self.source.data.rstrip('/')}-reviewed")
            return steps.audit, steps.run, f"curate apply {data} --verdicts {gold} --output {new}"
        if steps.needs_pipeline and not Path(PIPELINE).exists():
            words = ("--data", self.source.data, *self.source.options)
            first = " ".join(map(shlex.quote, ("curate", "init", *words)))
            return steps.audit, first, steps.run
        return steps.audit, steps.run


def is_draw(folder: Path) -> bool:
    """Return whether the folder is a sample drawn by `curate route`."""
    return is_run_folder(folder, MARK) and (folder / SAMPLE).is_file()


def draw_from_run(
    run_folder: str | Path, folder: Path, choice: RoutingChoice, overwrite: bool
) -> RoutingResult:
    """Write tasks for drawn pairs of a run, and how they were drawn.

    Raises:
        CurateError: no run, or a draw in strata without a score that makes them.
    """
    view = load_view(run_folder)
    name = view.suspicion[0] if view.suspicion else ""
    suspicion = None
    if name in _PROBABILITIES:
        suspicion = view.frame[name] if _PROBABILITIES[name] else 1.0 - view.frame[name]
    source = DrawSource(str(run_folder), True, folders=view.data_folders)
    return _write_draw(view.frame, suspicion, source, folder, choice, overwrite)


def draw_from_data(
    pairs: Pairs,
    data: str,
    options: Sequence[str],
    folder: Path,
    choice: RoutingChoice,
    overwrite: bool,
) -> RoutingResult:
    """Write tasks for randomly drawn pairs of a dataset, and how they were drawn.

    Args:
        pairs: the dataset.
        data: its name on the command line.
        options: options of the command line by which it was read.
        folder: where tasks and draw go.
        choice: how many pairs, and for which tool.
        overwrite: replace an earlier draw.

    Raises:
        CurateError: a draw in strata, which needs the scores of a run.
    """
    check_tool(choice.tool)
    source = DrawSource(data, False, tuple(options), tuple(pairs.folders))
    return _write_draw(pairs.frame, None, source, folder, choice, overwrite)


def _write_draw(
    pairs: pl.DataFrame,
    suspicion: pl.Series | None,
    source: DrawSource,
    folder: Path,
    choice: RoutingChoice,
    overwrite: bool,
) -> RoutingResult:
    assert choice.sampling is not None
    sample = draw_sample(pairs, suspicion, choice.budget, choice.sampling, choice.seed)
    chosen = _in_draw_order(pairs.select(list(PAIR_COLUMNS)), sample)
    table = chosen.select("pair_id")
    facts: JsonObject = {
        "run" if source.is_run else "data": source.data,
        "options": list(source.options),
        "media_folders": [str(path) for path in source.folders],
        "candidates": len(sample),
        "sampling": choice.sampling,
        "seed": choice.seed,
    }
    with atomic_folder(folder, overwrite, MARK) as stage:
        write_frame(sample, stage / SAMPLE)
        # With their texts: the dataset may have changed, or be gone, when people judge.
        write_frame(chosen, stage / _PAIRS)
        write_tasks(stage, chosen, table, choice, facts)
    result = DrawnPairs(folder, chosen, source, sample)
    review = f"curate review {shlex.quote(str(folder))}"
    return RoutingResult(folder, table, [], len(sample), commands=(review, *result.next_commands()))


def _in_draw_order(pairs: pl.DataFrame, sample: pl.DataFrame) -> pl.DataFrame:
    """Return the sampled pairs in the order of the draw."""
    places = sample.filter("drawn").sort("order").select("pair_id")
    return places.join(pairs, on="pair_id", how="inner", maintain_order="left").select(
        pairs.columns
    )


def load_draw(folder: Path, run: Path | None = None) -> DrawnPairs:
    """Return the drawn pairs of a folder of `curate route`.

    Args:
        folder: of the draw.
        run: take the pairs as they are in this run; needed for draws of older versions.

    Raises:
        CurateError: no draw, or one of pairs that the run does not hold.
    """
    sample = read_sample(folder)
    source = _draw_source(folder, read_completion_file(folder / MARK) or {})
    if run is not None:
        files = RunFiles(run)
        pairs = _in_draw_order(files.all_pairs().select(list(PAIR_COLUMNS)), sample)
        source = replace(source, folders=files.manifest.data_folders)
        return _require_complete(DrawnPairs(folder, pairs, source, sample), run)
    try:
        pairs = as_pair_table(pl.read_parquet(folder / _PAIRS)).select(list(PAIR_COLUMNS))
    except (OSError, pl.exceptions.PolarsError, KeyError) as error:
        raise CurateError(
            "cannot read the sampled pairs",
            where=str(folder / _PAIRS),
            found=first_line(error),
            fix="for a sample of an older version, give its run: curate review RUN --sample DRAWN",
        ) from None
    return _require_complete(
        DrawnPairs(folder, _in_draw_order(pairs, sample), source, sample), folder
    )


def _require_complete(draw_result: DrawnPairs, place: Path) -> DrawnPairs:
    """Return the sample; raise CurateError unless all its pairs are there."""
    count = int(draw_result.sample["drawn"].sum())
    # A join drops silently what it does not find.
    if len(draw_result.pairs) != count:
        raise CurateError(
            "the sampled pairs are missing",
            where=str(place),
            found=f"{len(draw_result.pairs):,} of {count:,}",
            fix="give the run from which they were sampled, or sample again",
        )
    return draw_result


def _draw_source(folder: Path, facts: Mapping[str, Any]) -> DrawSource:
    """Return the source of a sample, by its completion file."""
    lists = facts.get("options", []), facts.get("media_folders", [])
    if not all(isinstance(v, list) and all(isinstance(x, str) for x in v) for v in lists):
        raise CurateError("the sample is damaged", where=str(folder / MARK), fix="sample again")
    name = str(facts.get("data") or facts.get("run") or "DATA")
    return DrawSource(name, "run" in facts, tuple(lists[0]), tuple(map(Path, lists[1])))
