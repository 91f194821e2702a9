"""Goals: a pipeline for each thing that people want of a dataset, one YAML file each.

`{goal}.yaml` in the folder `goals` begins with a line that says what it does. It names `DATA` and,
where the goal needs one, a `VALUE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from curate.errors import CurateError, suggestion

_FOLDER = Path(__file__).parent / "goals"
_INPUT = "  path: DATA\n"
_VALUES = {
    "decontaminate": ("the file of the evaluation prompts", "evals.jsonl"),
    "shrink": ("a number of pairs", "1000"),
    "on-policy": ("the model that you will train", "org/model"),
}
"""What a goal needs, and an example of it."""


@dataclass(frozen=True)
class Goal:
    """A goal as the command line names it: `denoise`, `shrink=1000`.

    Attributes:
        name: name of the goal.
        value: what the goal needs: a number of pairs, a file, a model; None for most.
    """

    name: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Return the goal of a text.

        Raises:
            CurateError: no such goal, no value where it needs one, or one where it takes none.

        Examples:
            >>> Goal.parse("shrink=1000")
            Goal(name='shrink', value='1000')
        """
        name, _, value = (part.strip() for part in text.partition("="))
        summaries = goal_summaries()
        if name not in summaries:
            fix = suggestion(name, summaries)
            raise CurateError("unknown goal", where="--goal", found=repr(name), fix=fix)
        if name in _VALUES and not value:
            what, example = _VALUES[name]
            fix = f"--goal {name}={example}"
            raise CurateError(f"the goal {name} needs {what}", where="--goal", fix=fix)
        if name not in _VALUES and value:
            raise CurateError(f"the goal {name} takes no value", where="--goal", found=repr(value))
        if name == "shrink" and not value.isdecimal():
            raise CurateError(
                "not a number of pairs", where="--goal shrink", found=repr(value), expected="1000"
            )
        return cls(name, value or None)

    def pipeline(self, data: str, lines: str | None = None) -> str:
        """Return the pipeline.yaml of the goal; arguments as those of `default_pipeline`."""
        text = (_FOLDER / f"{self.name}.yaml").read_text(encoding="utf-8")
        lines = lines or f"  path: {data}"
        if self.value is not None:
            text = text.replace("VALUE", _yaml_value(self.value), 1)
        return text.replace(_INPUT, f"{lines}\n", 1)


def _yaml_value(value: str) -> str:
    """Return a value as it stands in a list or mapping of one line."""
    if value.isdecimal():
        return value
    text: str = yaml.safe_dump([value], default_flow_style=True, width=10_000)
    return text.strip().removeprefix("[").removesuffix("]")


def goal_summaries() -> dict[str, str]:
    """Return what each goal does, by its name."""
    paths = sorted(_FOLDER.glob("*.yaml"))
    first_lines = (path.read_text(encoding="utf-8").partition("\n")[0] for path in paths)
    return {p.stem: line.removeprefix("# ") for p, line in zip(paths, first_lines, strict=True)}
