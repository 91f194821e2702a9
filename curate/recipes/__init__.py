"""Recipes: scorers and filters of published cleaning methods, one YAML file each.

Thirteen follow PrefCleanBench (arXiv 2509.23564) without what its released code gets wrong: ranks
point at the pairs that they were made of, nothing is drawn twice, no model scores what it was
trained on. Three are selections of 2025: RIP, BeeS and the small implicit gap. One is RE-PO's
two-sided soft labels.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from curate.errors import CurateError, suggestion

EVERY = "all"
_VOTERS = "voters"
"""Name of the reward models that only vote, for which small held-out heads may stand in."""
_FOLDER = Path(__file__).parent
_HEAD = """\
input:
{lines}
"""
_TAIL = """\
output:
  path: curated
  format: trl
seed: 0
"""


@dataclass(frozen=True)
class Recipe:
    """A recipe with the models that it is to use.

    Attributes:
        name: as listed.
        config: sections `scorers` and `filters` of a pipeline.
    """

    name: str
    config: dict[str, Any]


@dataclass(frozen=True)
class RecipeModels:
    """Models that stand in for those that the files name.

    Attributes:
        causal: causal language model (ifd); None: there is none.
        rewards: reward models; without any, small held-out heads vote (`committee`).
        policy: model that was tuned on preferences (implicit_reward), of which `causal` is the
            reference; None: there is none.
        judge: model at the endpoint (judge, ins_tag); None: there is none.
        judge_url: of the endpoint; default as the scorers say.
    """

    causal: str | None = None
    rewards: tuple[str, ...] = ()
    judge: str | None = None
    judge_url: str | None = None
    policy: str | None = None


def recipe_names() -> dict[str, str]:
    """Name and one-line summary of every recipe."""
    found = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        found[path.stem] = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    return found


def recipe_text(name: str) -> str:
    """The file of a recipe; raises CurateError with the nearest name if there is none."""
    names = recipe_names()
    if name not in names:
        fix = suggestion(name, names)
        raise CurateError("unknown recipe", where="--recipe", found=repr(name), fix=fix)
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def recipe_pipeline(name: str, data: str, lines: str | None = None) -> str:
    """A whole commented pipeline.yaml of a recipe; `lines` hold the keys of `input`."""
    lines = lines or f"  path: {data}"
    summary, _, rest = recipe_text(name).partition("\n")
    return f"{summary}\n{_HEAD.format(lines=lines)}{rest}{_TAIL}"


def with_models(
    names: list[str], models: RecipeModels
) -> tuple[tuple[Recipe, ...], dict[str, str]]:
    """The recipes with models that are at hand, and what the others lack.

    Args:
        names: of recipes, or `EVERY` alone.
        models: to put in.

    Raises:
        CurateError: there is no such recipe.
    """
    made, lacking = [], {}
    for name in list(recipe_names()) if names == [EVERY] else names:
        config = yaml.safe_load(recipe_text(name))
        found = [_step(step, models) for step in config["scorers"]]
        missing = [step for step in found if isinstance(step, str)]
        if missing:
            lacking[name] = missing[0]
        else:
            made.append(Recipe(name, config | {"scorers": found}))
    return tuple(made), lacking


def _step(step: dict[str, Any], models: RecipeModels) -> dict[str, Any] | str:
    """A scorer with its models put in, or what it lacks."""
    step = deepcopy(step)
    if step["type"] == "ifd":
        return step | {"model": models.causal} if models.causal else "needs a causal model: --model"
    if step["type"] in ("judge", "ins_tag"):
        if models.judge is None:
            return "needs a model behind an endpoint: --judge-model"
        return step | {"model": models.judge, "base_url": models.judge_url}
    if step["type"] == "reward_model":
        return _reward_step(step, models)
    if step["type"] == "implicit_reward":
        return _implicit_step(step, models)
    return step


def _implicit_step(step: dict[str, Any], models: RecipeModels) -> dict[str, Any] | str:
    if models.policy is None or models.causal is None:
        return "needs a tuned model and its reference: --policy, --model"
    return step | {"policy": models.policy, "reference": models.causal}


def _reward_step(step: dict[str, Any], models: RecipeModels) -> dict[str, Any] | str:
    if models.rewards:
        return step | {"models": list(models.rewards)}
    if step["name"] != _VOTERS:
        return "needs a reward model: --reward-model"
    return {"type": "committee", "name": step["name"]}
