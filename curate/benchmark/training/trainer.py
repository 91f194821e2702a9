"""The user's own training: a command with a metric in a file, or a function."""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import string
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from curate.errors import CurateError
from curate.option_names import option_name

LOG = "log.txt"
_LOG_TAIL = 500
"""Characters of a log that an error quotes."""
_PATIENCE = 10.0
"""Seconds that a training has to end after it was asked to."""


@dataclass(frozen=True)
class TrainingJob:
    """One training.

    Attributes:
        variant: name of the variant.
        seed: seed to train with; all variants get the same seeds.
        data: folder of the shards to train on, in the trainer's format.
        held_out: folder of the shards to evaluate on; None where nothing is held out.
        output: empty folder for what the training writes.
        gpu: number of the GPU to train on; None: as the environment has it.
    """

    variant: str
    seed: int
    data: Path
    held_out: Path | None
    output: Path
    gpu: str | None = None


Train = Callable[[TrainingJob], float]
"""Trains, evaluates, and returns the metric."""


class TrainingCommand:
    """A command that trains, and the file from which the metric is read afterwards.

    Args:
        command: words with {data}, {seed}, {out} and, for held-out pairs, {eval}. It is run without
            a shell, in the current folder.
        metric: file and key, such as "{out}/eval.json:accuracy"; nested keys with dots.

    Raises:
        CurateError: an unknown placeholder, or one that is missing.
    """

    def __init__(self, command: str, metric: str) -> None:
        self.words = _split_command(command)
        self.metric_file, _, self.metric_key = metric.rpartition(":")
        placeholders = _placeholders(command)
        if missing := {"data", "seed", "out"} - placeholders:
            names = ", ".join(f"{{{name}}}" for name in sorted(missing))
            raise CurateError(
                "the command misses placeholders", where=option_name("train"), found=names
            )
        if not self.metric_file or not self.metric_key:
            expected = "FILE:KEY, such as {out}/eval.json:accuracy"
            raise CurateError(
                "wrong metric", where=option_name("metric"), found=repr(metric), expected=expected
            )
        for option, text in ((option_name("train"), command), (option_name("metric"), metric)):
            if unknown := _placeholders(text) - {"data", "seed", "out", "eval"}:
                names = ", ".join(f"{{{name}}}" for name in sorted(unknown))
                expected = "{data}, {seed}, {out}, {eval}"
                raise CurateError(
                    "unknown placeholder", where=option, found=names, expected=expected
                )
        self.needs_held_out = "eval" in placeholders
        self.description = f"{command} -> {metric}"
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def __call__(self, job: TrainingJob) -> float:
        """Run the command and return the metric.

        Raises:
            CurateError: the command fails, or its metric cannot be read.
        """
        values = {
            "data": job.data,
            "seed": job.seed,
            "out": job.output,
            "eval": job.held_out,
        }
        log = job.output.parent / LOG
        code = self._run([_fill(word, values) for word in self.words], log, job.gpu)
        if code != 0:
            raise CurateError(
                f"the training of {job.variant!r} with seed {job.seed} failed",
                where=str(log),
                found=f"exit code {code}; {_tail(log)}",
                fix="mend the command and run the same bench again: finished trainings are kept",
            )
        return _read_metric(Path(_fill(self.metric_file, values)), self.metric_key)

    def _run(self, words: list[str], log: Path, gpu: str | None) -> int:
        environment = os.environ | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
        with log.open("wb") as file:
            try:
                # A group of its own, so that workers of the training end with it.
                process = subprocess.Popen(
                    words,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                problem = "the training command cannot be started"
                raise CurateError(problem, where=words[0], found=error.strerror) from None
            with self._lock:
                self._processes.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._processes.discard(process)

    def stop(self) -> None:
        """End the trainings that are running."""
        with self._lock:
            processes = list(self._processes)
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _split_command(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CurateError(
            "the command cannot be read", where=option_name("train"), found=str(error)
        ) from None
    if not words:
        raise CurateError("the command is empty", where=option_name("train"))
    return words


def _placeholders(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise CurateError(
            "the placeholders cannot be read",
            where=repr(text),
            found=str(error),
            fix="write {{ and }} for braces that are no placeholder",
        ) from None


def _fill(text: str, values: Mapping[str, object]) -> str:
    return string.Formatter().vformat(text, (), values)


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    return " ".join(text[-_LOG_TAIL:].split()) or "nothing logged"


def _read_metric(path: Path, key: str) -> float:
    """Return a number of a JSON file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        for name in key.split("."):
            value = value[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CurateError(
            "the metric cannot be read",
            where=f"{path}:{key}",
            found=f"{type(error).__name__}: {error}",
            expected="a JSON file with this key",
        ) from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        where, expected = f"{path}:{key}", "a finite number"
        raise CurateError(
            "the metric is no number", where=where, found=repr(value), expected=expected
        )
    return float(value)
