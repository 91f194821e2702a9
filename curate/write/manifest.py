"""manifest.json: its name and layout, and the check that no pair was lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.steps.posterior import MEAN_FACT, NOISE_FACT, POSTERIOR_FACT

if TYPE_CHECKING:
    from curate.write.weighing import WeightCounts

MANIFEST = "manifest.json"
# Raised when an older reader would misread a run folder.
FORMAT_VERSION = 1
REPEATED_IDS, BY_CONTENT = "repeated_ids", "content"
"""Key of the input that says what ids of repeated contents follow; older runs, which lack it,
numbered them by the order of rows."""
# At one half a robust loss would divide by 0.
_MOST_SMOOTHING = 0.499


def check_rows(rows_in: int, rows_kept: int, rows_dropped: int, undrawn: int = 0) -> None:
    """Raise RuntimeError unless every pair is accounted for once.

    Args:
        rows_in: pairs that came in.
        rows_kept: pairs that were kept and, where rows are drawn by weight, have one.
        rows_dropped: pairs that a filter dropped.
        undrawn: pairs that were kept and have no row.
    """
    if rows_in != rows_kept + rows_dropped + undrawn:
        none = f", {undrawn} have no row" if undrawn else ""
        raise RuntimeError(
            f"{rows_in} pairs came in, but {rows_kept} were kept and {rows_dropped} dropped{none}"
        )


def data_folders(manifest: dict[str, Any]) -> tuple[Path, ...]:
    """Return the folders of the run's inputs, in which media files are searched."""
    inputs = manifest["config"].get("input") or []
    places = [one.get("path") for one in (inputs if isinstance(inputs, list) else [inputs])]
    paths = [Path(place).expanduser() for place in places if place and "://" not in place]
    return tuple(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def label_smoothing(manifest: dict[str, Any], weights: WeightCounts | None = None) -> float | None:
    """Return the epsilon of rDPO and cDPO: the estimated noise rate of the kept labels.

    In TRL loss_type "robust" with label_smoothing, which must be below 0.5. None where each label
    comes with its own probability, which would be counted twice.
    """
    if weights is not None and weights.is_soft:
        return None
    noise = remaining_noise(manifest["steps"])
    return None if noise is None or noise[1] is not None else min(noise[0], _MOST_SMOOTHING)


def remaining_noise(steps: Iterable[Mapping[str, Any]]) -> tuple[float, str | None] | None:
    """Return the remaining noise by the posterior that the last filter read.

    Args:
        steps: of the manifest.

    Returns:
        The share, and why it is no estimate (None: it is one); None where no filter read any.
    """
    facts = {step["name"]: step["facts"] for step in steps}
    estimates = [f[POSTERIOR_FACT] for f in facts.values() if POSTERIOR_FACT in f]
    if not estimates:
        return None
    scorer = _scorer_of(estimates[-1]["column"], facts)
    return float(estimates[-1]["wrong_left"]), _undetermined_reason(facts.get(scorer, {}))


def _scorer_of(column: str, facts: dict[str, dict[str, Any]]) -> str:
    """Return the step that computed a posterior; `flip` passes on another step's."""
    step = column.partition(".")[0]
    # A filter that flips hands on the posterior of the scorer before it.
    handed_on = facts.get(step, {}).get(POSTERIOR_FACT, {}).get("column", column)
    return step if handed_on == column else _scorer_of(handed_on, facts)


def _undetermined_reason(scorer: dict[str, Any]) -> str | None:
    """Return why a scorer's posterior does not estimate the noise rate; None if it does.

    A step that records no noise estimate has the user's own posterior, which is trusted.
    """
    noise = scorer.get(NOISE_FACT)
    if noise is None:
        return None
    if noise["rate"] is None:
        # The mean of such posteriors is where a fit ended: with weak heads anything from 0 on.
        return f"the labels do not determine it: {noise['text']}"
    mean = scorer.get(MEAN_FACT)
    if mean is not None and not noise["low"] <= mean <= noise["high"]:
        return f"by its posteriors {mean:.1%} of all labels are wrong, but {noise['text']}"
    return None
