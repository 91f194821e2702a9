"""Terminal output of `curate bench`."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from curate.benchmark.actions import DEFAULT
from curate.benchmark.advice import Advice
from curate.benchmark.condition import Condition
from curate.benchmark.paired_gains import HARMS, HELPS, NOTHING
from curate.benchmark.report import BenchReport
from curate.benchmark.run import KEEP_ALL
from curate.benchmark.summary import MethodResult
from curate.cli.console import out, show_warnings

_STEPS_LEGEND = (
    "acts: share dropped or flipped; accuracy: agreement of a new probe, trained on the remaining "
    "pairs, with the held-out labels as given (each pair once in five seeds); gain: over keeping "
    "all, on clean labels, in points, estimated from the posterior of the held-out labels, with "
    f"its 95 % interval; 'helps' and 'harms': p < .05 ({DEFAULT} by itself, Holm over the others); "
    "'no effect': the step changes nothing."
)
_METHODS_LEGEND = (
    "prec.: precision among as many pairs as were flipped; accuracy: of a new probe, trained "
    "without that many pairs, on held-out pairs with clean labels."
)
_VERDICTS = {HELPS: HELPS, HARMS: HARMS, NOTHING: "no effect"}
_STYLES = {"helps": "green", "harms": "red"}


def show_bench(result: BenchReport) -> None:
    """Print the recommendations, all tables, and the results with injected flips."""
    show_warnings(result.notes)
    as_labelled = [advice for advice in result.advice if advice.key.is_as_labelled]
    for advice in as_labelled:
        _show_advice(result, advice)
    for condition in dict.fromkeys(row.condition for row in result.gains):
        _show_tables(condition, [row for row in result.gains if row.condition == condition])
    out.print(Text(_STEPS_LEGEND, style="dim"))
    if len(as_labelled) < len(result.advice):
        out.print(Text(_METHODS_LEGEND, style="dim"))
    for name, reason in result.plan.left_out.items():
        out.print(Text(f"not run: {name}: {reason}", style="yellow"))
    for comparison in result.comparisons:
        place = f"{comparison.dataset}, {comparison.pattern} {comparison.rate:.0%}"
        out.print(Text(f"  {place}: {comparison.text} (ratio {comparison.ratio:.1f})"))
    for advice in result.advice:
        if not advice.key.is_as_labelled:
            out.print(Text(f"{advice.key.dataset}, {_describe_flips(advice.key)}", "bold"))
            out.print(Text("  " + " ".join(advice.sentences)))


def _describe_flips(condition: Condition) -> str:
    return f"{condition.pattern} flips at {condition.rate:.0%}"


def _show_tables(condition: Condition, rows: list[MethodResult]) -> None:
    """Print the methods and the steps of one dataset, pattern and rate."""
    name, seeds = condition.dataset, max(row.seeds for row in rows)
    steps = [row for row in rows if row.flagged is not None or row.method == KEEP_ALL]
    if condition.is_as_labelled:
        out.print(_step_table(f"{name}: labels as given, {seeds} seeds", steps))
        return
    flips = _describe_flips(condition)
    title = f"{name}: {flips}, mean ±sd of {seeds} seeds"
    out.print(_method_table(title, [row for row in rows if row.flagged is None]))
    out.print(_step_table(f"{name}: {flips}, steps for a pipeline", steps))


def _show_advice(result: BenchReport, advice: Advice) -> None:
    """Print a recommendation, the noise estimate, and the lines for pipeline.yaml."""
    name = advice.key.dataset
    out.print(Text(f"{name}: recommendation", style="bold"))
    for sentence in advice.sentences:
        out.print(Text(f"  {sentence}"))
    noise = result.noise[name]
    if noise.judged_pairs:
        out.print(Text(f"  {noise.judged_pairs:,} reviewed pairs count as ground truth."))
    out.print(Text(f"  Wrong labels: {noise.text}"))
    for line in advice.lines.splitlines():
        out.print(Text(f"    {line}", style="cyan"))
    for line in advice.next_step.splitlines():
        out.print(Text(f"  {line}"))


def _method_table(title: str, rows: list[MethodResult]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in ("AUROC", "AP", "prec.", "accuracy", "gain"):
        table.add_column(column, justify="right", no_wrap=True)
    # Keep all and the oracle rank no pairs, so they have no AUROC.
    for row in sorted(rows, key=lambda row: (row.auroc is None, -(row.auroc or 0.0))):
        table.add_row(
            row.method,
            _format_spread(row.auroc, row.auroc_std),
            _format_number(row.average_precision),
            _format_number(row.precision_at_rate),
            _format_number(row.downstream_accuracy),
            # Coloured if it is significant.
            Text(f"{100 * row.gain:+.1f}", style=_STYLES.get(row.verdict or "", "")),
        )
    return table


def _step_table(title: str, rows: list[MethodResult]) -> Table:
    """Build the table of steps, each of which chooses how many pairs it changes."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("step", no_wrap=True)
    has_precision = any(row.precision is not None for row in rows)
    precision_columns = ("prec.", "recall") if has_precision else ()
    for column in ("acts", *precision_columns, "accuracy", "gain", "95 %", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: -row.gain):
        is_base = row.method == KEEP_ALL
        precision = (_format_number(row.precision), _format_number(row.recall))
        interval = f"{100 * row.gain_low:+.1f} to {100 * row.gain_high:+.1f}"
        verdict = row.verdict or ""
        table.add_row(
            row.method,
            "" if row.flagged is None else f"{row.flagged:.0%}",
            *(precision if has_precision else ()),
            _format_number(row.downstream_accuracy),
            "" if is_base else f"{100 * row.gain:+.1f}",
            # A standard error of 0 means that the step changed nothing: an interval of width 0
            # would look certain.
            "" if is_base or row.gain_error == 0 else interval,
            Text(_VERDICTS.get(verdict, ""), style=_STYLES.get(verdict, "dim")),
        )
    return table


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _format_spread(mean: float | None, std: float | None) -> str:
    if mean is None:
        return ""
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ±{std:.3f}"
