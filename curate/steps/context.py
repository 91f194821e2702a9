"""What a step can use besides the pairs: settings, random numbers, progress, and their views."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from curate.data.json_types import JsonObject
from curate.data.renamed import warn_renamed
from curate.steps.evidence import LabelEvidence
from curate.steps.models import Inference
from curate.steps.pair_view import PairView, PairViews
from curate.steps.step_report import StepReport
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.steps.features import Features
    from curate.steps.workers import Workers
    from curate.store.store import Store


class Task(Protocol):
    """A long task whose progress is shown."""

    def advance(self, steps: int = 1) -> None:
        """Record that `steps` more units are done."""


def report_progress(
    frames: Iterable[pl.DataFrame], advance: Callable[[int], None]
) -> Iterator[pl.DataFrame]:
    """Yield the frames, and call `advance` with the number of rows of each."""
    for frame in frames:
        advance(len(frame))
        yield frame


class Progress(Protocol):
    """Shows the user the progress of long tasks."""

    def task(self, name: str, total: int | None) -> AbstractContextManager[Task]:
        """Open a task of `total` units (None: unknown)."""


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        """Show nothing."""


class SilentProgress:
    """Progress that shows nothing: the default of the Python API."""

    @contextmanager
    def task(self, name: str, total: int | None) -> Iterator[Task]:  # noqa: ARG002
        """Open a task that shows nothing."""
        yield _SilentTask()


@dataclass(frozen=True)
class Context:
    """Settings of a run, and access to what its steps share.

    What is computed from pairs belongs to these pairs: `view(pairs)` returns them with their
    features, prompt numbers and cached objects.

    Attributes:
        seed: seed of the run; each step derives its own generator from it by name.
        device: torch device for learned scorers.
        requested_device: what was asked for, such as "auto": workers on other machines choose by
            it; None: they take `device`.
        progress: shows long tasks.
        store: stores costly results for the next run; None stores nothing.
        scratch: space for arrays and tables as long as the run's pairs.
        inference: how language and reward models are run.
        embed: function that embeds other texts with the run's embedder: (texts, dim), rows of
            length 1.
        workers: workers that compute on partitions of the pairs; None: this process computes all.
        folders: folders of the data, in which media files are searched.
        evidence: margins of other judges and reviewed pairs, as the step's `evidence:` requests;
            of all pairs of the run (see `evidence_of`).
        report: receives what the step reports of the whole dataset.
        models: loaded models, which depend on no pairs; the latest last.
        views: views of pairs.

    Examples:
        >>> context = Context(seed=1)
        >>> first_draw, second_draw = (context.rng("my_step").integers(1000) for _ in range(2))
        >>> bool(first_draw == second_draw)
        True
    """

    seed: int = 0
    device: str = "cpu"
    requested_device: str | None = None
    progress: Progress = field(default_factory=SilentProgress)
    store: Store | None = None
    scratch: ScratchSpace = field(default_factory=ScratchSpace)
    inference: Inference = field(default_factory=Inference)
    embed: Callable[[list[str]], NDArray[np.float32]] | None = None
    workers: Workers | None = None
    folders: tuple[Path, ...] = ()
    evidence: LabelEvidence = field(default_factory=LabelEvidence)
    report: StepReport = field(default_factory=StepReport)
    models: OrderedDict[object, object] = field(default_factory=OrderedDict, repr=False)
    views: PairViews = field(default_factory=PairViews, repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            old_names = {
                "workspace": ("scratch", lambda: self.scratch),
                "shared": ("view(pairs).cached", lambda: self._cached_for_step),
                "cached": ("view(pairs).cached", lambda: self._cached_for_step),
                "of_pairs": ("view(pairs).cached", lambda: self._cached_for_pairs),
                "cached_for_pairs": ("view(pairs).cached", lambda: self._cached_for_pairs),
            }
            if name not in old_names:
                raise AttributeError(f"'Context' has no attribute {name!r}")
            new_name, get = old_names[name]
            warn_renamed(f"Context.{name}", f"Context.{new_name}")
            return get()

        def _cached_for_step(self, key: Hashable, make: Callable[[], Any]) -> Any:
            """Return the cached object under `key` of the step's pairs, as old plug-ins ask."""
            view = self.views.step
            if view is None:
                # A worker of a row scorer, where old plug-ins keep their models.
                if key not in self.models:
                    self.models[key] = make()
                return self.models[key]
            return view.cached(key, make)

        def _cached_for_pairs(
            self, key: Hashable, pairs: pl.DataFrame, make: Callable[[], Any]
        ) -> Any:
            return self.view(pairs).cached(key, make)

    @property
    def facts(self) -> JsonObject:
        """Facts about the whole dataset that the step adds to the manifest."""
        return self.report.facts

    @property
    def warnings(self) -> list[str]:
        """Warnings that the step adds for the user."""
        return self.report.warnings

    def for_step(self) -> Context:
        """Return the same context with an empty report, for a step on the pairs of the run."""
        return replace(self, report=StepReport(), views=PairViews(self.views.run))

    def on_pairs(
        self, pairs: pl.DataFrame, texts: Callable[[], pl.DataFrame] | None = None
    ) -> Context:
        """Return the same context, with the same report, for a step that receives these pairs.

        Args:
            pairs: the pairs that the step receives.
            texts: returns the columns of prompts and answers, if `pairs` lacks them.
        """
        run = self.views.run
        # Then the run's view has all that was computed of these pairs.
        if run is not None and run.frame is pairs:
            return self
        step = PairView(pairs, self.scratch, run=run, texts=texts)
        return replace(self, views=PairViews(run, step))

    def for_pairs(
        self,
        pairs: pl.DataFrame,
        features: Features | Callable[[], Features] | None = None,
        seed: int | None = None,
    ) -> Context:
        """Return a context for other pairs, with the same settings and loaded models.

        Args:
            pairs: all pairs of the run.
            features: their features, or a function that computes them on first use.
            seed: seed of the run; default the same.
        """
        return replace(
            self,
            seed=self.seed if seed is None else seed,
            evidence=LabelEvidence(),
            report=StepReport(),
            views=PairViews(PairView(pairs, self.scratch, features)),
        )

    def view(self, pairs: pl.DataFrame) -> PairView:
        """Return these pairs with all that was computed from exactly them."""
        return self.views.view(pairs, self.scratch)

    def evidence_of(self, pairs: pl.DataFrame) -> LabelEvidence:
        """Return the evidence of these pairs' labels, as they stand in `pairs`."""
        view, evidence = self.view(pairs), self.evidence
        if view.run is None or not (evidence.sources or evidence.verdicts is not None):
            return evidence
        return evidence.take(view.in_run.rows).flipped(view.in_run.flips)

    @property
    def features(self) -> Features:
        """Features of the pairs that the step received."""
        if self.views.step is None:
            raise RuntimeError("this step needs embeddings, but the run was planned without them")
        return self.views.step.features

    def step_seed(self, *names: str | int) -> int:
        """Return a seed for one step: equal for the same run seed and names, else independent."""
        # By names, so that a step draws the same whatever other steps draw before it.
        text = "/".join(str(n) for n in (self.seed, *names))
        # 32 bits: the largest seed that numpy's older generators and scikit-learn accept.
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return a numpy generator that is seeded by `step_seed`."""
        return np.random.default_rng(self.step_seed(*names))

    def same_answers(self, pairs: pl.DataFrame) -> NDArray[np.bool_]:
        """Return whether chosen and rejected are equal in every role and content, (pairs,)."""
        return self.view(pairs).same_answers

    def prompt_groups(self, pairs: pl.DataFrame) -> NDArray[np.int64]:
        """Return the number of each pair's prompt; see `PairView.prompt_groups`."""
        return self.view(pairs).prompt_groups

    def row_order(self, pairs: pl.DataFrame) -> NDArray[np.int64]:
        """Return the rows in an order that no file decides; see `PairView.row_order`."""
        return self.view(pairs).row_order

    def vote_keys(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return `curate.data.hashes.vote_keys` of the pairs; texts are hashed once."""
        return self.view(pairs).vote_keys
