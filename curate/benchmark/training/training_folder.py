"""The folder of a bench by training: its plan, data, logs and results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.benchmark.training.report import TrainingRun
from curate.benchmark.training.schedule import TrainingTask
from curate.benchmark.training.variants import Variant, folder_name
from curate.data.json_types import JsonObject
from curate.errors import CurateError
from curate.option_names import option_name
from curate.write.shards import write_json

PLAN, REPORT = "plan.json", "training.json"
_RESULT = "result.json"


@dataclass(frozen=True)
class TrainingFolder:
    """Where a bench keeps what is finished, so that the same call can go on.

    Attributes:
        path: the folder.
    """

    path: Path

    def data(self, variant: str) -> Path:
        """Return the folder of a variant's pairs."""
        return self.path / "data" / folder_name(variant)

    def load_variants(self, request: JsonObject) -> list[Variant] | None:
        """Return the variants of an earlier call; None if the folder is new.

        Args:
            request: what was asked for; it must be the same.

        Raises:
            CurateError: the folder holds another bench, or something else.
        """
        file = self.path / PLAN
        if not file.is_file():
            self._check_empty()
            return None
        try:
            plan = json.loads(file.read_text(encoding="utf-8"))
            earlier, variants = plan["request"], plan["variants"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problem = "the plan of the bench cannot be read"
            raise CurateError(problem, where=str(file), found=str(error)) from None
        if different := sorted(key for key in request if earlier.get(key) != request[key]):
            raise CurateError(
                "the folder holds another bench",
                where=str(self.path),
                found=f"different: {', '.join(different)}",
                fix=f"use another {option_name('folder', 'output')}, or the same options",
            )
        return [Variant(name, sections) for name, sections in variants]

    def _check_empty(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir() or any(self.path.iterdir()):
            raise CurateError(
                "the output is not empty and holds no bench by training",
                where=str(self.path),
                fix=f"use another {option_name('folder', 'output')}",
            )

    def save_plan(self, request: JsonObject, variants: list[Variant]) -> None:
        """Write what was asked for, and the pipelines that are compared."""
        self.path.mkdir(parents=True, exist_ok=True)
        sections = {variant.name: variant.sections for variant in variants}
        write_json({"request": request, "variants": sections}, self.path / PLAN)

    def find_run(self, task: TrainingTask) -> TrainingRun | None:
        """Return a finished training; None if it has to be run."""
        file = self._run_folder(task) / _RESULT
        if not file.is_file():
            return None
        values: Mapping[str, float] = json.loads(file.read_text(encoding="utf-8"))
        return TrainingRun(*task, values["metric"], values["seconds"])

    def new_output(self, task: TrainingTask) -> Path:
        """Return an empty folder for a training; what an interrupted one left is removed."""
        folder = self._run_folder(task)
        if folder.exists():
            shutil.rmtree(folder)
        output = folder / "out"
        output.mkdir(parents=True)
        return output

    def save_run(self, run: TrainingRun) -> None:
        """Write the result of a training, after which it counts as finished."""
        folder = self._run_folder(TrainingTask(run.variant, run.seed))
        write_json({"metric": run.metric, "seconds": run.seconds}, folder / _RESULT)

    def _run_folder(self, task: TrainingTask) -> Path:
        return self.path / "runs" / folder_name(task.variant) / f"seed-{task.seed}"
