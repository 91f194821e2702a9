"""Pages of scorers and filters, from what their classes declare."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from curate.cli.list_steps import StepDescription
from curate.steps.contracts import Filter, Step
from curate.steps.declarations import Standing

ROOT = Path(__file__).parents[1]
STANDINGS = {
    Standing.RECOMMENDED: "it helped on all sets tried, or finds what is wrong in any set",
    Standing.SITUATIONAL: "it is for data of its kind",
    Standing.RESEARCH: "it gained nothing, or harmed, [where measured](../../explanation/proof.md)",
}
FIRST_PURPOSES = ("label noise", "keep or drop by label noise", "relabel or weight")
"""What most readers come for; the others follow in the order of `curate list`."""
REQUIRED_VALUES: dict[str, object] = {
    "judges": [{"model": "small-model"}, {"model": "large-model", "ask": "undecided"}],
    "against": ["gsm8k.jsonl"],
    "aspects": {"honesty": {"rating": "honesty"}, "helpfulness": {"rating": "helpfulness"}},
    "by": "source",
    "column": "reward_margin.margin",
    "condition": "score_chosen < score_rejected",
    "criteria": {"noise_score.score": "min", "lengths.difference": "min"},
    "keep": 0.9,
    "margins": ["reward_margin.margin"],
    "min_gap": 1,
    "model": "Qwen/Qwen2.5-0.5B-Instruct",
    "models": ["Skywork/Skywork-Reward-V2-Qwen3-0.6B"],
    "policy": "my-dpo-model",
    "reference": "Qwen/Qwen2.5-0.5B-Instruct",
    "rewards": {"helpful": {"rating": "helpfulness"}},
    "share": 0.1,
    "strong": "my-dpo-model",
    "targets": ["mt_bench.jsonl"],
    "weak": "Qwen/Qwen2.5-0.5B-Instruct",
}
"""Examples of the parameters without a default; those of one step only are below."""
STEP_VALUES: dict[str, dict[str, object]] = {
    "expression": {"drop": "strength < 0"},
    "fifa": {"keep": 0.9},
    "flip_where": {"condition": "strength < 0"},
    "implicit_reward": {"reference": "Qwen/Qwen2.5-0.5B-Instruct"},
    "pareto": {"keep": 0.9},
    "per_group": {"by": "source", "keep": 100, "order_by": "lengths.chosen"},
    "sample": {"rows": 1000},
    "tag_coverage": {"keep": 0.5},
    "threshold": {"column": "reward_margin.margin", "min": 0.0},
}
READ_SCORERS: dict[str, dict[str, object]] = {
    "label_em.posterior": {"type": "label_em"},
    "noise_score.": {"type": "noise_score"},
    "reward_margin.": {"type": "reward_margin"},
    "reward_model.": {"type": "reward_model", "models": REQUIRED_VALUES["models"]},
    "lengths.": {"type": "lengths"},
    "uncertainty.": {"type": "uncertainty"},
    "ins_tag.": {"type": "ins_tag", "model": "my-model"},
    "knn_diversity.": {"type": "knn_diversity"},
}
"""Scorers whose columns the example of a filter reads, by the beginning of the column."""
READING_FILTERS: dict[str, dict[str, object]] = {
    "challenging": {"type": "uncertainty"},
    "decontaminate": {"type": "contamination", "against": ["gsm8k.jsonl"]},
    "delta": READ_SCORERS["reward_model."],
    "fifa": READ_SCORERS["knn_diversity."],
}
"""Filters that read a scorer which none of their parameters names."""


def cell(value: object) -> str:
    """Return a text that stays within its cell of a table."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    """Return the lines of a table, and an empty one."""
    lines = [" | ".join(head), "|".join(["---"] * len(head))]
    lines += [" | ".join(map(cell, row)) for row in rows]
    return [f"| {line} |" if not line.startswith("---") else f"|{line}|" for line in lines] + [""]


def step_example(name: str, entry: StepDescription) -> dict[str, object]:
    """Return the configuration of one step, with a value for each required parameter."""
    required = [key for key, value in entry.parameters.items() if value.default == "required"]
    values = {key: REQUIRED_VALUES[key] for key in required if key in REQUIRED_VALUES}
    return {"type": name} | values | STEP_VALUES.get(name, {})


def example_config(name: str, entry: StepDescription, step: type[Step[Any]]) -> dict[str, object]:
    """Return a pipeline in which the step runs, with the scorers that a filter reads."""
    example = step_example(name, entry)
    if not issubclass(step, Filter):
        return {"scorers": [example]}
    text = str(example) + str({key: value.default for key, value in entry.parameters.items()})
    scorers = [scorer for mark, scorer in READ_SCORERS.items() if mark in text]
    if name in READING_FILTERS:
        scorer = READING_FILTERS[name]
        scorers.append(scorer)
    return ({"scorers": scorers} if scorers else {}) | {"filters": [example]}


def split_docstring(step: type[Step[Any]]) -> tuple[str, str]:
    """Return the prose of a step's docstring, and its example as Python code."""
    prose, _, example = (inspect.getdoc(step) or "").partition("\nExamples:\n")
    return prose.strip(), textwrap.dedent(example).strip()


def source_file(step: type[Step[Any]]) -> Path:
    """Return the file of a step's class, relative to the root of the project."""
    # The package has links to the folders of methods at the top.
    return Path(inspect.getfile(step)).resolve().relative_to(ROOT)


def step_page(name: str, entry: StepDescription, step: type[Step[Any]]) -> str:
    """Return the page of one scorer or filter."""
    prose, example = split_docstring(step)
    lines = [f"# `{name}`", "", f"*{entry.summary[0].upper()}{entry.summary[1:]}.*", ""]
    lines += ["```yaml", _as_yaml(example_config(name, entry, step)), "```", ""]
    if entry.when:
        lines += [f"**When.** {entry.when}", ""]
    standing = entry.standing
    lines += [f"**Standing.** {standing.capitalize()}: {STANDINGS[standing]}.", ""]
    lines += [f"**Cost.** {entry.cost.capitalize()}.", ""]
    lines += ["## What it computes", "", prose, ""]
    if entry.purpose in FIRST_PURPOSES:
        lines += ["The formulas: [the posterior](../../explanation/posterior.md).", ""]
    if entry.reference:
        lines += [f"**Paper.** {entry.reference}", ""]
    lines += _output_lines(entry, step)
    if entry.parameters:
        rows = [(f"`{k}`", f"`{cell(p.default)}`", p.meaning) for k, p in entry.parameters.items()]
        lines += ["## Parameters", "", *table(("parameter", "default", "meaning"), rows)]
    if example:
        lines += ["## Example", "", "```pycon", example, "```", ""]
    path = source_file(step)
    lines += [f"Source: [`{path}`](../source/{path.with_suffix('.txt')})"]
    return "\n".join(lines) + "\n"


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=90).strip()


def _output_lines(entry: StepDescription, step: type[Step[Any]]) -> Iterator[str]:
    """Yield what a step writes: columns with ranges, and codes of dropped pairs."""
    if not entry.columns and not issubclass(step, Filter):
        return
    yield from ("## Output", "")
    if entry.columns:
        rows = [(f"`{c.name}`", c.unit, c.meaning, c.direction) for c in entry.columns]
        yield from table(("column", "range or unit", "meaning", "direction"), rows)
    if issubclass(step, Filter):
        codes = ", ".join(f"`{code}`" for code in step.all_drop_codes())
        drops = "Dropped pairs have one of these [codes](../filters.md#drop-codes)"
        yield from (f"{drops}, and a reason with their own numbers: {codes}.", "")


def step_index(steps: dict[str, StepDescription], folder: str) -> str:
    """Return a table of all steps of a section for each purpose, label noise first."""
    lines: list[str] = []
    purposes = list(dict.fromkeys(entry.purpose for entry in steps.values()))
    for purpose in sorted(purposes, key=lambda p: (p not in FIRST_PURPOSES, purposes.index(p))):
        lines += ["", f"## {purpose.capitalize()}", ""]
        entries = [item for item in steps.items() if item[1].purpose == purpose]
        entries.sort(key=lambda item: list(STANDINGS).index(item[1].standing))
        rows = [
            (f"[`{name}`]({folder}/{name}.md)", entry.standing, entry.summary, entry.when)
            for name, entry in entries
        ]
        lines += table(("name", "standing", "does", "when"), list(rows))
    return "\n".join(lines) + "\n"


Loader = Callable[[str], type[Step[Any]]]
