"""`curate check --policy`: measures what the rules need, and says which are broken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curate.cli.audit import read_prompts
from curate.cli.diff import read_version
from curate.cli.inputs import DatasetOptions
from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate.check.command import CheckReport
    from curate.check.policy import Policy, RuleResult, Section
    from curate.data.json_types import JsonObject
    from curate.steps.context import Progress


def check_policy(
    dataset: DatasetOptions,
    path: Path,
    old: str | None,
    against: str | None,
    check_tokens: Callable[[Progress], CheckReport] | None,
) -> list[RuleResult]:
    """Measure what a policy has rules on, and apply them.

    Args:
        dataset: the dataset.
        path: file of the policy.
        old: the earlier version, for rules on the difference.
        against: evaluation set whose prompts are searched.
        check_tokens: checks the pairs against a model's tokenizer; None without a model.

    Raises:
        CurateError: a mistake in the policy, or an option that its rules need.
    """
    from curate.check.policy import SECTIONS, apply_policy, load_policy
    from curate.cli.progress import console_progress

    policy = load_policy(path)
    _require_options(policy, path, old, check_tokens is not None)
    sections: list[Section] = [section for section in SECTIONS if policy.rules(section)]
    findings: dict[Section, JsonObject] = {}
    with console_progress() as progress:
        for section in sections:
            if section == "check" and check_tokens is not None:
                findings[section] = check_tokens(progress).to_json()
            else:
                findings[section] = _measure(section, dataset, old, against, progress)
    return apply_policy(policy, findings)


def _require_options(policy: Policy, path: Path, old: str | None, has_model: bool) -> None:
    """Reject a policy whose rules cannot be measured, before anything is read."""
    needs = {
        "--model": bool(policy.check) and not has_model,
        "--old": bool(policy.diff) and not old,
    }
    missing = [option for option, is_missing in needs.items() if is_missing]
    if missing:
        problem = f"the policy has rules that need {', '.join(missing)}"
        raise CurateError(problem, where=str(path))


def _measure(
    section: Section,
    dataset: DatasetOptions,
    old: str | None,
    against: str | None,
    progress: Progress,
) -> JsonObject:
    """Return the JSON of `curate audit` or `curate diff`."""
    from curate.auditing.audit import audit
    from curate.auditing.dataset_diff import DiffOptions, diff_datasets

    pairs = read_version(dataset, progress)
    evaluation = None if against is None else read_prompts(against, progress)
    if section == "audit":
        return audit(pairs, against=evaluation, dataset=dataset.data, progress=progress).to_json()
    earlier = read_version(DatasetOptions(str(old)), progress)
    return diff_datasets(earlier, pairs, DiffOptions(evaluation, progress=progress)).to_json()


def report_policy(
    results: Sequence[RuleResult], data: str, junit: Path | None, sarif: Path | None, as_json: bool
) -> bool:
    """Print and write the results; return whether all rules are kept."""
    from curate.check.policy_files import write_junit, write_sarif
    from curate.cli.console import out
    from curate.cli.safe import json_text

    if junit is not None:
        write_junit(results, junit)
    if sarif is not None:
        write_sarif(results, data, sarif)
    broken = [result for result in results if not result.passed]
    if as_json:
        typer.echo(json_text({"rules": [result.to_json() for result in results]}))
        return not broken
    for result in broken:
        out.print(f"[bold red]broken[/]: {result.text}", highlight=False)
    out.print(f"{len(results) - len(broken)} of {len(results)} rules of the policy are kept")
    return not broken
