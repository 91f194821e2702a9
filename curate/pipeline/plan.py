"""A pipeline's steps, built and checked before any row is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from curate.data.table import PAIR_COLUMNS
from curate.errors import CurateError, mask_text, suggestion
from curate.pipeline.config import OnBias, PipelineConfig, StepConfig
from curate.pipeline.evidence import with_evidence
from curate.pipeline.scorer_step import ScorerStep, prefixed
from curate.pipeline.yaml_places import Places
from curate.steps.contracts import Column, Filter
from curate.steps.registry import build, filter_class, scorer_class
from curate.steps.relabel import FLIPPED
from curate.write.exports import WEIGHTS, Export, get_export
from curate.write.exports.parts import configure
from curate.write.weighing import Weighing, weighing_of

EXTRA_PREFIX = "extra."
GOLD = "gold"
JUDGED = Column(f"{GOLD}.judged", "what people found of the label: right, wrong or null", "text")
"""Column of a run with judged pairs."""
_CARRIED = ("source", "annotator", "strength")
"""Columns of the pair table that shards may carry under their own names."""


@dataclass(frozen=True)
class FilterStep:
    """A filter under the name that reports use.

    Attributes:
        name: in reports.
        filter: as configured.
        source: the source of a mixture on which alone it acts; None: on all pairs.
    """

    name: str
    filter: Filter[Any]
    source: str | None = None

    def columns(self) -> tuple[Column, ...]:
        """The columns that the filter adds, named `<step>.<metric>`."""
        return prefixed(self.name, self.filter.adds())

    def column(self, metric: str | None) -> str | None:
        """The run's name of a column that the filter adds; None of None."""
        return None if metric is None else f"{self.name}.{metric}"

    @property
    def flips_labels(self) -> bool:
        """Whether the filter can exchange chosen and rejected."""
        return any(column.name == FLIPPED.name for column in self.filter.adds())


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        scorers: in the order in which they run: each after those whose columns it reads.
        filters: in the order in which they run.
        export: of the kept pairs.
        weighing: what the export does with weights.
        extras: keys of `extra` that filters read as columns `extra.<key>`.
        carried: columns that the shards carry, by the name that they have there.
        has_gold: whether some pairs are judged.
        on_bias: what to do where length alone decides which labels a filter acts on.
        data: how commands name the dataset; None where nobody named it.
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
        """Scorers that learn from the labels, and whose scores a filter reads."""
        read = {column.partition(".")[0] for column in filter_step.filter.reads() if "." in column}
        return [step for step in self.scorers if step.name in read and step.scorer.learned]

    @property
    def needs_embeddings(self) -> bool:
        """Whether any scorer works on embeddings."""
        return any(step.scorer.needs_embeddings for step in self.scorers)

    def notices(self) -> list[str]:
        """What the user should hear before anything runs: code of a model's hub, stale columns,
        keys without an effect, scores that a stop would lose."""
        steps: tuple[ScorerStep | FilterStep, ...] = (*self.scorers, *self.filters)
        dumps = ((s.name, s.scorer if isinstance(s, ScorerStep) else s.filter) for s in steps)
        return [
            f"'{name}' runs code that its model brings (trust_remote_code)"
            for name, step in dumps
            if '"trust_remote_code":true' in step.params.model_dump_json()
        ] + [*self._stale_columns(), *self.deprecated, *self._lost_by_stop()]

    def _lost_by_stop(self) -> list[str]:
        """Learned scores that a stop for bias would lose."""
        scorers = {step.name: step for f in self.filters for step in self.learned(f)}
        unstored = [name for name, step in scorers.items() if not step.scorer.stored]
        if self.on_bias == "warn" or not unstored:
            return []
        names = ", ".join(unstored)
        return [f"on_bias: stop would lose the scores of {names}, which are not stored"]

    def _stale_columns(self) -> list[str]:
        """Filters that read scores of a label as it was before an earlier filter flipped it."""
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
                stale = [f"{name}." for name in (*learned, *([flipping] if flipping else []))]
                flipping = step.name
        return notes

    def columns(self) -> tuple[Column, ...]:
        """Every column that scorers and filters make, and which labels are judged."""
        steps: tuple[ScorerStep | FilterStep, ...] = (*self.scorers, *self.filters)
        judged = (JUDGED,) if self.has_gold else ()
        return (*judged, *(column for step in steps for column in step.columns()))


def make_plan(config: PipelineConfig, places: Places | None = None) -> Plan:
    """Build every step of a configuration.

    Raises:
        CurateError: an unknown step, parameter, export or column, with its place in the file.
    """
    places = places or Places("pipeline", {})
    taken: set[str] = set() if config.gold is None else {GOLD}
    scorers = []
    for where, name, step in _named(config.scorers, ("scorers",), places, taken):
        cls = scorer_class(step.type, where)
        scorers.append((where, ScorerStep(name, build(cls, step.parameters, where))))
    ordered = with_evidence(scorers)
    filters = []
    for number, source in enumerate(config.sources):
        section = ("input", number, "filters")
        prefix = f"{source.name}/"
        for where, name, step in _named(source.filters, section, places, taken, prefix):
            cls_f = filter_class(step.type, where)
            made = FilterStep(name, build(cls_f, step.parameters, where), source.name)
            # A source's own filters go first: they clean what is then looked at together.
            filters.append((where, made))
    for where, name, step in _named(config.filters, ("filters",), places, taken):
        cls_f = filter_class(step.type, where)
        filters.append((where, FilterStep(name, build(cls_f, step.parameters, where))))
    extras = _check_columns(ordered, filters, () if config.gold is None else (JUDGED,))
    _check_label_order(filters)
    export = get_export(config.output.format, places.describe(("output", "format")))
    output, where = config.output, places.describe(("output",))
    configure(export, output.prompt, output.media, output.file_type, where)
    own = [name for name, column in config.output.columns.items() if name == column in _CARRIED]
    export.carries = tuple(name for name in own if name not in export.reserved)
    plan = Plan(
        ordered,
        tuple(f for _, f in filters),
        export,
        _weighing(config, export, places),
        extras,
        dict(config.output.columns),
        config.gold is not None,
        on_bias=config.on_bias,
        data=_data_name(config, places),
        deprecated=config.deprecated_keys,
    )
    _check_carried(plan, places.describe(("output", "columns")))
    return plan


def _weighing(config: PipelineConfig, export: Export, places: Places) -> Weighing:
    output, where = config.output, places.describe(("output", "weights"))
    settings = (output.weights, output.soft_labels, output.copies, config.seed)
    return weighing_of(export, *settings, where)


def _data_name(config: PipelineConfig, places: Places) -> str | None:
    """How commands name the dataset: the configuration's file, else its input."""
    if places.name.endswith((".yaml", ".yml")):
        return places.name
    if config.input is None:
        return None
    name = f"hf:{config.input.hf}" if config.input.hf else config.input.path
    return None if name is None else mask_text(name)


def _named(
    steps: list[StepConfig],
    section: tuple[str | int, ...],
    places: Places,
    taken: set[str],
    prefix: str = "",
) -> Iterable[tuple[str, str, StepConfig]]:
    """Place, name and configuration of each step; a type used again gets `-2`, `-3`..."""
    for index, step in enumerate(steps):
        where = places.describe((*section, index))
        if step.name in taken:
            fix = "give the second one another name"
            raise CurateError("a step's name is taken", where=where, found=repr(step.name), fix=fix)
        name, number = step.name or f"{prefix}{step.type}", 1
        while name in taken:
            number += 1
            name = f"{prefix}{step.type}-{number}"
        taken.add(name)
        yield where, name, step


def _check_columns(
    scorers: Iterable[ScorerStep],
    filters: list[tuple[str, FilterStep]],
    others: tuple[Column, ...],
) -> tuple[str, ...]:
    scores = (*others, *(column for step in scorers for column in step.columns()))
    known = [*PAIR_COLUMNS, *(column.name for column in scores)]
    extras: dict[str, None] = {}
    for where, step in filters:
        for column in step.filter.reads():
            if column.startswith(EXTRA_PREFIX):
                extras[column.removeprefix(EXTRA_PREFIX)] = None
            elif column not in known:
                _unknown_column(column, known, where)
        # A filter may read what an earlier one adds, and nothing that comes later.
        known.extend(c.name for c in step.columns())
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
                found=f"'{step.name}' behind '{before[0].name}'",
                fix=f"move '{before[0].name}' below '{step.name}'",
            )
        giving += [step] if step.filter.label_probability else []


def _check_carried(plan: Plan, where: str) -> None:
    """Refuse columns that no step makes, and names that the shards have already."""
    known = [*_CARRIED, *(c.name for c in plan.columns())]
    for name, column in plan.carried.items():
        if column not in known:
            _unknown_column(column, known, where, "the shards carry an unknown column")
        if name == column and name in _CARRIED and name not in plan.export.reserved:
            continue
        if name in (*PAIR_COLUMNS, *plan.export.reserved, *WEIGHTS):
            fix = "give it another name: NAME: COLUMN"
            raise CurateError("the column's name is taken", where=where, found=repr(name), fix=fix)


def _unknown_column(
    column: str, known: list[str], where: str, problem: str = "a filter reads an unknown column"
) -> None:
    scorer = column.partition(".")[0]
    fix = suggestion(column, known)
    # The column is right and its scorer is missing: the nearest name would mislead.
    if column == JUDGED.name:
        fix = "name judged pairs by gold: in the pipeline, or --gold"
    elif "." in column and not any(name.startswith(f"{scorer}.") for name in known):
        fix = f"add the scorer '{scorer}' under scorers; {fix}"
    raise CurateError(problem, where=where, found=repr(column), fix=fix)
