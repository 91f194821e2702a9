"""What goes to people, and the files in which an annotation tool takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.json_types import JsonObject
from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError
from curate.people.sampling import Sampling
from curate.verdicts.tools import TOOLS
from curate.write.shards import write_files, write_frame, write_json

if TYPE_CHECKING:
    from curate.people.routing_model import RouteFit

MARK = "route.json"


@dataclass(frozen=True)
class RoutingChoice:
    """What to route, and how.

    Attributes:
        budget: pairs at most.
        tool: "argilla", "label_studio" or "pairs".
        by: uncertainty score columns; empty: all known ones.
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
class RoutingResult:
    """What was chosen.

    Attributes:
        folder: of the task files.
        pairs: id, uncertainty, disagreement, gain, priority and features of each chosen pair, the
            most urgent first.
        columns: uncertainty score columns that were used.
        candidates: pairs that could have been chosen.
        fit: what was learned, where it was asked for.
        commands: what to do with a draw, in this order; none where pairs were not drawn.
    """

    folder: Path
    pairs: pl.DataFrame
    columns: list[str]
    candidates: int
    fit: RouteFit | None = None
    commands: tuple[str, ...] = ()


def check_tool(name: str) -> None:
    """Raise a CurateError where no annotation tool has this name."""
    if name not in TOOLS:
        valid = ", ".join(TOOLS)
        raise CurateError("unknown tool", where="--to", found=repr(name), expected=valid)


def write_tasks(
    stage: Path,
    chosen: pl.DataFrame,
    table: pl.DataFrame,
    choice: RoutingChoice,
    facts: JsonObject,
) -> None:
    """Write the tool's tasks (answers in random order), facts per pair, and the completion file."""
    # Nobody shall learn from the place which answer the label prefers.
    first = np.random.default_rng(choice.seed).random(len(chosen)) < 0.5
    order = pl.Series("first_is_chosen", first)
    files = TOOLS[choice.tool].files(chosen.select(list(PAIR_COLUMNS)), order)
    write_files(files, stage)
    write_frame(table, stage / "routed.parquet")
    write_json(facts | {"pairs": len(chosen), "tool": choice.tool}, stage / MARK)
