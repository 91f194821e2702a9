"""What a step may use besides the pairs: features, folds, random numbers, device, progress."""

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
from curate.steps.evidence import LabelEvidence
from curate.steps.models import Inference
from curate.store.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.steps.features import Features
    from curate.steps.workers import Workers
    from curate.store.store import Store

T = TypeVar("T")
PROMPT_GROUPS, SAME_ANSWERS, VOTE_KEYS = "prompt_groups", "same_answers", "vote_keys"
MODELS = "models"
"""Key of the models that are loaded, among what is shared."""


class Task(Protocol):
    """One piece of long work whose progress is shown."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more units are done."""


def counted(
    parts: Iterable[pl.DataFrame], advance: Callable[[int], None]
) -> Iterator[pl.DataFrame]:
    """The parts, of whose rows somebody is told as they come."""
    for part in parts:
        advance(len(part))
        yield part


class Progress(Protocol):
    """Shows long work to the user."""

    def task(self, name: str, total: int | None) -> AbstractContextManager[Task]:
        """Open a task of `total` units (None: unknown)."""


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        """Show nothing."""


class SilentProgress:
    """Progress that shows nothing: the default of the Python API."""

    @contextmanager
    def task(self, name: str, total: int | None) -> Iterator[Task]:  # noqa: ARG002
        """A task that shows nothing."""
        yield _SilentTask()


@dataclass
class Context:
    """Shared by all steps of a run; what is costly is computed once, on first use.

    Attributes:
        seed: of the run; each step derives its own generator from it by name.
        device: torch device for learned scorers.
        progress: where long work is shown.
        store: keeps what is costly for the next run; None keeps nothing.
        workspace: gives room to what is as long as the run's pairs.
        inference: how language and reward models are run.
        features_of: makes the features of the run's pairs (embeds each distinct text once).
        embed: embeds other texts by the run's embedder, rows of length 1.
        workers: who compute on parts of the pairs; None: all is computed here.
        folders: of the data, in which files of media are looked for.
        evidence: margins of other judges and judged pairs, as the step's `evidence:` asks for.
        facts: what a step found about the data set as a whole; it goes into the manifest.
        warnings: what a step wants the user to be told.
    """

    seed: int = 0
    device: str = "cpu"
    progress: Progress = field(default_factory=SilentProgress)
    store: Store | None = None
    workspace: Workspace = field(default_factory=Workspace)
    inference: Inference = field(default_factory=Inference)
    features_of: Callable[[], Features] | None = None
    embed: Callable[[list[str]], NDArray[np.float32]] | None = None
    workers: Workers | None = None
    folders: tuple[Path, ...] = ()
    evidence: LabelEvidence = field(default_factory=LabelEvidence)
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _shared: dict[Any, Any] = field(default_factory=dict, repr=False)

    def for_step(self) -> Context:
        """The same context with facts and warnings of its own."""
        # `_shared` stays one and the same: what one step makes, the next one finds.
        return replace(self, facts={}, warnings=[])

    def for_pairs(self, seed: int, features: Features) -> Context:
        """A context for other pairs, which keeps the settings and the models that are loaded."""
        own = replace(
            self,
            seed=seed,
            features_of=lambda: features,
            evidence=LabelEvidence(),
            facts={},
            warnings=[],
        )
        # All else that is shared (groups, votes, heads) is of the pairs that it was made for.
        own._shared = {MODELS: self.shared(MODELS, OrderedDict)}
        return own

    def shared(self, key: Any, make: Callable[[], T]) -> T:
        """The object under `key`, made by `make` the first time it is asked for."""
        if key not in self._shared:
            self._shared[key] = make()
        value: T = self._shared[key]
        return value

    def preset(self, values: dict[str, Any]) -> None:
        """Put objects under their keys, so that `shared` need not make them."""
        self._shared.update(values)

    @property
    def features(self) -> Features:
        """Embeddings of prompts and answers of all pairs of the run."""
        if self.features_of is None:
            raise RuntimeError("this step needs embeddings, but the run was planned without them")
        return self.shared("features", self.features_of)

    def step_seed(self, *names: str | int) -> int:
        """A seed for one step: the same for the same run seed and names, else independent."""
        text = "/".join(str(n) for n in (self.seed, *names))
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")

    def rng(self, *names: str | int) -> np.random.Generator:
        """A numpy generator seeded by `step_seed`."""
        return np.random.default_rng(self.step_seed(*names))

    def same_answers(self, pairs: pl.DataFrame) -> NDArray[np.bool_]:
        """Whether chosen and rejected are equal in every role and content, (pairs,)."""
        return self.of_pairs(SAME_ANSWERS, pairs, lambda: same_answers(pairs).to_numpy())

    def prompt_groups(self, pairs: pl.DataFrame) -> NDArray[np.int64]:
        """One integer from 0 a pair, equal where the prompts are, whatever the order of rows.

        Prompts are numbered by the rank of their hashes: what is drawn by prompt stays the same
        when the rows of a file move. (pairs,).
        """

        def make() -> NDArray[np.int64]:
            room = self.workspace.array("prompt groups", (len(pairs),), np.int64)
            return numbers_by_key(prompt_keys(pairs), room)[0]

        return self.of_pairs(PROMPT_GROUPS, pairs, make)

    def row_order(self, pairs: pl.DataFrame) -> NDArray[np.int64]:
        """The rows by the hashes of their ids, (pairs,): an order that no file decides."""

        def make() -> NDArray[np.int64]:
            order = pairs["pair_id"].hash().arg_sort().to_numpy().astype(np.int64)
            return self.workspace.kept("row order", order)

        return self.of_pairs("row_order", pairs, make)

    def vote_keys(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """`curate.data.hashes.vote_keys` of the pairs, 18 bytes each; texts are hashed once."""

        def make() -> pl.DataFrame:
            return self.workspace.collect("vote keys", vote_keys_in_batches(pairs))

        return self.of_pairs(VOTE_KEYS, pairs, make)

    def of_pairs(self, key: str, pairs: pl.DataFrame, make: Callable[[], T]) -> T:
        """The object under `key` for exactly these pairs, in this order, made when it is not there.

        A filter sees other pairs than a scorer, and a row scorer sees a batch: what was made for
        others is never given back.
        """
        ids = pairs.get_column("pair_id", default=None)
        # Nothing says which pairs these are: to guess would give back what is of others.
        if ids is None:
            return make()
        held = self._shared.get(key)
        if held is None or len(held[0]) != len(ids) or not held[0].equals(ids):
            held = (ids, make())
            self._shared[key] = held
        value: T = held[1]
        return value
