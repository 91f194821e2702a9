"""Steps that a bench may recommend, each of which can be copied into a pipeline."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from curate.data.json_types import Json
from curate.recipes import Recipe

_STEPS: dict[str, str] = {
    "signed_weights": """\
scorers: [{type: label_em}]
filters: [{type: signed_weights}]
""",
    "soft_labels": """\
scorers: [{type: label_em}]
filters: [{type: soft_labels}]
""",
    "drop_wrong": """\
scorers: [{type: label_em}]
filters: [{type: drop_wrong}]
""",
    "reweight": """\
scorers: [{type: label_em}]
filters: [{type: reweight}]
""",
    "flip": """\
scorers: [{type: label_em}]
filters: [{type: flip}]
""",
    "drop 20 %": """\
scorers: [{type: noise_score}]
filters: [{type: quantile, column: noise_score.score, keep: 0.8, prefer: min}]
""",
}
ACTIONS = tuple(Recipe(name, yaml.safe_load(text)) for name, text in _STEPS.items())
DEFAULT = "signed_weights"
"""What is advised where nothing is proven: where the posterior knows nothing, all pairs weigh the
same (docs/explanation/proof.md)."""


def pipeline_lines(recipe: Recipe, sections: Mapping[str, Json] | None = None) -> str:
    """Return a pipeline that does it, one line a step.

    Args:
        recipe: scorers and filters.
        sections: the other sections; without any the lines are a fragment of a pipeline.
    """
    before = {k: v for k, v in (sections or {}).items() if k != "output"}
    after = {k: v for k, v in (sections or {}).items() if k == "output"}
    lines = [yaml.safe_dump(before, sort_keys=False, allow_unicode=True).strip()] if before else []
    for section in ("scorers", "filters"):
        lines.append(f"{section}:")
        for step in recipe.config[section]:
            # yaml breaks lines at 80 columns by default; a step should stay one line to copy.
            flow = yaml.safe_dump(step, default_flow_style=True, sort_keys=False, width=1000)
            lines.append(f"  - {flow.strip()}")
    lines += [yaml.safe_dump(after, sort_keys=False).strip()] if after else []
    return "\n".join(lines)
