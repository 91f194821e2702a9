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


def check_rows(rows_in: int, kept: int, dropped: int, undrawn: int = 0) -> None:
    """Raise RuntimeError unless every pair is accounted for once.

    Args:
        rows_in: pairs that came in.
        kept: pairs that were kept and, where rows are drawn by weight, have one.
        dropped: pairs that a filter dropped.
        undrawn: pairs that were kept and have no row.
    """
    if rows_in != kept + dropped + undrawn:
        none = f", {undrawn} have no row" if undrawn else ""
        raise RuntimeError(
            f"{rows_in} pairs came in, but {kept} were kept and {dropped} dropped{none}"
        )


def data_folders(manifest: dict[str, Any]) -> tuple[Path, ...]:
    """The folders of the run's inputs, in which files of media are looked for."""
    given = manifest["config"].get("input") or []
    places = [one.get("path") for one in (given if isinstance(given, list) else [given])]
    paths = [Path(place).expanduser() for place in places if place and "://" not in place]
    return tuple(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def smoothing(manifest: dict[str, Any], weights: WeightCounts | None = None) -> float | None:
    """The epsilon of rDPO and cDPO: the share of wrong labels that is left, where it is known.

    In TRL loss_type "robust" with label_smoothing, which must be below 0.5. None where each label
    comes with its own probability, which would be counted twice.
    """
    if weights is not None and weights.is_soft:
        return None
    left = wrong_left(manifest["steps"])
    return None if left is None or left[1] is not None else min(left[0], _MOST_SMOOTHING)


def wrong_left(steps: Iterable[Mapping[str, Any]]) -> tuple[float, str | None] | None:
    """What the posterior of the last filter that read one says is wrong of the labels it left.

    Args:
        steps: of the manifest.

    Returns:
        The share, and why it is no estimate (None: it is one); None where no filter read any.
    """
    facts = {step["name"]: step["facts"] for step in steps}
    told = [f[POSTERIOR_FACT] for f in facts.values() if POSTERIOR_FACT in f]
    if not told:
        return None
    scorer = _scorer_of(told[-1]["column"], facts)
    return float(told[-1]["wrong_left"]), _undetermined(facts.get(scorer, {}))


def _scorer_of(column: str, facts: dict[str, dict[str, Any]]) -> str:
    """The step that a posterior comes from; `flip` hands on that of another one."""
    step = column.partition(".")[0]
    # A filter that flips hands on the posterior of the scorer before it.
    handed_on = facts.get(step, {}).get(POSTERIOR_FACT, {}).get("column", column)
    return step if handed_on == column else _scorer_of(handed_on, facts)


def _undetermined(scorer: dict[str, Any]) -> str | None:
    """Why a scorer's posterior says nothing of the share of wrong labels; None where it does.

    A step that tells nothing of the noise has a posterior of the user's own, which is believed.
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
