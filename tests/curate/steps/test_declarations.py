"""What scorers declare: the table of the docs, and flags of plug-ins for version 0.3."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Cache, Column, Context, Input, Parameters, Scope, Scorer
from curate.models.heads.head_scorer import HeldOutScorer
from curate.pipeline.score_cache import MIN_CACHED_PAIRS
from curate.steps.registry import scorer_class

DESIGN = Path(__file__).parents[3] / "docs" / "explanation" / "design.md"
ROW = re.compile(
    r"^\| `(Input|Scope|Cache)\.(\w+)`( \(default\))? \|.*\| ([^|]+) \|$", re.MULTILINE
)
KINDS: dict[str, type[StrEnum]] = {"Input": Input, "Scope": Scope, "Cache": Cache}


def declared(cls: type[Scorer[Any]], kind: str) -> frozenset[StrEnum]:
    values = {"Input": cls.inputs, "Scope": {cls.scope}, "Cache": {cls.cache}}
    return frozenset(values[kind])


def test_the_table_of_the_docs_is_that_of_the_code() -> None:
    rows = ROW.findall(DESIGN.read_text(encoding="utf-8"))
    every = [(kind, member.name) for kind, members in KINDS.items() for member in members]
    assert [(kind, name) for kind, name, _, _ in rows] == every
    for kind, name, default, examples in rows:
        member = KINDS[kind][name]
        assert (member in declared(Scorer, kind)) == bool(default), name
        names = re.findall(r"`(\w+)`", examples)
        assert len(names) == 2
        for example in names:
            assert member in declared(scorer_class(example), kind), (example, name)
    assert f"row scorers from {MIN_CACHED_PAIRS:,} pairs on" in DESIGN.read_text(encoding="utf-8")


class Old(Scorer[Parameters]):
    """As version 0.3 wanted it."""

    name, summary, Params = "old", "of before", Parameters

    def columns(self) -> tuple[Column, ...]:
        return (Column("rows", "rows in a call", "int"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        return pl.select(rows=pl.repeat(len(pairs), len(pairs), dtype=pl.Int64))


@pytest.mark.parametrize(
    ("base", "flags", "inputs", "scope", "cache"),
    [
        (Old, {"scope": "row", "stored": True}, {Input.TEXTS}, Scope.ROW, Cache.PER_ROW),
        (
            Old,
            {"scope": "row", "stored": True, "stored_whole": True},
            {Input.TEXTS},
            Scope.ROW,
            Cache.WHOLE,
        ),
        (
            Old,
            {"needs_embeddings": True, "reads_texts": False, "in_parts": True, "stored": True},
            {Input.EMBEDDINGS},
            Scope.PARTITIONED,
            Cache.WHOLE,
        ),
        (
            Old,
            {"scope": "table", "reads_media": True},
            {Input.TEXTS, Input.MEDIA},
            Scope.TABLE,
            Cache.NONE,
        ),
        (
            HeldOutScorer,
            {"stored": False, "reads_texts": True},
            {Input.TEXTS, Input.EMBEDDINGS},
            Scope.TABLE,
            Cache.NONE,
        ),
    ],
)
def test_flags_of_a_class_work_for_one_release(
    base: type[Scorer[Any]],
    flags: dict[str, Any],
    inputs: set[Input],
    scope: Scope,
    cache: Cache,
) -> None:
    with pytest.warns(DeprecationWarning, match="the old name goes in version"):
        cls = type("Flagged", (base,), flags)
    assert (cls.inputs, cls.scope, cls.cache) == (frozenset(inputs), scope, cache)


def test_flags_of_an_object_work_for_one_release() -> None:
    scorer = Old()
    with pytest.warns(DeprecationWarning, match=r"Old\.needs_embeddings .*Old\.inputs"):
        scorer.needs_embeddings = True  # type: ignore[attr-defined]
    assert scorer.inputs == {Input.TEXTS, Input.EMBEDDINGS}
    assert Old.inputs == {Input.TEXTS}
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert scorer.reads_texts  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert not scorer.stored  # type: ignore[attr-defined]
