"""A bench whose judge is the user's own training."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from curate.benchmark.actions import pipeline_lines
from curate.benchmark.data import held_out_mask
from curate.benchmark.run import KEEP_ALL
from curate.benchmark.training.report import TrainingReport, TrainingRun, training_sentences
from curate.benchmark.training.schedule import (
    MIN_SEEDS,
    TrainingSchedule,
    TrainingTask,
    Values,
    VariantGain,
    best_variant,
    run_schedule,
)
from curate.benchmark.training.trainer import Train, TrainingCommand, TrainingJob
from curate.benchmark.training.training_folder import REPORT, TrainingFolder
from curate.benchmark.training.variants import (
    ADVICE,
    Variant,
    VariantFormat,
    advised_variant,
    find_variants,
    write_variant,
)
from curate.data.checksums import file_digest
from curate.data.json_types import JsonObject
from curate.data.table import fingerprint_pairs
from curate.errors import CurateError
from curate.option_names import option_name
from curate.read.pairs import Pairs, read_pairs
from curate.recipes import Recipe
from curate.steps.context import Context, Progress, SilentProgress
from curate.write.shards import write_json

_HELD_OUT = "held out"
_ADVICE_SEEDS = 2
"""Seeds of the bench by probe models that gives the variant `advice`."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a bench by training is run.

    Attributes:
        variants: names of the variants; see `find_variants`.
        seeds: seeds of each variant that is trained to the end.
        runs: trainings at most, which decides the number of seeds; None: as many as seeds need.
        hours: no training starts after so many hours; None: no limit.
        gpus: numbers of the GPUs, each of which runs one training at a time.
        lower_is_better: whether the metric is a loss.
        form: how variants are written.
        sections: sections of pipeline.yaml that all variants share, such as gold.
        holds_out: whether a fifth of the prompts is kept for evaluation.
    """

    variants: tuple[str, ...] = (ADVICE,)
    seeds: int = 5
    runs: int | None = None
    hours: float | None = None
    gpus: tuple[str, ...] = ()
    lower_is_better: bool = False
    form: VariantFormat = field(default_factory=VariantFormat)
    sections: JsonObject = field(default_factory=dict)
    holds_out: bool = False

    def schedule(self, variants: Sequence[Variant]) -> TrainingSchedule:
        """Return the schedule of these variants.

        Raises:
            CurateError: too few seeds or runs.
        """
        names = tuple(variant.name for variant in variants)
        if self.runs is not None and names:
            return TrainingSchedule.within(names, self.runs)
        if self.seeds < MIN_SEEDS:
            problem, least = "too few seeds", f"{MIN_SEEDS} or more"
            raise CurateError(
                problem, where=option_name("seeds"), found=str(self.seeds), expected=least
            )
        return TrainingSchedule(names, self.seeds)


def bench_training(
    data: object,
    train: Train,
    folder: str | Path,
    options: TrainingOptions | None = None,
    progress: Progress | None = None,
) -> TrainingReport:
    """Train on variants, and return their gains; the same call goes on where one was ended.

    Args:
        data: pairs of `read_pairs`, or anything it accepts.
        train: trains, evaluates and returns the metric.
        folder: for the data of the variants, logs and results.
        options: what is compared, and the budget.
        progress: receives the progress; default none.

    Raises:
        CurateError: a wrong option, a training that fails, or a folder with another bench.

    Examples:
        >>> rows = [{"prompt": f"{n}?", "chosen": f"{n}", "rejected": "?"} for n in range(60)]
        >>> options = TrainingOptions(variants=("drop 20 %",), seeds=3)
        >>> report = bench_training(rows, lambda job: 0.1 * job.seed, "bench", options)
        >>> report.advice is None, report.gains[0].verdict
        (True, 'changes nothing')
    """
    options = options or TrainingOptions()
    variants = find_variants(options.variants)
    options.schedule(variants)  # too small a budget is found before anything is read
    pairs = data if isinstance(data, Pairs) else read_pairs(data)
    pairs.require_two_answers("bench")
    bench = _TrainingBench(Path(folder), train, options, progress or SilentProgress())
    notes = bench.prepare(variants, pairs)
    schedule = options.schedule(bench.variants)
    sign = -1 if options.lower_is_better else 1
    gains = run_schedule(schedule, bench.measure, sign)[0] if bench.variants else []
    report = bench.report(gains, schedule, notes)
    write_json(report.to_json(), bench.folder.path / REPORT)
    return report


class _TrainingBench:
    """A bench with the data of its variants."""

    def __init__(
        self, folder: Path, train: Train, options: TrainingOptions, progress: Progress
    ) -> None:
        self.folder, self.variants = TrainingFolder(folder), list[Variant]()
        """The variants whose pairs differ from all pairs, and from each other."""
        self._train, self._options, self._progress = train, options, progress
        self._shards: dict[str, Path] = {}
        self._runs: list[TrainingRun] = []
        self._start, self._is_over, self._is_complete = time.monotonic(), False, True
        self._gpus: queue.Queue[str] = queue.Queue()
        for gpu in options.gpus:
            self._gpus.put(gpu)

    def prepare(self, variants: list[Variant], pairs: Pairs) -> list[str]:
        """Write the data of the variants; return notes on those that are left out."""
        is_held_out = pl.Series(held_out_mask(Context().prompt_groups(pairs.frame), 0))
        training_pairs = _take(pairs, ~is_held_out) if self._options.holds_out else pairs
        request = self._request(variants, pairs)
        complete = self.folder.load_variants(request)
        if complete is None:
            complete = [self._complete(variant, training_pairs) for variant in variants]
            self.folder.save_plan(request, complete)
        if self._options.holds_out:
            self._write(Variant(_HELD_OUT, {}), _take(pairs, is_held_out))
        digests = {self._write(Variant(KEEP_ALL, {}), training_pairs): KEEP_ALL}
        notes = []
        for variant in complete:
            same = digests.setdefault(self._write(variant, training_pairs), variant.name)
            if same == variant.name:
                self.variants.append(variant)
            else:
                notes.append(f"'{variant.name}' is not trained: its data is that of '{same}'")
        return notes

    def _request(self, variants: list[Variant], pairs: Pairs) -> JsonObject:
        """Return what decides the values of the bench: a resumed one must agree in it."""
        train, options = self._train, self._options
        return {
            "train": train.description
            if isinstance(train, TrainingCommand)
            else getattr(train, "__qualname__", ""),
            "variants": {variant.name: variant.sections for variant in variants},
            "seeds": options.seeds,
            "runs": options.runs,
            "lower_is_better": options.lower_is_better,
            "format": [options.form.export, options.form.file_type],
            "sections": options.sections,
            "holds_out": options.holds_out,
            "pairs": fingerprint_pairs(pairs.frame),
        }

    def _complete(self, variant: Variant, pairs: Pairs) -> Variant:
        """Return a variant with all its sections; that of `ADVICE` is found here."""
        if variant.name == ADVICE:
            variant = advised_variant(pairs, _ADVICE_SEEDS, self._progress)
        return replace(variant, sections={**self._options.sections, **variant.sections})

    def _write(self, variant: Variant, pairs: Pairs) -> str:
        """Write a variant's pairs; return a checksum of its shards."""
        place = self.folder.data(variant.name)
        shards = write_variant(variant, pairs, place, self._options.form, self._progress)
        self._shards[variant.name] = shards
        files = sorted(path for path in shards.rglob("*") if path.is_file())
        return "".join(file_digest(path).hex() for path in files)

    def measure(self, tasks: Sequence[TrainingTask]) -> Values:
        """Return the metric of each task; without those that the hours do not allow."""
        runs = {task: self.folder.find_run(task) for task in tasks}
        missing = [task for task, run in runs.items() if run is None]
        with self._progress.task("train", len(missing)) as bar, self._workers() as workers:
            for task, run in zip(missing, workers.map(self._train_one, missing), strict=True):
                runs[task] = run
                bar.advance(1)
        self._runs += [run for run in runs.values() if run is not None]
        self._is_complete &= None not in runs.values()
        return {task: run.metric for task, run in runs.items() if run is not None}

    @contextmanager
    def _workers(self) -> Iterator[ThreadPoolExecutor]:
        """Provide one thread for each GPU; the first error ends all trainings."""
        workers = ThreadPoolExecutor(max_workers=max(len(self._options.gpus), 1))
        try:
            yield workers
        except BaseException:
            self._is_over = True
            if isinstance(self._train, TrainingCommand):
                self._train.stop()
            raise
        finally:
            workers.shutdown(cancel_futures=True)

    def _train_one(self, task: TrainingTask) -> TrainingRun | None:
        """Train, and keep the result; None where the time is over."""
        hours = self._options.hours
        is_late = hours is not None and time.monotonic() - self._start > 3600 * hours
        if is_late or self._is_over:
            return None
        gpu = self._gpus.get() if self._options.gpus else None
        started = time.monotonic()
        try:
            held_out = self._shards.get(_HELD_OUT)
            output = self.folder.new_output(task)
            data = self._shards[task.variant]
            metric = float(self._train(TrainingJob(*task, data, held_out, output, gpu)))
        finally:
            if gpu is not None:
                self._gpus.put(gpu)
        run = TrainingRun(*task, metric, time.monotonic() - started)
        self.folder.save_run(run)
        return run

    def report(
        self, gains: list[VariantGain], schedule: TrainingSchedule, notes: list[str]
    ) -> TrainingReport:
        """Return what was found."""
        best = best_variant(gains)
        sections = {variant.name: dict(variant.sections) for variant in self.variants}
        lines = "" if best is None else _advice_lines(best.variant, sections[best.variant])
        return TrainingReport(
            None if best is None else best.variant,
            training_sentences(gains, schedule, self._is_complete),
            lines,
            tuple(gains),
            tuple(self._runs),
            schedule.seeds,
            self._is_complete,
            tuple(notes),
        )


def _advice_lines(name: str, sections: JsonObject) -> str:
    steps = {key: sections.pop(key, []) for key in ("scorers", "filters")}
    return pipeline_lines(Recipe(name, steps), sections)  # type: ignore[arg-type]


def _take(pairs: Pairs, mask: pl.Series) -> Pairs:
    """Return some of the pairs."""
    return Pairs(pairs.frame.filter(mask), format=pairs.format, folders=pairs.folders)
