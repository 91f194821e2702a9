"""The main job: read, score, filter, write."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from curate.data.content_kinds import count_content_kinds
from curate.data.json_types import Json, JsonObject
from curate.data.process import release_free_memory
from curate.data.row_selection import ROW_NUMBER, RowSelection
from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError
from curate.models.embed.choice import choose_embedder
from curate.models.embed.frame import embed_frame, embed_texts
from curate.models.embed.notes import embedding_warnings
from curate.models.media.media_set import media_set_for
from curate.pipeline.config import PipelineConfig, check_utf8, load_config, parse_config
from curate.pipeline.engines import make_engine
from curate.pipeline.engines.base import Engine
from curate.pipeline.filtering import Filtered, run_filters
from curate.pipeline.mixture import read_mixture
from curate.pipeline.plan import PipelinePlan, make_plan
from curate.pipeline.read_cache import read_or_load_cached
from curate.pipeline.records import (
    read_record,
    store_embedding_record,
    store_record,
)
from curate.pipeline.result import Result
from curate.pipeline.run_evidence import check_gold, run_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scoring import score_all
from curate.pipeline.source_summary import summarise_by_source
from curate.pipeline.write_run import RunWriter
from curate.pipeline.yaml_locations import YamlLocations
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Context, Progress, SilentProgress
from curate.steps.permissions import Permissions
from curate.steps.step_record import CACHED, StepRecord
from curate.store.scratch import ScratchSpace
from curate.store.store import Store, open_store
from curate.write.exports import LABEL_PROBABILITY, WEIGHT, exports_supporting
from curate.write.exports.content_support import (
    check_file_type,
    require_supported_content,
)
from curate.write.manifest import RowCounts
from curate.write.run_folder import check_free, scratch_space

if TYPE_CHECKING:
    from curate.steps.features import Features
    from curate.steps.workers import Workers


class Pipeline:
    """Scores and filters preference pairs as a configuration says.

    Args:
        config: a path to pipeline.yaml, the same as plain data, or a `PipelineConfig`.
        permissions: what the pipeline's file must not decide itself; default nothing
            but what $CURATE_ALLOW_HOSTS allows.
        locations: line and column of the keys of a `PipelineConfig`, for error messages.

    Raises:
        CurateError: a mistake in the configuration; nothing has been read then.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [
        ...     {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"},
        ...     {"prompt": "Say hello.", "chosen": "Hello!", "rejected": "Hello!"},
        ... ]
        >>> result = Pipeline({"filters": [{"type": "identical_answers"}]}).run(rows)
        >>> result.rows_kept
        1
        >>> result.dropped["drop_reason"].to_list()
        ['the chosen answer is the rejected answer']
    """

    def __init__(
        self,
        config: PipelineConfig | dict[str, Any] | str | Path,
        locations: YamlLocations | None = None,
        *,
        permissions: Permissions | None = None,
    ) -> None:
        if isinstance(config, (str, Path)):
            config, locations = load_config(config)
        elif isinstance(config, dict):
            config = parse_config(config)
        check_utf8(config, locations)
        self.config = config
        self.plan: PipelinePlan = make_plan(config, locations)
        self._permissions = permissions or Permissions.for_hosts()

    def check_permissions(self) -> None:
        """Refuse, before anything is read, what the pipeline's file must not decide itself.

        Raises:
            CurateError: a step would send a key to a host that is not allowed, or run a model's
                code.
        """
        for step in self.plan.scorers:
            self._permissions.check(step.name, step.scorer)
        for filter_step in self.plan.filters:
            self._permissions.check(filter_step.name, filter_step.filter)

    def read(self, progress: Progress | None = None, limit: int | None = None) -> Pairs:
        """Return the pairs that the configuration's `input` names; `limit` goes before its own."""
        if self.config.sources:
            reporter = progress or SilentProgress()
            return read_mixture(
                self.config.sources, self.config.seed, reporter, ScratchSpace(), limit
            )[0]
        if self.config.input is None:
            raise CurateError(
                "the pipeline names no input",
                where="input",
                expected="path or hf",
                fix="add input:",
            )
        settings = dict(self.config.input)
        return read_pairs(**settings | {"limit": limit or settings["limit"]}, progress=progress)

    def _gather(
        self,
        progress: Progress,
        scratch: ScratchSpace,
        store: Store | None,
        workers: Workers | None,
    ) -> tuple[Pairs, JsonObject]:
        """Return all pairs of the input, in the workspace, and what the manifest says of the
        reading.
        """
        if self.config.sources:
            pairs, sources = read_mixture(
                self.config.sources, self.config.seed, progress, scratch, workers=workers
            )
            return pairs, {"sources": [source.to_json() for source in sources]}
        if self.config.input is None or scratch.folder is None:
            return self.read(progress), {}
        pairs, from_cache = read_or_load_cached(
            self.config.input, store, progress, scratch, workers
        )
        return pairs, {CACHED: True} if from_cache else {}

    def _read_or_wrap(
        self,
        data: Any,
        progress: Progress,
        scratch: ScratchSpace,
        store: Store | None,
        workers: Workers | None,
    ) -> tuple[Pairs, StepRecord]:
        """Return the pairs of a run from its input or argument, and the record of the reading."""
        started, facts = time.perf_counter(), dict[str, Json]()
        if data is None:
            pairs, facts = self._gather(progress, scratch, store, workers)
        else:
            pairs = data if isinstance(data, Pairs) else read_pairs(data, progress=progress)
        facts |= {"made": pairs.derivation} if pairs.derivation else {}
        return pairs, read_record(pairs, time.perf_counter() - started, facts)

    def run(
        self,
        pairs: Any = None,
        *,
        output: str | Path | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Result:
        """Run all steps.

        Args:
            pairs: pairs of `read_pairs`, or anything it accepts (a path, a dataset, a frame, a list
                of dicts); default the configuration's `input`.
            output: folder to write the run to; None keeps it in memory.
            overwrite: replace a finished run in that folder.
            progress: receives the progress; default none.

        Raises:
            CurateError: a mistake of the user in data, configuration or output folder.
        """
        self.check_permissions()
        progress = progress or SilentProgress()
        folder = None if output is None else Path(output)
        # Before hours of work: the folder may be there already, or be the input's own.
        if folder is not None:
            for path in self.input_paths() if pairs is None else [None]:
                check_free(folder, overwrite, reads=path)
        gold_files = check_gold(self.config.gold)
        with scratch_space(folder) as scratch, closing(make_engine(self.config.engine)) as engine:
            store = open_store(self.config.store)
            pairs, record = self._read_or_wrap(pairs, progress, scratch, store, engine.workers)
            self._check_parts(pairs.frame, folder)
            evidence = run_evidence(self.plan, self.config.gold, gold_files, pairs.frame)
            steps = [evidence.in_record(record)]
            config = self._with_embedder(pairs.frame, steps)
            context = self._context(config, pairs, steps, progress, scratch, engine, store)
            context = replace(context, evidence=evidence.labels)
            cache = ScoreCache(store, pairs, config)
            # Scores of all scorers first, then filters: each filter may read each score.
            inputs = (self.plan.scorers, pairs.frame, context, cache, engine, steps)
            scores = [*evidence.columns(scratch), *score_all(*inputs, evidence.file)]
            if self.plan.needs_embeddings:
                store_embedding_record(steps, context, cache)
            # Horizontally, which shares the mapped columns; a join would copy the texts.
            frame = pl.concat([pairs.frame, *scores], how="horizontal")
            filtered = run_filters(self.plan, frame, context, steps)
            steps.extend(filtered.reports)
            coordinates = self._map(pairs.frame, context, cache)
            steps.extend(store_record(context, len(frame)))
            result = self._result(filtered, pairs, steps, coordinates)
            if folder is None:
                return result
            settings = (folder, overwrite, progress, scratch, engine.workers)
            return RunWriter(self.config, self.plan, *settings).write(result, pairs)

    def input_paths(self) -> list[str | None]:
        """Return the paths of the input."""
        inputs = [*self.config.sources, *([self.config.input] if self.config.input else [])]
        return [i.path for i in inputs] or [None]

    def _result(
        self,
        filtered: Filtered,
        pairs: Pairs,
        steps: list[StepRecord],
        prompt_map: pl.DataFrame | None,
    ) -> Result:
        """Return kept and dropped pairs and all scores; no pair may be missing."""
        extra_columns = {n: c for n, c in self.plan.carried.items() if n not in PAIR_COLUMNS}
        carried = [pl.col(column).alias(name) for name, column in extra_columns.items()]
        weights, soft = self._of_filters("weight"), self._of_filters("label_probability")
        pairs_alone = filtered.frame[list(PAIR_COLUMNS)]
        kept_pairs = filtered.kept_pairs
        changed = [name for name in kept_pairs.extra_columns.columns if name in PAIR_COLUMNS]
        read = list(dict.fromkeys((*weights, *soft, *extra_columns.values())))
        acting = (*_weight_product(weights), *_last_label_probability(soft))
        training_columns = kept_pairs.select(read).select(*acting, *carried).get_columns()
        kept_columns = pl.DataFrame([*kept_pairs.select(changed).get_columns(), *training_columns])
        drops = filtered.drops
        kept_rows = RowSelection(pairs_alone, kept_pairs.rows, kept_columns)
        dropped = RowSelection(pairs_alone, drops[ROW_NUMBER].to_numpy(), drops.drop(ROW_NUMBER))
        # Rows in = kept + dropped, or nothing is written.
        RowCounts(len(pairs), len(kept_rows), len(dropped)).check()
        scored = filtered.frame[["pair_id", *(c.name for c in self.plan.columns())]]
        sources = summarise_by_source(pairs.frame, kept_rows, scored)
        return Result(
            scored, kept_rows, dropped, pairs.rejected, steps, prompt_map, sources=sources
        )

    def _check_parts(self, frame: pl.DataFrame, folder: Path | None) -> None:
        """Refuse, before any work, to lose what the shards have no place for."""
        output = self.config.output
        if folder is None:
            return
        export, content = self.plan.export, count_content_kinds(frame)
        read = {column for step in self.plan.filters for column in step.filter.reads()}
        if not read & {"prompt", "chosen", "rejected"}:
            # No filter could drop such pairs.
            export.check(frame, self.plan.shard_schema(output, content))
        check_file_type(export, output.file_type)
        if output.allow_loss:
            return
        alternatives = exports_supporting(content, output.file_type)
        require_supported_content(
            export, content, output.file_type, len(frame), alternatives, "output.format"
        )

    def _map(self, frame: pl.DataFrame, context: Context, cache: ScoreCache) -> pl.DataFrame | None:
        """Return places of the prompts for the report, where the run has embeddings."""
        if not (self.plan.needs_embeddings and self.config.output.report):
            return None
        from curate.report.prompt_map import prompt_map

        step_context, key = context.for_step(), cache.key_of(["prompt_map"], embedded=True)
        coordinates = cache.get(key, step_context, rows_as_pairs=False)
        if coordinates is None:
            coordinates = prompt_map(frame, context.features)
            if coordinates is not None:
                cache.put(key, coordinates, step_context)
        return coordinates

    def _of_filters(self, kind: Literal["weight", "label_probability"]) -> list[str]:
        """Return the columns of this kind that filters give, in their order."""
        columns = ((step.name, getattr(step.filter, kind)) for step in self.plan.filters)
        return [f"{step}.{column}" for step, column in columns if column]

    def _with_embedder(self, frame: pl.DataFrame, steps: list[StepRecord]) -> PipelineConfig:
        """Return the configuration with the embedder that is used; a note says so if there was a
        choice.
        """
        if not self.plan.needs_embeddings:
            return self.config
        embedder, note = choose_embedder(self.config.embedder, frame)
        if note is not None:
            steps[0] = replace(steps[0], warnings=(*steps[0].warnings, note))
        return self.config.model_copy(update={"embedder": embedder})

    def _context(
        self,
        config: PipelineConfig,
        pairs: Pairs,
        steps: list[StepRecord],
        progress: Progress,
        scratch: ScratchSpace,
        engine: Engine,
        store: Store | None,
    ) -> Context:
        context = Context(
            seed=config.seed,
            progress=progress,
            store=store,
            scratch=scratch,
            inference=config.inference,
            folders=pairs.folders,
            workers=engine.workers,
        )
        if self.plan.needs_embeddings:
            return _embedding_context(context, config, pairs.frame, engine, steps)
        return context.for_pairs(pairs.frame)


def _embedding_context(
    context: Context,
    config: PipelineConfig,
    frame: pl.DataFrame,
    engine: Engine,
    steps: list[StepRecord],
) -> Context:
    """Return a context that embeds the pairs on first use, which adds the step "embed" to the
    records.
    """
    from curate.models.embed.device import choose_device

    def embed() -> Features:
        features, facts = embed_frame(
            frame,
            config.embedder,
            context.store,
            context.progress,
            config.inference,
            context.scratch,
            engine.embedder,
            lambda column: media_set_for(frame, column, pairs_context),
        )
        release_free_memory()
        rows, seconds = len(frame), facts.pop("seconds")
        notes = embedding_warnings(facts)
        steps.append(StepRecord("embed", "embed", rows, rows, seconds, facts, notes))
        return features

    pairs_context = replace(
        context,
        device=choose_device(config.embedder.device),
        embed=lambda texts: embed_texts(texts, config.embedder, config.inference),
    ).for_pairs(frame, embed)
    return pairs_context


def _weight_product(weights: list[str]) -> list[pl.Expr]:
    """Return the product of the columns as `weight`, if there are any."""
    if not weights:
        return []
    # A product: each filter weighs the pair as the filters before it left it.
    return [pl.reduce(lambda a, b: a * b, [pl.col(name) for name in weights]).alias(WEIGHT)]


def _last_label_probability(probabilities: list[str]) -> list[pl.Expr]:
    """Return each pair's label probability by the last filter that gives one, if there is any."""
    if not probabilities:
        return []
    return [pl.coalesce(reversed(probabilities)).alias(LABEL_PROBABILITY)]
