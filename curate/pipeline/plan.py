"""A pipeline's steps, built and checked before any row is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError, mask_text, suggestion
from curate.option_names import is_command_line
from curate.pipeline.config import OnBias, PipelineConfig, StepConfig
from curate.pipeline.extra_columns import ANSWER_SCORES, is_extra_column
from curate.pipeline.scorer_step import ScorerStep, prefix_columns, with_evidence
from curate.pipeline.yaml_locations import YamlLocations
from curate.steps.contracts import Column, Filter
from curate.steps.declarations import Cache, Input
from curate.steps.registry import build_step, filter_class, scorer_class
from curate.steps.relabel import FLIPPED
from curate.write.exports import WEIGHTS, Export, ShardSchema, get_export
from curate.write.exports.content_support import check_export_settings
from curate.write.exports.media_files import MediaFileWriter
from curate.write.weighing import Weighing, resolve_weighing

if TYPE_CHECKING:
    from pathlib import Path

    from curate.write.output import OutputConfig

GOLD = "gold"
JUDGED = Column(f"{GOLD}.judged", "reviewers' verdict on the label: right, wrong or null", "text")
"""Column of a run with reviewed pairs."""
_CARRIED = ("source", "annotator", "strength")
"""Columns of the pair table that shards may carry under their own names."""


@dataclass(frozen=True)
class FilterStep:
    """A filter under the name that reports use.

    Attributes:
        name: the filter's name in reports.
        filter: the configured filter.
        source: the only source of a mixture on which it acts; None: all sources.
    """

    name: str
    filter: Filter[Any]
    source: str | None = None

    def columns(self) -> tuple[Column, ...]:
        """Return the columns that the filter adds, named `<step>.<metric>`."""
        return prefix_columns(self.name, self.filter.adds())

    def column(self, metric: str | None) -> str | None:
        """Return the run's name of a column that the filter adds; None of None."""
        return None if metric is None else f"{self.name}.{metric}"

    @property
    def flips_labels(self) -> bool:
        """Return whether the filter can exchange chosen and rejected."""
        return any(column.name == FLIPPED.name for column in self.filter.adds())


@dataclass(frozen=True)
class PipelinePlan:
    """What a run will do.

    Attributes:
        scorers: scorers in running order: each after those whose columns it reads.
        filters: filters in running order.
        export: the export that writes the kept pairs.
        weighing: what the export does with weights.
        extras: columns that filters read from `extra`: `extra.<key>` and scores of both answers.
        carried: columns that the shards carry, by the name that they have there.
        has_gold: whether some pairs are reviewed.
        on_bias: what to do if length decides which labels a filter acts on.
        data: how commands name the dataset; None if unknown.
        deprecated: keys of the configuration that do nothing any more, with what to know.
    """

    scorers: tuple[ScorerStep, ...]
    filters: tuple[FilterStep, ...]
    export: Export
    weighing: Weighing
    extras: tuple[str, ...]
    carried: dict[str, str]
    has_gold: bool = False
    on_bias: OnBias = "warn"
    data: str | None = None
    deprecated: tuple[str, ...] = ()

    def learned(self, filter_step: FilterStep) -> list[ScorerStep]:
        """Return the scorers that learn from the labels and whose scores a filter reads."""
        read = {column.partition(".")[0] for column in filter_step.filter.reads() if "." in column}
        return [step for step in self.scorers if step.name in read and step.scorer.learned]

    @property
    def columns_of_filters(self) -> dict[str, tuple[str, ...]]:
        """Return the columns that each filter reads, by the name of the filter."""
        return {step.name: tuple(step.filter.reads()) for step in self.filters}

    def shard_schema(
        self, output: OutputConfig, content: Iterable[str], folders: tuple[Path, ...] = ()
    ) -> ShardSchema:
        """Return the schema of the shards.

        Args:
            output: the output section of the configuration.
            content: kinds of content besides plain texts that the pairs have.
            folders: folders of the data, in which media files are searched.
        """
        carried = tuple(
            name
            for name, column in self.carried.items()
            if name == column in _CARRIED and name not in self.export.reserved
        )
        media = MediaFileWriter(output.media, folders)
        return self.export.schema(
            content, output.file_type, carried=carried, prompt=output.prompt, media=media
        )

    @property
    def needs_embeddings(self) -> bool:
        """Return whether any scorer works on embeddings."""
        return any(Input.EMBEDDINGS in step.scorer.inputs for step in self.scorers)

    def notices(self) -> list[str]:
        """Return what the user should hear before anything runs: code of a model's hub, stale
        columns, keys without an effect, scores that a stop would lose.
        """
        steps: tuple[ScorerStep | FilterStep, ...] = (*self.scorers, *self.filters)
        dumps = ((s.name, s.scorer if isinstance(s, ScorerStep) else s.filter) for s in steps)
        return [
            f"'{name}' runs code from its model's repository (trust_remote_code)"
            for name, step in dumps
            # In the JSON: any parameter, however deep, may hold a model with the setting.
            if '"trust_remote_code":true' in step.params.model_dump_json()
        ] + [*self._stale_columns(), *self.deprecated, *self._lost_by_stop()]

    def _lost_by_stop(self) -> list[str]:
        """Return a warning where a stop for bias would lose learned scores."""
        scorers = {step.name: step for f in self.filters for step in self.learned(f)}
        unstored = [name for name, step in scorers.items() if step.scorer.cache is Cache.NONE]
        if self.on_bias == "warn" or not unstored:
            return []
        names = ", ".join(unstored)
        return [f"on_bias: stop would lose the scores of {names}, which are not stored"]

    def _stale_columns(self) -> list[str]:
        """Return a warning for each filter that reads scores from before a label was flipped."""
        notes, flipping, stale = list[str](), "", list[str]()
        for step in self.filters:
            columns = [c for c in step.filter.reads() if c.startswith(tuple(stale))]
            if columns:
                notes.append(
                    f"'{step.name}' reads {', '.join(columns)} of labels before '{flipping}' flips "
                    f"some of them: read {flipping}.posterior instead, or move it above"
                )
            if step.flips_labels:
                learned = [scorer.name for scorer in self.scorers if scorer.scorer.learned]
                # After a second flip the posterior of the first is that of an older label too.
                stale = [f"{name}." for name in (*learned, *([flipping] if flipping else []))]
                flipping = step.name
        return notes

    def columns(self) -> tuple[Column, ...]:
        """Return every column that scorers and filters make, and the reviewers' verdicts."""
        steps: tuple[ScorerStep | FilterStep, ...] = (*self.scorers, *self.filters)
        gold_columns = (JUDGED,) if self.has_gold else ()
        return (*gold_columns, *(column for step in steps for column in step.columns()))


def make_plan(config: PipelineConfig, locations: YamlLocations | None = None) -> PipelinePlan:
    """Build every step of a configuration.

    Raises:
        CurateError: an unknown step, parameter, export or column, with its place in the file.
    """
    locations = locations or YamlLocations("pipeline", {})
    used_names: set[str] = set() if config.gold is None else {GOLD}
    scorers = []
    for where, name, step in _name_steps(config.scorers, ("scorers",), locations, used_names):
        cls = scorer_class(step.type, where)
        scorers.append((where, ScorerStep(name, build_step(cls, step.parameters, where))))
    ordered = with_evidence(scorers)
    filters = _plan_filters(config, locations, used_names)
    extras = _check_columns(ordered, filters, () if config.gold is None else (JUDGED,))
    # Checked before any export is built: a wrong order would write wrong soft labels silently.
    _check_label_order(filters)
    export = _plan_export(config, locations)
    plan = PipelinePlan(
        ordered,
        tuple(f for _, f in filters),
        export,
        _plan_weighing(config, export, locations),
        extras,
        dict(config.output.columns),
        config.gold is not None,
        on_bias=config.on_bias,
        data=_data_name(config, locations),
        deprecated=config.deprecated_keys,
    )
    _check_carried(plan, locations.describe(("output", "columns")))
    return plan


def with_output(plan: PipelinePlan, config: PipelineConfig) -> PipelinePlan:
    """Return the plan with the export and the weighing of another configuration.

    Raises:
        CurateError: the export cannot write prompts, media or weights as that configuration says.
    """
    locations = YamlLocations("pipeline", {})
    export = _plan_export(config, locations)
    return replace(plan, export=export, weighing=_plan_weighing(config, export, locations))


def _plan_filters(
    config: PipelineConfig, locations: YamlLocations, used_names: set[str]
) -> list[tuple[str, FilterStep]]:
    """Return the location and step of each filter; those of one source come first.

    They clean each source before the sources are filtered together.
    """
    filters = []
    for number, source in enumerate(config.sources):
        section, prefix = ("input", number, "filters"), f"{source.name}/"
        steps = _name_steps(source.filters, section, locations, used_names, prefix)
        filters += [
            (where, _build_filter(where, name, step, source.name)) for where, name, step in steps
        ]
    steps = _name_steps(config.filters, ("filters",), locations, used_names)
    filters += [(where, _build_filter(where, name, step)) for where, name, step in steps]
    return filters


def _build_filter(where: str, name: str, step: StepConfig, source: str | None = None) -> FilterStep:
    return FilterStep(
        name, build_step(filter_class(step.type, where), step.parameters, where), source
    )


def _plan_export(config: PipelineConfig, locations: YamlLocations) -> Export:
    """Return the configured export, which can write prompts and media as the file says."""
    output, where = config.output, locations.describe(("output",))
    export = get_export(output.format, locations.describe(("output", "format")))
    check_export_settings(export, output.prompt, output.media, output.file_type, where)
    return export


def _plan_weighing(config: PipelineConfig, export: Export, locations: YamlLocations) -> Weighing:
    output, where = config.output, locations.describe(("output", "weights"))
    settings = (output.weights, output.soft_labels, output.copies, config.seed)
    return resolve_weighing(export, *settings, where)


def _data_name(config: PipelineConfig, locations: YamlLocations) -> str | None:
    """Return how commands name the dataset: the configuration's file, else its input."""
    if locations.name.endswith((".yaml", ".yml")):
        return locations.name
    if config.input is None:
        return None
    name = f"hf:{config.input.hf}" if config.input.hf else config.input.path
    return None if name is None else mask_text(name)


def _name_steps(
    steps: list[StepConfig],
    section: tuple[str | int, ...],
    locations: YamlLocations,
    used_names: set[str],
    prefix: str = "",
) -> Iterable[tuple[str, str, StepConfig]]:
    """Return place, name and configuration of each step; a type used again gets `-2`, `-3`..."""
    for index, step in enumerate(steps):
        where = locations.describe((*section, index))
        if step.name in used_names:
            fix = "rename the second step"
            raise CurateError("duplicate step name", where=where, found=repr(step.name), fix=fix)
        name, number = step.name or f"{prefix}{step.type}", 1
        # A user may have called another step `type-2`.
        while name in used_names:
            number += 1
            name = f"{prefix}{step.type}-{number}"
        used_names.add(name)
        yield where, name, step


def _check_columns(
    scorers: Iterable[ScorerStep],
    filters: list[tuple[str, FilterStep]],
    gold_columns: tuple[Column, ...],
) -> tuple[str, ...]:
    scores = (*gold_columns, *(column for step in scorers for column in step.columns()))
    valid_names = [*PAIR_COLUMNS, *ANSWER_SCORES, *(column.name for column in scores)]
    # A dict, as a set that keeps the order in which filters name them.
    extras: dict[str, None] = {}
    for where, step in filters:
        for column in step.filter.reads():
            if is_extra_column(column):
                extras[column] = None
            elif column not in valid_names:
                _unknown_column(column, valid_names, where)
        # A filter may read what an earlier one adds, and nothing that comes later.
        valid_names.extend(c.name for c in step.columns())
    return tuple(extras)


def _check_label_order(filters: list[tuple[str, FilterStep]]) -> None:
    """Refuse to flip labels behind a filter that gives the probability of the label as it is."""
    giving: list[FilterStep] = []
    for where, step in filters:
        before = [s for s in giving if None in (s.source, step.source) or s.source == step.source]
        if before and step.flips_labels:
            raise CurateError(
                "labels would be flipped after their probability is set",
                where=where,
                found=f"'{step.name}' after '{before[0].name}'",
                fix=f"move '{before[0].name}' after '{step.name}'",
            )
        giving += [step] if step.filter.label_probability else []


def _check_carried(plan: PipelinePlan, where: str) -> None:
    """Refuse columns that no step makes, and names that the shards have already."""
    valid_names = [*_CARRIED, *(c.name for c in plan.columns())]
    for name, column in plan.carried.items():
        if column not in valid_names:
            _unknown_column(column, valid_names, where, "the shards carry an unknown column")
        if name == column and name in _CARRIED and name not in plan.export.reserved:
            continue
        if name in (*PAIR_COLUMNS, *plan.export.reserved, *WEIGHTS):
            fix = "give it another name: NAME: COLUMN"
            raise CurateError(
                "the column name is already in use", where=where, found=repr(name), fix=fix
            )


def _unknown_column(
    column: str,
    valid_names: list[str],
    where: str,
    problem: str = "a filter reads an unknown column",
) -> None:
    scorer = column.partition(".")[0]
    fix = suggestion(column, valid_names)
    # The column is right and its scorer is missing: the nearest name would mislead.
    if column == JUDGED.name:
        fix = f"add reviewed pairs with gold: in the pipeline{', or --gold' * is_command_line()}"
    elif "." in column and not any(name.startswith(f"{scorer}.") for name in valid_names):
        fix = f"add the scorer '{scorer}' under scorers; {fix}"
    raise CurateError(problem, where=where, found=repr(column), fix=fix)
