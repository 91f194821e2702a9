"""One run: what it holds open, and its stages from the input to the written folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from curate.data.content_kinds import count_content_kinds
from curate.data.json_types import Json, JsonObject
from curate.data.process import release_free_memory
from curate.data.row_selection import ROW_NUMBER, RowSelection
from curate.data.table import PAIR_COLUMNS, has_single_answers
from curate.models.embed.choice import choose_embedder
from curate.models.embed.frame import embed_frame, embed_texts
from curate.models.media.media_set import media_set_for
from curate.pipeline.config import PipelineConfig
from curate.pipeline.engines import make_engine
from curate.pipeline.engines.base import Engine
from curate.pipeline.filtering import Filtered, run_filters
from curate.pipeline.mixture import read_mixture
from curate.pipeline.plan import PipelinePlan
from curate.pipeline.read_cache import read_input, read_or_load_cached
from curate.pipeline.result import Result
from curate.pipeline.run_evidence import RunEvidence, check_gold, run_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scoring import PairScorer
from curate.pipeline.single_answers import check_answers, with_single_answer_export
from curate.pipeline.source_summary import summarise_by_source
from curate.pipeline.write_run import RunWriter
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Context, Progress
from curate.steps.step_record import CACHED, SINGLE_ANSWERS, StepRecord
from curate.store.scratch import ScratchSpace
from curate.store.store import Store, open_store
from curate.write.exports import LABEL_PROBABILITY, WEIGHT, exports_supporting
from curate.write.exports.content_support import (
    check_file_type,
    require_supported_content,
    single_answers_note,
)
from curate.write.manifest import SourceSummary
from curate.write.run_folder import scratch_space

if TYPE_CHECKING:
    from curate.steps.features import Features


@dataclass(frozen=True)
class LoadedPairs:
    """The pairs of a run, with what is known of their labels before any scorer runs."""

    pairs: Pairs
    evidence: RunEvidence


@dataclass(frozen=True)
class EmbeddedPairs:
    """Pairs that scorers and filters work on.

    Attributes:
        pairs: all pairs of the run.
        evidence: what is known of their labels.
        context: the context of the run, which embeds the pairs on first use.
        cache: the scores of earlier runs.
    """

    pairs: Pairs
    evidence: RunEvidence
    context: Context
    cache: ScoreCache


@dataclass(frozen=True)
class RunSession:
    """What one run holds open, and the records of its steps.

    Attributes:
        config: the configuration of the run.
        plan: its plan.
        folder: the folder to write; None for a run in memory.
        overwrite: whether a finished run there may be replaced.
        progress: receives the progress.
        scratch: space for arrays and tables as long as the pairs.
        engine: the engine that computes scores.
        store: what is kept for later runs; None keeps nothing.
        gold_files: hash of each file of reviewers' verdicts.
        records: the records of the steps, in order.
    """

    config: PipelineConfig
    plan: PipelinePlan
    folder: Path | None
    overwrite: bool
    progress: Progress
    scratch: ScratchSpace
    engine: Engine
    store: Store | None
    gold_files: dict[str, str]
    records: list[StepRecord] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(
        cls,
        config: PipelineConfig,
        plan: PipelinePlan,
        folder: Path | None,
        overwrite: bool,
        progress: Progress,
    ) -> Iterator[RunSession]:
        """Provide a session, whose scratch space and engine are closed at the end.

        Raises:
            CurateError: the engine, the store or the reviewers' verdicts cannot be used.
        """
        gold_files = check_gold(config.gold)
        with scratch_space(folder) as scratch, closing(make_engine(config.engine)) as engine:
            store, target = open_store(config.store), (folder, overwrite, progress)
            yield cls(config, plan, *target, scratch, engine, store, gold_files)

    def load(self, data: Any = None) -> LoadedPairs:
        """Return the pairs of the input or of an argument, once steps and output can take them.

        Raises:
            CurateError: they cannot be read, or the output cannot represent them.
        """
        started, facts = time.perf_counter(), dict[str, Json]()
        if data is None:
            pairs, facts = self._read()
        else:
            pairs = data if isinstance(data, Pairs) else read_pairs(data, progress=self.progress)
        facts |= {"made": pairs.derivation} if pairs.derivation else {}
        facts |= {SINGLE_ANSWERS: True} if has_single_answers(pairs.frame) else {}
        counts, seconds = (pairs.rows_read, len(pairs)), time.perf_counter() - started
        writing = self.for_answers(pairs.frame)
        check_answers(writing.plan, pairs.frame, is_written=self.folder is not None)
        writing._check_content(pairs.frame)
        evidence = run_evidence(self.plan, self.config.gold, self.gold_files, pairs.frame)
        notes = (*pairs.notes, *self._export_notes(writing))
        record = StepRecord("read", "read", *counts, seconds, facts, warnings=notes)
        self.records.append(evidence.in_record(record))
        return LoadedPairs(pairs, evidence)

    def for_answers(self, frame: pl.DataFrame) -> RunSession:
        """Return the session with the export for these pairs: another one for single answers."""
        config, plan = with_single_answer_export(self.config, self.plan, frame)
        return replace(self, config=config, plan=plan)

    def _export_notes(self, writing: RunSession) -> tuple[str, ...]:
        """Return the note that another format is written than the configured one."""
        configured, written = (session.config.output.format for session in (self, writing))
        if self.folder is None or configured == written:
            return ()
        return (single_answers_note(configured, written),)

    def _read(self) -> tuple[Pairs, JsonObject]:
        """Return the pairs of the input, and what the manifest says of the reading."""
        config, workers = self.config, self.engine.workers
        if config.sources:
            pairs, sources = read_mixture(
                config.sources, config.seed, self.progress, self.scratch, workers=workers
            )
            return pairs, {"sources": [source.to_json() for source in sources]}
        if config.input is None or self.scratch.folder is None:
            return read_input(config.input, self.progress), {}
        pairs, from_cache = read_or_load_cached(
            config.input, self.store, self.progress, self.scratch, workers
        )
        return pairs, {CACHED: True} if from_cache else {}

    def _check_content(self, frame: pl.DataFrame) -> None:
        """Refuse, before any work, to lose what the shards have no place for."""
        output = self.config.output
        if self.folder is None:
            return
        export, content = self.plan.export, count_content_kinds(frame)
        read = {column for step in self.plan.filters for column in step.filter.reads()}
        if not read & {"prompt", "chosen", "rejected"}:
            # No filter could drop such pairs.
            export.check(frame, self.plan.shard_schema(output, content))
        check_file_type(export, output.file_type)
        if output.allow_loss:
            return
        is_single = has_single_answers(frame)
        alternatives = exports_supporting(content, output.file_type, is_single)
        require_supported_content(
            export, content, output.file_type, len(frame), alternatives, "output.format"
        )

    def embed(self, loaded: LoadedPairs) -> EmbeddedPairs:
        """Return the pairs with a context that embeds them on first use, if any scorer needs it."""
        pairs, config = loaded.pairs, self.config
        context = Context(
            seed=config.seed,
            progress=self.progress,
            store=self.store,
            scratch=self.scratch,
            inference=config.inference,
            folders=pairs.folders,
            workers=self.engine.workers,
        )
        if self.plan.needs_embeddings:
            config = self._with_embedder(pairs.frame)
            context = self._embedding_context(context, config, pairs.frame)
        else:
            context = context.for_pairs(pairs.frame)
        context = replace(context, evidence=loaded.evidence.labels)
        cache = ScoreCache(self.store, pairs, config)
        return EmbeddedPairs(pairs, loaded.evidence, context, cache)

    def _with_embedder(self, frame: pl.DataFrame) -> PipelineConfig:
        """Return the configuration with the embedder that is used; a note tells of a choice."""
        embedder, note = choose_embedder(self.config.embedder, frame)
        if note is not None:
            read = self.records[0]
            self.records[0] = replace(read, warnings=(*read.warnings, note))
        return self.config.model_copy(update={"embedder": embedder})

    def _embedding_context(
        self, context: Context, config: PipelineConfig, frame: pl.DataFrame
    ) -> Context:
        """Return a context that embeds the pairs on first use, which records the step "embed"."""
        from curate.models.embed.device import choose_device

        def embed() -> Features:
            features, report = embed_frame(
                frame,
                config.embedder,
                self.store,
                self.progress,
                config.inference,
                self.scratch,
                self.engine.embedder,
                lambda column: media_set_for(frame, column, pairs_context),
            )
            release_free_memory()
            rows, seconds = len(frame), report.seconds or 0.0
            facts, notes = replace(report, seconds=None).to_json(), report.warnings
            self.records.append(StepRecord("embed", "embed", rows, rows, seconds, facts, notes))
            return features

        pairs_context = replace(
            context,
            device=choose_device(config.embedder.device),
            requested_device=config.embedder.device,
            embed=lambda texts: embed_texts(texts, config.embedder, config.inference),
        ).for_pairs(frame, embed)
        return pairs_context

    def score(self, embedded: EmbeddedPairs) -> pl.DataFrame:
        """Return all pairs with the scores of all scorers, which each filter may read."""
        frame, evidence = embedded.pairs.frame, embedded.evidence
        scorer = PairScorer(frame, embedded.context, embedded.cache, self.engine)
        scores = evidence.columns(self.scratch)
        for columns, record in scorer.score_all(self.plan.scorers, evidence.file):
            scores.append(columns)
            self.records.append(record)
        if self.plan.needs_embeddings:
            self._store_embedding_record(embedded)
        # Horizontally, which shares the mapped columns; a join would copy the texts.
        return pl.concat([frame, *scores], how="horizontal")

    def _store_embedding_record(self, embedded: EmbeddedPairs) -> None:
        """Store the record of the embedding, or add the stored record of an earlier run.

        A run that takes all scores from the store embeds nothing, and they have seen as little of
        long texts as when they were made.
        """
        cache, context = embedded.cache, embedded.context.for_step()
        key = cache.key_of(["embedding"], embedded=True)
        record = next((record for record in self.records if record.kind == "embed"), None)
        if record is not None:
            context.facts.update(record.facts)
            context.warnings.extend(record.warnings)
            cache.put(key, pl.DataFrame({"pairs": [record.rows_in]}), context)
            return
        stored = cache.get(key, context, rows_as_pairs=False)
        if stored is not None and context.warnings:
            rows, facts = stored["pairs"][0], context.facts | {CACHED: True}
            warnings = tuple(context.warnings)
            self.records.insert(1, StepRecord("embed", "embed", rows, rows, 0.0, facts, warnings))

    def filter(self, embedded: EmbeddedPairs, scored: pl.DataFrame) -> Filtered:
        """Return the pairs that the filters keep and drop."""
        filtered = run_filters(self.plan, scored, embedded.context, self.records)
        self.records.extend(filtered.reports)
        return filtered

    def assemble(self, embedded: EmbeddedPairs, filtered: Filtered) -> Result:
        """Return kept and dropped pairs, all scores and the records."""
        prompt_map = self._prompt_map(embedded)
        problems = () if self.store is None else self.store.store_warnings.texts()
        if problems:
            rows = len(filtered.frame)
            self.records.append(StepRecord("store", "store", rows, rows, 0.0, warnings=problems))
        pairs, drops = embedded.pairs, filtered.drops
        pairs_alone = filtered.frame[list(PAIR_COLUMNS)]
        kept_columns = self._kept_columns(filtered.kept_pairs)
        kept_rows = RowSelection(pairs_alone, filtered.kept_pairs.rows, kept_columns)
        dropped = RowSelection(pairs_alone, drops[ROW_NUMBER].to_numpy(), drops.drop(ROW_NUMBER))
        scored = filtered.frame[["pair_id", *(c.name for c in self.plan.columns())]]
        sources = summarise_by_source(pairs.frame, kept_rows, scored)
        if self.config.sources:
            self._warn_of_empty_sources(sources)
        rejected, records = pairs.rejected, self.records
        return Result(scored, kept_rows, dropped, rejected, records, prompt_map, sources=sources)

    def _warn_of_empty_sources(self, sources: tuple[SourceSummary, ...]) -> None:
        """Record a warning for each source of a mixture of which no pair is kept."""
        warnings = [
            f"{source.source}: none of its {source.pairs:,} pairs is kept; see dropped/ for why"
            for source in sources
            if not source.pairs_kept
        ]
        if warnings:
            rows = sum(source.pairs for source in sources)
            record = StepRecord("mixture", "mixture", rows, rows, 0.0, warnings=tuple(warnings))
            self.records.append(record)

    def _kept_columns(self, kept_pairs: RowSelection) -> pl.DataFrame:
        """Return what filters changed, weights, label probabilities and what the shards carry."""
        extra_columns = {n: c for n, c in self.plan.carried.items() if n not in PAIR_COLUMNS}
        carried = [pl.col(column).alias(name) for name, column in extra_columns.items()]
        weights, soft = self._filter_columns("weight"), self._filter_columns("label_probability")
        read = list(dict.fromkeys((*weights, *soft, *extra_columns.values())))
        acting = (*_weight_product(weights), *_last_label_probability(soft))
        changed = [name for name in kept_pairs.extra_columns.columns if name in PAIR_COLUMNS]
        training_columns = kept_pairs.select(read).select(*acting, *carried).get_columns()
        return pl.DataFrame([*kept_pairs.select(changed).get_columns(), *training_columns])

    def _filter_columns(self, kind: Literal["weight", "label_probability"]) -> list[str]:
        """Return the columns of this kind that filters give, in their order."""
        columns = ((step.name, getattr(step.filter, kind)) for step in self.plan.filters)
        return [f"{step}.{column}" for step, column in columns if column]

    def _prompt_map(self, embedded: EmbeddedPairs) -> pl.DataFrame | None:
        """Return places of the prompts for the report, where the run has embeddings."""
        if not (self.plan.needs_embeddings and self.config.output.report):
            return None
        from curate.report.prompt_map import prompt_map

        cache, context = embedded.cache, embedded.context.for_step()
        key = cache.key_of(["prompt_map"], embedded=True)
        coordinates = cache.get(key, context, rows_as_pairs=False)
        if coordinates is None:
            coordinates = prompt_map(embedded.pairs.frame, context.features)
            if coordinates is not None:
                cache.put(key, coordinates, context)
        return coordinates

    def write(self, result: Result, pairs: Pairs) -> Result:
        """Return the result, written to the session's folder if it has one."""
        if self.folder is None:
            return result
        settings = (self.folder, self.overwrite, self.progress, self.scratch, self.engine.workers)
        return RunWriter(self.config, self.plan, *settings).write(result, pairs)


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
