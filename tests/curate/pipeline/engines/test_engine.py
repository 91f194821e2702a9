"""What the engine checks of every step."""

from __future__ import annotations

import polars as pl
import pytest

from curate.pipeline.extra_columns import with_extras
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.scoring import PairScorer
from curate.steps.context import Context
from curate.steps.contracts import Column, Parameters, Scorer
from tests.helpers import numbered_pairs, pairs_of


class Given(Scorer[Parameters]):
    """Returns a given frame."""

    name = "given"
    summary = "for tests"
    Params = Parameters
    frame: pl.DataFrame
    declared: tuple[Column, ...] = (Column("x", "a number"),)

    def columns(self) -> tuple[Column, ...]:
        return self.declared

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        return self.frame


def run(frame: pl.DataFrame, *declared: Column) -> pl.DataFrame:
    scorer = Given()
    scorer.frame = frame
    scorer.declared = declared or scorer.declared
    return PairScorer(numbered_pairs(2), Context()).score(ScorerStep("given", scorer))[0]


def test_columns_are_named_and_typed() -> None:
    out = run(pl.DataFrame({"x": [1, 2]}))
    assert out.schema == {"given.x": pl.Float64}


@pytest.mark.parametrize("frame", [pl.DataFrame({"y": [1, 2]}), pl.DataFrame({"x": [1]})])
def test_other_columns_or_rows_than_declared_are_a_bug(frame: pl.DataFrame) -> None:
    with pytest.raises(RuntimeError, match="declared"):
        run(frame)


def test_nan_needs_a_status() -> None:
    frame = pl.DataFrame({"x": [1.0, float("nan")]})
    with pytest.raises(RuntimeError, match="without a status"):
        run(frame)
    status = Column("status", "why", "text")
    out = run(frame.with_columns(status=pl.lit("no")), Column("x", "a number"), status)
    assert out["given.x"].to_list() == [1.0, None]


def test_extras_become_numbers_only_where_all_are() -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [{**row, "extra": e} for e in ('{"n": 1, "t": "1"}', '{"n": 2.5, "t": "x"}', None)]
    frame = with_extras(pairs_of(rows), ("extra.n", "extra.t", "extra.none"))
    assert frame["extra.n"].to_list() == [1.0, 2.5, None]
    assert frame["extra.t"].to_list() == ["1", "x", None]
    assert frame["extra.none"].to_list() == [None] * 3
