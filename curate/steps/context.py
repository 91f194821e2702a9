"""What a step can use besides the pairs: features, folds, random numbers, device, progress."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import polars as pl

from curate.data.hashes import (
    numbers_by_key,
    prompt_keys,
    same_answers,
    vote_keys_in_batches,
)
from curate.data.renamed import warn_renamed
from curate.steps.evidence import LabelEvidence
from curate.steps.models import Inference
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.steps.features import Features
    from curate.steps.workers import Workers
    from curate.store.store import Store

T = TypeVar("T")
PROMPT_GROUPS, SAME_ANSWERS, VOTE_KEYS = "prompt_groups", "same_answers", "vote_keys"
_RENAMED = {"of_pairs": "cached_for_pairs", "shared": "cached", "workspace": "scratch"}
"""Names of version 0.2 that plug-ins use; they stay for one release."""
MODELS = "models"
"""Key of the loaded models among the cached objects."""


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


@dataclass
class Context:
    """State that all steps of a run share; costly objects are computed once, on first use.

    Attributes:
        seed: seed of the run; each step derives its own generator from it by name.
        device: torch device for learned scorers.
        progress: shows long tasks.
        store: stores costly results for the next run; None stores nothing.
        scratch: space for arrays and tables as long as the run's pairs.
        inference: how language and reward models are run.
        features_of: function that returns the features of the run's pairs (it embeds each distinct
            text once).
        embed: function that embeds other texts with the run's embedder: (texts, dim), rows of
            length 1.
        workers: workers that compute on partitions of the pairs; None: this process computes all.
        folders: folders of the data, in which media files are searched.
        evidence: margins of other judges and reviewed pairs, as the step's `evidence:` requests.
        facts: facts about the whole dataset that a step adds to the manifest.
        warnings: warnings that a step adds for the user.

    Examples:
        >>> context = Context(seed=1)
        >>> first_draw, second_draw = (context.rng("my_step").integers(1000) for _ in range(2))
        >>> bool(first_draw == second_draw)
        True
    """

    seed: int = 0
    device: str = "cpu"
    progress: Progress = field(default_factory=SilentProgress)
    store: Store | None = None
    scratch: ScratchSpace = field(default_factory=ScratchSpace)
    inference: Inference = field(default_factory=Inference)
    features_of: Callable[[], Features] | None = None
    embed: Callable[[list[str]], NDArray[np.float32]] | None = None
    workers: Workers | None = None
    folders: tuple[Path, ...] = ()
    evidence: LabelEvidence = field(default_factory=LabelEvidence)
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _shared: dict[Any, Any] = field(default_factory=dict, repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in _RENAMED:
                raise AttributeError(f"'Context' has no attribute {name!r}")
            warn_renamed(f"Context.{name}", f"Context.{_RENAMED[name]}")
            return getattr(self, _RENAMED[name])

    def for_step(self) -> Context:
        """Return the same context with empty facts and warnings."""
        # `_shared` stays the same object, so that later steps find what earlier ones cached.
        return replace(self, facts={}, warnings=[])

    def for_pairs(self, seed: int, features: Features) -> Context:
        """Return a context for other pairs, with the same settings and loaded models."""
        pairs_context = replace(
            self,
            seed=seed,
            features_of=lambda: features,
            evidence=LabelEvidence(),
            facts={},
            warnings=[],
        )
        # Everything else in the cache (groups, votes, heads) belongs to the earlier pairs.
        pairs_context._shared = {MODELS: self.cached(MODELS, OrderedDict)}
        return pairs_context

    def cached(self, key: Any, make: Callable[[], T]) -> T:
        """Return the object under `key`; `make` creates it on first use."""
        if key not in self._shared:
            self._shared[key] = make()
        value: T = self._shared[key]
        return value

    def preset(self, values: dict[str, Any]) -> None:
        """Put objects under their keys, so that `cached` need not create them."""
        self._shared.update(values)

    @property
    def features(self) -> Features:
        """Return the embeddings of prompts and answers of all pairs of the run."""
        if self.features_of is None:
            raise RuntimeError("this step needs embeddings, but the run was planned without them")
        return self.cached("features", self.features_of)

    def step_seed(self, *names: str | int) -> int:
        """Return a seed for one step: equal for the same run seed and names, else independent."""
        text = "/".join(str(n) for n in (self.seed, *names))
        # 32 bits: the largest seed that numpy's older generators and scikit-learn accept.
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return a numpy generator that is seeded by `step_seed`."""
        return np.random.default_rng(self.step_seed(*names))

    def same_answers(self, pairs: pl.DataFrame) -> NDArray[np.bool_]:
        """Return whether chosen and rejected are equal in every role and content, (pairs,)."""
        return self.cached_for_pairs(SAME_ANSWERS, pairs, lambda: same_answers(pairs).to_numpy())

    def prompt_groups(self, pairs: pl.DataFrame) -> NDArray[np.int64]:
        """Return the number of each pair's prompt, (pairs,), from 0.

        Prompts are numbered by the rank of their hashes, so that a draw by prompt does not depend
        on the order of the rows in a file.
        """

        def make() -> NDArray[np.int64]:
            out = self.scratch.array("prompt groups", (len(pairs),), np.int64)
            return numbers_by_key(prompt_keys(pairs), out)[0]

        return self.cached_for_pairs(PROMPT_GROUPS, pairs, make)

    def row_order(self, pairs: pl.DataFrame) -> NDArray[np.int64]:
        """Return the rows in the order of the hashes of their ids, (pairs,).

        This order does not depend on the order of the rows in a file.
        """

        def make() -> NDArray[np.int64]:
            order = pairs["pair_id"].hash().arg_sort().to_numpy().astype(np.int64)
            return self.scratch.persist_array("row order", order)

        return self.cached_for_pairs("row_order", pairs, make)

    def vote_keys(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return `curate.data.hashes.vote_keys` of the pairs; texts are hashed once per run."""

        def make() -> pl.DataFrame:
            return self.scratch.collect("vote keys", vote_keys_in_batches(pairs))

        return self.cached_for_pairs(VOTE_KEYS, pairs, make)

    def cached_for_pairs(self, key: str, pairs: pl.DataFrame, make: Callable[[], T]) -> T:
        """Return the object under `key` for exactly these pairs in this order, or create it.

        A filter receives other pairs than a scorer, and a row scorer receives a batch: an object
        that was created for other pairs is never returned.
        """
        ids = pairs.get_column("pair_id", default=None)
        # Without ids nothing identifies the pairs, and a guess could return another set's object.
        if ids is None:
            return make()
        entry = self._shared.get(key)
        if entry is None or len(entry[0]) != len(ids) or not entry[0].equals(ids):
            entry = (ids, make())
            self._shared[key] = entry
        value: T = entry[1]
        return value
