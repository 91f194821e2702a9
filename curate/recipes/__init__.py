"""Recipes: scorers and filters of published cleaning methods, one YAML file each.

Thirteen follow PrefCleanBench (arXiv 2509.23564), with the bugs of its released code fixed: ranks
refer to the right pairs, no pair is drawn twice, and no model scores its own training pairs. Four
are selections from 2025: RIP, BeeS, the small implicit gap and DONOD. One has RE-PO's soft labels.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import yaml

from curate.data.json_types import JsonObject
from curate.errors import CurateError, suggestion

ALL_RECIPES = "all"
_VOTERS = "voters"
"""Name of reward models that only vote; small held-out probes can replace them."""
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
    """A recipe with its models.

    Attributes:
        name: name in `curate list --recipes`.
        config: the sections `scorers` and `filters` of a pipeline.
    """

    name: str
    config: dict[str, list[JsonObject]]


@dataclass(frozen=True)
class RecipeModels:
    """Models that replace those in the recipe files.

    Attributes:
        causal: causal language model (ifd).
        rewards: reward models; without any, small held-out probes vote (`committee`).
        policy: model tuned on preferences (implicit_reward), with `causal` as its reference.
        judge: endpoint model (judge, ins_tag).
        judge_url: base URL of the endpoint; the default of the scorers if None.
    """

    causal: str | None = None
    rewards: tuple[str, ...] = ()
    judge: str | None = None
    judge_url: str | None = None
    policy: str | None = None


def recipe_names() -> dict[str, str]:
    """Return the one-line summary of every recipe, by name."""
    summaries = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        summaries[path.stem] = (
            path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        )
    return summaries


def recipe_text(name: str) -> str:
    """Return the text of a recipe; raise CurateError with the closest name if there is none."""
    names = recipe_names()
    if name not in names:
        fix = suggestion(name, names)
        raise CurateError("unknown recipe", where="--recipe", found=repr(name), fix=fix)
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def recipe_pipeline(
    name: str, data: str, lines: str | None = None, single_answers: bool = False
) -> str:
    """Return a complete pipeline.yaml for a recipe; the arguments are those of
    `default_pipeline`.
    """
    lines = lines or f"  path: {data}"
    summary, _, sections = recipe_text(name).partition("\n")
    tail = _TAIL.replace("format: trl", "format: sft") if single_answers else _TAIL
    return f"{summary}\n{_HEAD.format(lines=lines)}{sections}{tail}"


def recipes_with_models(
    names: list[str], models: RecipeModels
) -> tuple[tuple[Recipe, ...], dict[str, str]]:
    """Return the recipes that can run with these models, and what the others need.

    Args:
        names: names of recipes, or only `EVERY`.
        models: the available models.

    Raises:
        CurateError: an unknown recipe.
    """
    runnable, not_runnable = [], {}
    for name in list(recipe_names()) if names == [ALL_RECIPES] else names:
        config = yaml.safe_load(recipe_text(name))
        steps = [_with_model(step, models) for step in config["scorers"]]
        missing = [step for step in steps if isinstance(step, str)]
        if missing:
            not_runnable[name] = missing[0]
        else:
            runnable.append(Recipe(name, config | {"scorers": steps}))
    return tuple(runnable), not_runnable


def _with_model(step: JsonObject, models: RecipeModels) -> JsonObject | str:
    """Return a scorer with its models, or what it needs."""
    step, kind = deepcopy(step), step["type"]
    if kind in ("judge", "ins_tag"):
        if models.judge is None:
            return "needs an endpoint model: --judge-model"
        return step | {"model": models.judge, "base_url": models.judge_url}
    if kind == "reward_model":
        return _reward_step(step, models)
    if kind == "implicit_reward":
        return _implicit_step(step, models)
    # Where one model is needed: the parameter that names it, the model, and what is missing.
    single = {
        "ifd": ("model", models.causal, "needs a causal model: --model"),
        "donod_lm": ("policy", models.policy, "needs the model to fine-tune: --policy"),
    }
    if kind not in single:
        return step
    parameter, model, problem = single[kind]
    return step | {parameter: model} if model else problem


def _implicit_step(step: JsonObject, models: RecipeModels) -> JsonObject | str:
    if models.policy is None or models.causal is None:
        return "needs a tuned model and its reference: --policy, --model"
    return step | {"policy": models.policy, "reference": models.causal}


def _reward_step(step: JsonObject, models: RecipeModels) -> JsonObject | str:
    if models.rewards:
        return step | {"models": list(models.rewards)}
    if step["name"] != _VOTERS:
        return "needs a reward model: --reward-model"
    return {"type": "committee", "name": step["name"]}
