"""The main job: read, score, filter, write."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from curate.data.found_parts import found_parts
from curate.data.memory import give_back
from curate.data.pair_rows import ROW, PairRows
from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError
from curate.models.embed.choice import choose_embedder
from curate.models.embed.frame import embed_frame, embed_texts
from curate.models.embed.notes import embedding_warnings
from curate.models.media.media_set import media_set_for
from curate.pipeline.by_source import by_source
from curate.pipeline.config import PipelineConfig, check_utf8, load_config, parse_config
from curate.pipeline.engines import make_engine
from curate.pipeline.engines.base import Engine
from curate.pipeline.filtering import Filtered, run_filters
from curate.pipeline.kept_pairs import read_or_take
from curate.pipeline.mixture import read_mixture
from curate.pipeline.plan import Plan, make_plan
from curate.pipeline.records import (
    keep_embedding,
    read_record,
    store_record,
)
from curate.pipeline.result import Result
from curate.pipeline.run_evidence import check_gold, run_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scoring import score_all
from curate.pipeline.write_run import write_run
from curate.pipeline.yaml_places import Places
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Context, Progress, SilentProgress
from curate.steps.permissions import Permissions
from curate.steps.step_record import StepRecord
from curate.store.store import Store, open_store
from curate.store.workspace import Workspace
from curate.write.exports import LABEL_PROBABILITY, WEIGHT, forms_holding
from curate.write.exports.parts import check_file_type, check_held, held_by
from curate.write.manifest import check_rows
from curate.write.run_folder import check_free, working

if TYPE_CHECKING:
    from curate.steps.features import Features
    from curate.steps.workers import Workers


class Pipeline:
    """Scores and filters preference pairs as a configuration says.

    Args:
        config: a path to pipeline.yaml, the same as plain data, or a `PipelineConfig`.
        permissions: what the pipeline may do that its file alone may not decide; default nothing
            but what $CURATE_ALLOW_HOSTS allows.
        places: where the keys of a `PipelineConfig` stand, for error messages.

    Raises:
        CurateError: a mistake in the configuration; nothing has been read then.
    """

    def __init__(
        self,
        config: PipelineConfig | dict[str, Any] | str | Path,
        places: Places | None = None,
        *,
        permissions: Permissions | None = None,
    ) -> None:
        if isinstance(config, (str, Path)):
            config, places = load_config(config)
        elif isinstance(config, dict):
            config = parse_config(config)
        check_utf8(config, places)
        self.config = config
        self.plan: Plan = make_plan(config, places)
        self._permissions = permissions or Permissions.for_hosts()

    def check_permissions(self) -> None:
        """Refuse, before anything is read, what the file alone may not decide.

        Raises:
            CurateError: a step would send a key to a host that nobody allowed, or run a model's
                code.
        """
        for step in self.plan.scorers:
            self._permissions.check(step.name, step.scorer)
        for filter_step in self.plan.filters:
            self._permissions.check(filter_step.name, filter_step.filter)

    def read(self, progress: Progress | None = None, limit: int | None = None) -> Pairs:
        """The pairs that the configuration's `input` names; `limit` goes before its own."""
        if self.config.sources:
            quiet = progress or SilentProgress()
            return read_mixture(self.config.sources, self.config.seed, quiet, Workspace(), limit)[0]
        if self.config.input is None:
            raise CurateError(
                "the pipeline names no input",
                where="input",
                expected="path or hf",
                fix="add input:",
            )
        given = dict(self.config.input)
        return read_pairs(**given | {"limit": limit or given["limit"]}, progress=progress)

    def _gather(
        self,
        progress: Progress,
        workspace: Workspace,
        store: Store | None,
        workers: Workers | None,
    ) -> tuple[Pairs, dict[str, Any]]:
        """All pairs of the input, in the workspace, and what the manifest says of the reading."""
        if self.config.sources:
            pairs, sources = read_mixture(
                self.config.sources, self.config.seed, progress, workspace, workers=workers
            )
            return pairs, {"sources": [asdict(source) for source in sources]}
        if self.config.input is None or workspace.folder is None:
            return self.read(progress), {}
        pairs, taken = read_or_take(self.config.input, store, progress, workspace, workers)
        return pairs, {"cached": True} if taken else {}

    def _given(
        self,
        given: Any,
        progress: Progress,
        workspace: Workspace,
        store: Store | None,
        workers: Workers | None,
    ) -> tuple[Pairs, StepRecord]:
        """The pairs of a run, from whatever it was given, and the record of the reading."""
        started, told = time.perf_counter(), dict[str, Any]()
        if given is None:
            pairs, told = self._gather(progress, workspace, store, workers)
        else:
            pairs = given if isinstance(given, Pairs) else read_pairs(given, progress=progress)
        told |= {"made": pairs.derivation} if pairs.derivation else {}
        return pairs, read_record(pairs, time.perf_counter() - started, told)

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
            pairs: from `read_pairs`, or whatever that takes (a path, a data set, a frame, a list of
                dicts); default what the configuration's `input` names.
            output: folder to write the run to; None keeps it in memory.
            overwrite: replace a finished run in that folder.
            progress: where progress is shown; default nowhere.

        Raises:
            CurateError: a mistake of the user in data, configuration or output folder.
        """
        self.check_permissions()
        progress = progress or SilentProgress()
        # Before hours of work: the folder may be there already, or be the input's own.
        if output is not None:
            for reads in self._paths() if pairs is None else [None]:
                check_free(Path(output), overwrite, reads=reads)
        gold_files = check_gold(self.config.gold)
        folder = None if output is None else Path(output)
        with working(folder) as workspace, closing(make_engine(self.config.engine)) as engine:
            store = open_store(self.config.store)
            pairs, record = self._given(pairs, progress, workspace, store, engine.workers)
            self._check_parts(pairs.frame, folder)
            evidence = run_evidence(self.plan, self.config.gold, gold_files, pairs.frame)
            steps = [evidence.in_record(record)]
            config = self._with_embedder(pairs.frame, steps)
            context = self._context(config, pairs, steps, progress, workspace, engine, store)
            context.evidence = evidence.labels
            cache = ScoreCache(store, pairs, config)
            # Scores of all scorers first, then filters: each filter may read each score.
            inputs = (self.plan.scorers, pairs.frame, context, cache, engine, steps)
            scores = [*evidence.columns(workspace), *score_all(*inputs, evidence.file)]
            if self.plan.needs_embeddings:
                keep_embedding(steps, context, cache)
            # Side by side, which shares the mapped columns; a join would copy the texts.
            frame = pl.concat([pairs.frame, *scores], how="horizontal")
            filtered = run_filters(self.plan, frame, context, steps)
            steps.extend(filtered.reports)
            places = self._map(pairs.frame, context, cache)
            steps.extend(store_record(context, len(frame)))
            result = self._result(filtered, pairs, steps, places)
            if folder is None:
                return result
            out = (folder, overwrite, progress, workspace, engine.workers)
            return write_run(self.config, self.plan, result, pairs, *out)

    def _paths(self) -> list[str | None]:
        """Where the input's files are."""
        inputs = [*self.config.sources, *([self.config.input] if self.config.input else [])]
        return [i.path for i in inputs] or [None]

    def _result(
        self,
        filtered: Filtered,
        pairs: Pairs,
        steps: list[StepRecord],
        places: pl.DataFrame | None,
    ) -> Result:
        """Kept and dropped pairs and all scores, of which none may be missing."""
        others = {n: c for n, c in self.plan.carried.items() if n not in PAIR_COLUMNS}
        carried = [pl.col(column).alias(name) for name, column in others.items()]
        weights, soft = self._of_filters("weight"), self._of_filters("label_probability")
        pairs_alone = filtered.frame[list(PAIR_COLUMNS)]
        left = filtered.left
        changed = [name for name in left.own.columns if name in PAIR_COLUMNS]
        read = list(dict.fromkeys((*weights, *soft, *others.values())))
        acting = (*_product(weights), *_last(soft))
        more = left.select(read).select(*acting, *carried).get_columns()
        own = pl.DataFrame([*left.select(changed).get_columns(), *more])
        gone = filtered.gone
        kept = PairRows(pairs_alone, left.rows, own)
        dropped = PairRows(pairs_alone, gone[ROW].to_numpy(), gone.drop(ROW))
        # Rows in = kept + dropped, or nothing is written.
        check_rows(len(pairs), len(kept), len(dropped))
        scored = filtered.frame[["pair_id", *(c.name for c in self.plan.columns())]]
        sources = by_source(pairs.frame, kept, scored)
        return Result(scored, kept, dropped, pairs.rejected, steps, places, sources=sources)

    def _check_parts(self, frame: pl.DataFrame, folder: Path | None) -> None:
        """Refuse, before any work, to lose what the shards have no place for."""
        output = self.config.output
        if folder is None:
            return
        export, parts = self.plan.export, found_parts(frame)
        export.parts = held_by(export, output.file_type).intersection(parts)
        read = {column for step in self.plan.filters for column in step.filter.reads()}
        if not read & {"prompt", "chosen", "rejected"}:
            export.check(frame)  # and no filter could drop such pairs
        check_file_type(export, output.file_type)
        if output.allow_loss:
            return
        others = forms_holding(parts, output.file_type)
        check_held(export, parts, output.file_type, len(frame), others, "output.format")

    def _map(self, frame: pl.DataFrame, context: Context, cache: ScoreCache) -> pl.DataFrame | None:
        """Places of the prompts for the report, where the run has embeddings."""
        if not (self.plan.needs_embeddings and self.config.output.report):
            return None
        from curate.report.prompt_map import prompt_map

        own, key = context.for_step(), cache.key_of(["prompt_map"], embedded=True)
        places = cache.get(key, own, rows_as_pairs=False)
        if places is None:
            places = prompt_map(frame, context.features)
            if places is not None:
                cache.put(key, places, own)
        return places

    def _of_filters(self, kind: Literal["weight", "label_probability"]) -> list[str]:
        """The columns of this kind that filters give, in their order."""
        columns = ((step.name, getattr(step.filter, kind)) for step in self.plan.filters)
        return [f"{step}.{column}" for step, column in columns if column]

    def _with_embedder(self, frame: pl.DataFrame, steps: list[StepRecord]) -> PipelineConfig:
        """The configuration with the embedder that is taken, told where there was a choice."""
        if not self.plan.needs_embeddings:
            return self.config
        embedder, told = choose_embedder(self.config.embedder, frame)
        if told is not None:
            steps[0] = replace(steps[0], warnings=(*steps[0].warnings, told))
        return self.config.model_copy(update={"embedder": embedder})

    def _context(
        self,
        config: PipelineConfig,
        pairs: Pairs,
        steps: list[StepRecord],
        progress: Progress,
        workspace: Workspace,
        engine: Engine,
        store: Store | None,
    ) -> Context:
        c, frame = config, pairs.frame
        context = Context(
            seed=c.seed,
            progress=progress,
            store=store,
            workspace=workspace,
            inference=c.inference,
            folders=pairs.folders,
            workers=engine.workers,
        )
        if self.plan.needs_embeddings:
            from curate.models.embed.device import choose_device

            def embed() -> Features:
                features, facts = embed_frame(
                    frame,
                    c.embedder,
                    context.store,
                    progress,
                    c.inference,
                    workspace,
                    engine.embedder,
                    lambda column: media_set_for(frame, column, context),
                )
                give_back()
                rows, seconds = len(frame), facts.pop("seconds")
                told = embedding_warnings(facts)
                steps.append(StepRecord("embed", "embed", rows, rows, seconds, facts, told))
                return features

            context.device = choose_device(c.embedder.device)
            context.features_of = embed
            context.embed = lambda texts: embed_texts(texts, c.embedder, c.inference)
        return context


def _product(weights: list[str]) -> list[pl.Expr]:
    """The product of the columns as `weight`, if there are any."""
    if not weights:
        return []
    return [pl.reduce(lambda a, b: a * b, [pl.col(name) for name in weights]).alias(WEIGHT)]


def _last(probabilities: list[str]) -> list[pl.Expr]:
    """What the last filter that judged a pair says of its label, if there is any."""
    if not probabilities:
        return []
    return [pl.coalesce(reversed(probabilities)).alias(LABEL_PROBABILITY)]
