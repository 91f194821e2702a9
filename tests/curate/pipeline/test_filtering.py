"""What filters are given, and that no pair is lost between them."""

from __future__ import annotations

from typing import Any, ClassVar

import polars as pl
import pytest

from curate.data.table import PAIR_COLUMNS
from curate.pipeline.config import parse_config
from curate.pipeline.filtering import Filtered, run_filters
from curate.pipeline.plan import make_plan
from curate.steps.context import Context
from curate.steps.contracts import Filter, FilterResult, Parameters, same_reason
from tests.helpers import numbered_pairs

PAIRS = numbered_pairs(6).with_columns(pl.Series("lengths.chosen", [1.0, 2, 3, 4, 5, 6]))


class Reads(Filter[Parameters]):
    """Keeps all pairs, and remembers what it was given."""

    name = "reads_some"
    summary = "for tests"
    Params = Parameters
    declared: ClassVar[tuple[str, ...]] = ()
    used: ClassVar[str | None] = None
    columns_read: ClassVar[list[list[str]]] = []

    def reads(self) -> tuple[str, ...]:
        return self.declared

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        self.columns_read.append(pairs.columns)
        if self.used is not None:
            _ = pairs[self.used]
        return same_reason(pl.repeat(True, len(pairs), eager=True), "never")


def filtered(monkeypatch: pytest.MonkeyPatch, reads: tuple[str, ...], used: str | None) -> Filtered:
    monkeypatch.setattr(Reads, "declared", reads)
    monkeypatch.setattr(Reads, "used", used)
    monkeypatch.setattr("curate.pipeline.plan.filter_class", lambda name, where: Reads)
    config: dict[str, Any] = {
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "reads_some"}],
    }
    return run_filters(make_plan(parse_config(config)), PAIRS, Context())


def test_a_filter_is_given_what_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    result = filtered(monkeypatch, ("lengths.chosen",), "lengths.chosen")
    assert Reads.columns_read[-1] == ["pair_id", "lengths.chosen"]
    assert result.kept_pairs.frame().columns == PAIRS.columns


def test_with_a_text_a_filter_is_given_whole_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    filtered(monkeypatch, ("prompt",), "annotator")
    assert set(PAIR_COLUMNS) <= set(Reads.columns_read[-1])


def test_a_filter_that_reads_more_than_it_declares_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RuntimeError, match=r"reads_some.*reads\(\) does not name.*source"):
        filtered(monkeypatch, ("lengths.chosen",), "source")


class DropsAll(Filter[Parameters]):
    """Drops every pair, with one code for all."""

    name = "drops_all"
    summary = "for tests"
    Params = Parameters
    code: ClassVar[str | None] = None

    def reads(self) -> tuple[str, ...]:
        return ()

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        keep = pl.repeat(False, len(pairs), eager=True)
        reason = pl.repeat("always", len(pairs), dtype=pl.String, eager=True)
        code = None if self.code is None else pl.Series([self.code] * len(pairs))
        return FilterResult(keep, reason, code=code)


def drop_codes_of_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("curate.pipeline.plan.filter_class", lambda name, where: DropsAll)
    plan = make_plan(parse_config({"filters": [{"type": "drops_all"}]}))
    return run_filters(plan, PAIRS, Context()).drops["drop_code"].to_list()


def test_the_default_drop_code_is_the_name_of_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drop_codes_of_run(monkeypatch) == ["drops_all"] * len(PAIRS)


def test_a_declared_drop_code_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DropsAll, "drop_codes", ("usual", "rare"))
    assert drop_codes_of_run(monkeypatch) == ["usual"] * len(PAIRS)
    monkeypatch.setattr(DropsAll, "code", "rare")
    assert drop_codes_of_run(monkeypatch) == ["rare"] * len(PAIRS)


def test_an_undeclared_drop_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DropsAll, "code", "other")
    with pytest.raises(RuntimeError, match=r"gives codes \['other'\], declared are"):
        drop_codes_of_run(monkeypatch)
