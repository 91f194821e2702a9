"""Plug-ins that clash, break or are given other pairs harm nobody else."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.cli.app import app
from curate.pipeline.schema import pipeline_schema
from curate.steps import entries
from curate.steps.context import Context
from curate.steps.registry import scorer_class
from tests.helpers import numbered_pairs

HERE = "tests.robustness.test_plug_ins"


def plug_in(monkeypatch: pytest.MonkeyPatch, *added: tuple[str, str]) -> None:
    """Entry points beside the built-in ones."""
    real = entries.entry_points

    def both(group: str) -> list[EntryPoint]:
        modules = [EntryPoint(name, value, group) for name, value in added]
        return (
            [*modules, *real(group=group)] if group == entries.SCORERS else list(real(group=group))
        )

    monkeypatch.setattr(entries, "entry_points", both)
    entries.entry_point_by_name.cache_clear()
    entries.entry_points_by_name.cache_clear()


@pytest.fixture(autouse=True)
def clean() -> object:
    yield
    entries.entry_point_by_name.cache_clear()
    entries.entry_points_by_name.cache_clear()


def test_a_plug_in_named_as_a_built_in_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("lengths", "tests.curate.plugin:Words"))
    with pytest.raises(CurateError, match="several plug-ins") as caught:
        scorer_class("lengths")
    assert "tests.curate.plugin:Words" in str(caught.value)
    assert "curate.scorers.lengths:Lengths" in str(caught.value)
    assert scorer_class("refusal").name == "refusal"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module:X", "ModuleNotFoundError"),
        (f"{HERE}:Nothing", "AttributeError"),
        ("tests.robustness.broken_plug_in:X", "ZeroDivisionError"),
        (f"{HERE}:HERE", "is not a scorer"),
    ],
)
def test_a_broken_plug_in_is_told_and_the_others_go_on(
    value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch, ("broken", value))
    with pytest.raises(CurateError, match=message) as caught:
        Pipeline({"scorers": [{"type": "broken"}]})
    assert value in str(caught.value)
    listed = CliRunner().invoke(app, ["list"])
    assert listed.exit_code == 0
    assert "noise_score" in listed.stdout
    assert "broken" in listed.output
    names = pipeline_schema()["properties"]["scorers"]["items"]["properties"]["type"]["enum"]
    assert "noise_score" in names
    assert "broken" not in names
    assert len(Pipeline({"scorers": [{"type": "lengths"}]}).run(Pairs(numbered_pairs(5))).kept) == 5


def test_a_plug_in_for_old_paths_is_told_the_new(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, ("old", "tests.robustness.old_plug_in:X"))
    with pytest.raises(CurateError, match=r"import from 'curate\.data\.table'"):
        scorer_class("old")


def test_what_is_asked_of_other_pairs_is_of_those_pairs() -> None:
    context = Context()
    first, second = numbered_pairs(50, prompts=7), numbered_pairs(20)
    groups = context.prompt_groups(first).tolist()
    assert sorted(set(groups)) == list(range(7))
    assert groups == [groups[i % 7] for i in range(50)]
    of_second = context.prompt_groups(second).tolist()
    assert sorted(of_second) == list(range(20))
    assert (
        context.prompt_groups(first[::-1]).tolist() == Context().prompt_groups(first[::-1]).tolist()
    )
    assert context.prompt_groups(first[:20]).shape == (20,)
    assert context.same_answers(first).shape == (50,)
    assert context.same_answers(second).shape == (20,)
    same = second.with_columns(rejected="chosen")
    assert np.array_equal(Context().same_answers(same), np.ones(20, dtype=bool))
    assert context.for_step().prompt_groups(second).tolist() == of_second
