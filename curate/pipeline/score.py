"""One scorer on pairs, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from curate.data.json_types import Json
from curate.models.embed.settings import EmbedderSource
from curate.pipeline.run import Pipeline
from curate.steps.context import Progress
from curate.steps.permissions import Permissions
from curate.verdicts.gold import GoldSource, to_gold_config

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Scores:
    """What a scorer said.

    Attributes:
        frame: pair_id and the scorer's columns, `<scorer>.<metric>`, one row a pair, in order.
        facts: what it found about the dataset as a whole.
        warnings: what the user should know.
    """

    frame: pl.DataFrame
    facts: Mapping[str, Json] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_pandas(self) -> pandas.DataFrame:
        """Return the frame in pandas."""
        return self.frame.to_pandas()

    def _repr_html_(self) -> str:
        return self.frame._repr_html_()


def score(
    data: object,
    scorer: str,
    *,
    progress: Progress | None = None,
    embedder: EmbedderSource = "auto",
    seed: int = 0,
    store: str | None = "auto",
    gold: GoldSource = None,
    **parameters: object,
) -> Scores:
    """Score pairs by one scorer.

    Args:
        data: pairs of `read_pairs`, or anything it accepts.
        scorer: type of the scorer; see `curate list`.
        progress: receives the progress; default none.
        embedder: its name or settings, for scorers on embeddings.
        seed: seed of all random choices.
        store: folder that keeps vectors and scores, "auto", or None.
        gold: reviewed pairs: a file of verdicts, several, or {"column": "extra.x"}.
        **parameters: of the scorer.

    Raises:
        CurateError: no such scorer, a wrong parameter, or data that cannot be read.

    Examples:
        >>> import curate
        >>> rows = [{"prompt": "Say hello.", "chosen": "Hello!", "rejected": "Hi"}]
        >>> curate.score(rows, "lengths").frame["lengths.difference"].to_list()
        [4]
    """
    config: dict[str, object] = {"scorers": [{"type": scorer} | parameters], "seed": seed}
    config |= {"embedder": embedder, "store": store, "gold": to_gold_config(gold)}
    permissions = _permissions_of_call(parameters)
    result = Pipeline(config, permissions=permissions).run(data, progress=progress)
    record = next(step for step in result.steps if step.kind == "score")
    return Scores(result.scores, record.facts, record.warnings)


def _permissions_of_call(parameters: dict[str, object]) -> Permissions:
    """Allow the server that the call names, and models to run their own code."""
    # Named in the call itself, not in a file of somebody else.
    hosts = [str(url)] if (url := parameters.get("base_url")) else []
    return Permissions.for_hosts(hosts, remote_code=True)
