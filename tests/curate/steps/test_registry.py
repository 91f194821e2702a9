from __future__ import annotations

import pkgutil
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from curate import CurateError
from curate.steps import registry
from curate.steps.declarations import Standing
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import build_step, filter_class, scorer_class


def test_every_file_and_package_of_the_two_folders_is_registered() -> None:
    home = Path(registry.__file__).parents[2]
    for folder, names in (("scorers", scorer_names()), ("filters", filter_names())):
        places = (home / folder, home / folder / "research")
        steps = {module.name for module in pkgutil.iter_modules(map(str, places))} - {"research"}
        # Modules within a package are of its step alone.
        assert steps == set(names)


def test_steps_of_research_lie_apart_and_give_the_figure() -> None:
    steps = [scorer_class(name) for name in scorer_names()]
    steps += [filter_class(name) for name in filter_names()]
    for step in steps:
        is_research = step.standing is Standing.RESEARCH
        assert (".research." in step.__module__) == is_research, step
        assert not is_research or re.search(r"\d|six datasets", step.when), step


def test_a_plugin_that_is_no_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("odd", "pathlib:Path", "curate.scorers")
    monkeypatch.setattr(registry, "entry_point_by_name", lambda group: {"odd": entry})
    monkeypatch.setattr(registry, "entry_points_by_name", lambda group: {"odd": [entry]})
    with pytest.raises(CurateError, match="is not a scorer"):
        scorer_class("odd")


def test_a_plugin_from_another_package_is_used_like_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = EntryPoint("words", "tests.curate.plugin:Words", "curate.scorers")
    monkeypatch.setattr(registry, "entry_point_by_name", lambda group: {"words": entry})
    monkeypatch.setattr(registry, "entry_points_by_name", lambda group: {"words": [entry]})
    scorer = build_step(scorer_class("words"), {}, "scorers.0")
    assert scorer.columns()[0].name == "count"
