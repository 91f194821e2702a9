"""The page of each goal holds its command and its pipeline, and prints what a run prints."""

from __future__ import annotations

import re

import pytest
import yaml

from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.recipes.goals import Goal, goal_summaries
from tests.goal_pages import FOLDER, VALUES, index, page, printed_output

GOALS = [Goal(name, VALUES.get(name)) for name in goal_summaries()]
# Counts of the others follow from probe models, whose last digits differ between machines.
DETERMINISTIC = ["balance", "decontaminate", "deduplicate"]


def written(goal: Goal) -> tuple[str, str, int]:
    """The page of a goal, and of it the output and the seconds."""
    text = (FOLDER / f"{goal.name}.md").read_text(encoding="utf-8")
    output = re.search(r"```text\n(.*?)\n```", text, re.S)
    seconds = re.search(r"took (\d+) CPU\nseconds", text)
    assert output
    assert seconds
    return text, output[1], int(seconds[1])


def test_the_index_lists_all_goals() -> None:
    assert (FOLDER / "index.md").read_text(encoding="utf-8") == index()
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert pages == set(goal_summaries())


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_a_page_shows_the_goal_as_it_is(goal: Goal) -> None:
    text, output, seconds = written(goal)
    assert text == page(goal, output, seconds)
    plan = make_plan(parse_config(yaml.safe_load(goal.pipeline("data.jsonl"))))
    step_names = set(re.findall(r"^ (\S+) +\d", output, re.M)) - {"all"}
    assert step_names
    assert step_names <= {step.name for step in plan.filters}
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_a_run_prints_what_the_page_shows(name: str) -> None:
    goal = Goal(name, VALUES.get(name))
    assert printed_output(goal)[0] == written(goal)[1]
