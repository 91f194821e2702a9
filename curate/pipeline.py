"""The main job: read, score, filter, write."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.config import PipelineConfig, load_config, parse_config
from curate.context import Context, Progress, SilentProgress
from curate.embedding import embed_frame
from curate.engines.local import DROP_REASON, DROP_STEP, StepReport, run_filters, run_scorer
from curate.errors import CurateError
from curate.exports import WEIGHT
from curate.manifest import check_rows
from curate.pairs import MESSAGES, PAIR_COLUMNS
from curate.plan import Plan, make_plan
from curate.reading import Pairs, read_pairs
from curate.result import Result
from curate.run_writer import write_run
from curate.runfolder import check_free
from curate.score_cache import ScoreCache
from curate.store import open_store
from curate.yaml_places import Places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.models.features import Features


class Pipeline:
    """Scores and filters preference pairs as a configuration says.

    Args:
        config: a path to pipeline.yaml, the same as plain data, or a `PipelineConfig`.
        places: where the keys of a `PipelineConfig` stand, for error messages.

    Raises:
        CurateError: a mistake in the configuration; nothing has been read then.
    """

    def __init__(
        self,
        config: PipelineConfig | dict[str, Any] | str | Path,
        places: Places | None = None,
    ) -> None:
        if isinstance(config, (str, Path)):
            config, places = load_config(config)
        elif isinstance(config, dict):
            config = parse_config(config)
        self.config = config
        self.plan: Plan = make_plan(config, places)

    def read(self, progress: Progress | None = None, limit: int | None = None) -> Pairs:
        """The pairs that the configuration's `input` names; `limit` goes before its own."""
        if self.config.input is None:
            raise CurateError(
                "the pipeline names no input",
                where="input",
                expected="path or hf",
                fix="add input:",
            )
        given = dict(self.config.input)
        return read_pairs(**given | {"limit": limit or given["limit"]}, progress=progress)

    def run(
        self,
        pairs: Pairs | None = None,
        *,
        output: str | Path | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Result:
        """Run all steps.

        Args:
            pairs: from `read_pairs`; default what the configuration's `input` names.
            output: folder to write the run to; None keeps it in memory.
            overwrite: replace a finished run in that folder.
            progress: where progress is shown; default nowhere.

        Raises:
            CurateError: a mistake of the user in data, configuration or output folder.
        """
        progress = progress or SilentProgress()
        if output is not None:
            check_free(Path(output), overwrite)
        started = time.perf_counter()
        pairs = pairs or self.read(progress)
        seconds = time.perf_counter() - started
        steps = [StepReport("read", "read", pairs.rows_read, len(pairs), seconds)]
        result = self._judge(pairs, steps, progress)
        if output is None:
            return result
        return write_run(self.config, self.plan, result, pairs, Path(output), overwrite, progress)

    def _judge(self, pairs: Pairs, steps: list[StepReport], progress: Progress) -> Result:
        frame = pairs.frame
        context = self._context(frame, steps, progress)
        cache = ScoreCache(context.store, frame, self.config)
        scores = []
        for step in self.plan.scorers:
            columns, report = run_scorer(step, frame, context, cache)
            scores.append(columns)
            steps.append(report)
        filtered = run_filters(self.plan, pl.concat([frame, *scores], how="horizontal"), context)
        steps.extend(filtered.reports)
        fate = filtered.frame.with_columns(
            filtered.drop_step.alias(DROP_STEP), filtered.drop_reason.alias(DROP_REASON)
        )
        carried = [pl.col(column).alias(name) for name, column in self.plan.carried.items()]
        kept = filtered.kept.select(*PAIR_COLUMNS, *self._weight(), *carried)
        dropped = fate.filter(pl.col(DROP_STEP).is_not_null())
        dropped = dropped.select(*PAIR_COLUMNS, DROP_STEP, DROP_REASON)
        check_rows(len(frame), len(kept), len(dropped))
        made = [c.name for c in self.plan.columns()]
        places = self._map(frame, context, cache)
        scored = fate.select("pair_id", *made)
        return Result(scored, kept, dropped, pairs.rejected, steps, places)

    def _map(self, frame: pl.DataFrame, context: Context, cache: ScoreCache) -> pl.DataFrame | None:
        """Places of the prompts for the report, where the run has embeddings."""
        if not (self.plan.needs_embeddings and self.config.output.report):
            return None
        from curate.report.prompt_map import prompt_map

        own, key = context.for_step(), cache.key_of(["prompt_map"], embedded=True)
        places = cache.get(key, own)
        if places is None:
            places = prompt_map(frame, context.features)
            if places is not None:
                cache.put(key, places, own)
        return places

    def _weight(self) -> list[pl.Expr]:
        """The product of all training weights as `weight`, if a filter gives one."""
        names = [f"{s.name}.{s.filter.weight}" for s in self.plan.filters if s.filter.weight]
        if not names:
            return []
        return [pl.reduce(lambda a, b: a * b, [pl.col(n) for n in names]).alias(WEIGHT)]

    def _context(self, frame: pl.DataFrame, steps: list[StepReport], progress: Progress) -> Context:
        context = Context(
            seed=self.config.seed,
            progress=progress,
            store=open_store(self.config.store),
            inference=self.config.inference,
        )
        if self.plan.needs_embeddings:
            from curate.models.device import choose_device

            context.device = choose_device(self.config.embedder.device)
            context.features_of = lambda: self._embed(frame, steps, progress)
            context.embed = self._embed_texts
        return context

    def _embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Vectors of texts that are no part of a pair, such as evaluation prompts."""
        c = self.config
        message = pl.struct(role=pl.lit("user"), content=pl.col("text"))
        empty = pl.lit([], dtype=MESSAGES)
        frame = pl.DataFrame({"text": texts}).select(
            prompt=pl.concat_list(message).cast(MESSAGES), chosen=empty, rejected=empty
        )
        features, _ = embed_frame(frame, c.embedder, c.store, SilentProgress(), c.inference)
        return features.prompt

    def _embed(self, frame: pl.DataFrame, steps: list[StepReport], progress: Progress) -> Features:
        c = self.config
        features, facts = embed_frame(frame, c.embedder, c.store, progress, c.inference)
        seconds = facts.pop("seconds")
        steps.append(StepReport("embed", "embed", len(frame), len(frame), seconds, facts))
        return features
