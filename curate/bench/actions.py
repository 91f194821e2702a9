"""What a bench may advise: steps that can be written into a pipeline as they stand."""

from __future__ import annotations

import yaml

from curate.recipes import Recipe

_STEPS: dict[str, str] = {
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
    "drop 10 %": """\
scorers: [{type: noise_score}]
filters: [{type: quantile, column: noise_score.score, keep: 0.9, prefer: min}]
""",
    "drop 20 %": """\
scorers: [{type: noise_score}]
filters: [{type: quantile, column: noise_score.score, keep: 0.8, prefer: min}]
""",
}
ACTIONS = tuple(Recipe(name, yaml.safe_load(text)) for name, text in _STEPS.items())
DEFAULT = "reweight"
"""What is advised where nothing is proven: chosen on Auto-J and LLMBar (docs/proof.md)."""


def as_lines(recipe: Recipe) -> str:
    """The sections of a pipeline that do it, one line a step."""
    lines = []
    for section in ("scorers", "filters"):
        lines.append(f"{section}:")
        for step in recipe.config[section]:
            flow = yaml.safe_dump(step, default_flow_style=True, sort_keys=False, width=1000)
            lines.append(f"  - {flow.strip()}")
    return "\n".join(lines)
