"""Thresholds on what audit, check and diff measure: the tests of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError, model_validator

from curate.data.json_result import JsonResult
from curate.data.json_types import Json, JsonObject
from curate.data.strict_model import YamlSection
from curate.errors import CurateError, nearest
from curate.pipeline.yaml_locations import load_yaml

Section = Literal["audit", "check", "diff"]
SECTIONS: tuple[Section, ...] = get_args(Section)
_PAIR_COUNTS = {"audit": "data.pairs", "check": "pairs", "diff": "new.pairs"}
"""Where each section has the number of pairs, to which `max_share` refers."""


class Limits(YamlSection):
    """What a number may be."""

    min: float | None = Field(None, description="Smallest value.")
    max: float | None = Field(None, description="Largest value.")
    max_share: float | None = Field(
        None, ge=0, le=1, description="Largest value as a share of all pairs, for counts of pairs."
    )

    @model_validator(mode="after")
    def _some_limit(self) -> Limits:
        if self.min is None and self.max is None and self.max_share is None:
            raise ValueError("give min, max or max_share")
        return self

    def text(self) -> str:
        """Return the limits in words."""
        named = {"at least": self.min, "at most": self.max}
        words = [f"{name} {value:g}" for name, value in named.items() if value is not None]
        if self.max_share is not None:
            words.append(f"at most {self.max_share:.2%} of the pairs")
        return " and ".join(words)

    def allow(self, value: float, pairs: float) -> bool:
        """Return whether a value is within the limits."""
        most = math.inf if self.max is None else self.max
        least = -math.inf if self.min is None else self.min
        share = math.inf if self.max_share is None else self.max_share * pairs
        return least <= value <= min(most, share)


class Policy(YamlSection):
    """The rules of a dataset: limits by the path of a number in the JSON of a command."""

    audit: dict[str, Limits] = Field(
        default_factory=dict, description="Rules on curate audit, such as data.exact_repeats."
    )
    check: dict[str, Limits] = Field(
        default_factory=dict, description="Rules on curate check --json, such as cut_share."
    )
    diff: dict[str, Limits] = Field(
        default_factory=dict, description="Rules on curate diff --json, such as relabelled."
    )

    def rules(self, section: Section) -> dict[str, Limits]:
        """Return the rules of a section."""
        rules: dict[str, Limits] = getattr(self, section)
        return rules


@dataclass(frozen=True)
class RuleResult(JsonResult):
    """Whether a dataset keeps a rule.

    Attributes:
        rule: section and path, such as audit.data.exact_repeats.
        limits: the limits in words.
        value: what was measured; None where it could not be.
        passed: whether it is within the limits. What could not be measured is not.
    """

    rule: str
    limits: str
    value: float | None
    passed: bool

    @property
    def text(self) -> str:
        """Return the result as a sentence."""
        value = "not measured" if self.value is None else f"{self.value:g}"
        return f"{self.rule} is {value}; the policy allows {self.limits}"


def load_policy(path: str | Path) -> Policy:
    """Read a policy.

    Raises:
        CurateError: no such file, a wrong key or value, or no rule.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CurateError("the policy cannot be read", where=str(path), found=str(error)) from None
    data, locations = load_yaml(text, str(path))
    try:
        policy = Policy.model_validate(data or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise CurateError(
            "wrong policy",
            where=locations.describe(first["loc"]),
            found=repr(first["input"])[:80],
            expected=first["msg"].removeprefix("Value error, "),
            fix=f"sections: {', '.join(SECTIONS)}; each maps a path to min, max or max_share",
        ) from None
    if not any(policy.rules(section) for section in SECTIONS):
        raise CurateError("the policy has no rule", where=str(path), expected=", ".join(SECTIONS))
    return policy


def apply_policy(policy: Policy, findings: Mapping[Section, JsonObject]) -> list[RuleResult]:
    """Return the result of every rule.

    Args:
        policy: the rules.
        findings: the JSON of each command that has rules.

    Raises:
        CurateError: a path that leads to nothing, or to something other than a number.
    """
    return [
        result for section, values in findings.items() for result in _apply(policy, section, values)
    ]


def _apply(policy: Policy, section: Section, values: JsonObject) -> Iterator[RuleResult]:
    pairs = _find_number(values, _PAIR_COUNTS[section], section) or 0.0
    for path, limits in policy.rules(section).items():
        value = _find_number(values, path, section)
        is_allowed = value is not None and limits.allow(value, pairs)
        yield RuleResult(f"{section}.{path}", limits.text(), value, is_allowed)


def _find_number(values: JsonObject, path: str, section: Section) -> float | None:
    """Return the number at a path; None where the command could not measure it."""
    place: Json = values
    keys = path.split(".")
    while keys:
        if place is None:
            return None
        names = _named_items(place)
        # Names may have dots, as those of sources do: the longest one that fits is meant.
        lengths = (n for n in range(len(keys), 0, -1) if ".".join(keys[:n]) in names)
        length = next(lengths, 0)
        if not length:
            raise CurateError(
                "the policy names nothing that is measured",
                where=f"{section}.{path}",
                found=keys[0],
                expected=", ".join(list(names)[:20]) or "a number here",
                fix=nearest(keys[0], names),
            )
        place, keys = names[".".join(keys[:length])], keys[length:]
    if place is None:
        return None
    if isinstance(place, bool) or not isinstance(place, int | float):
        problem, found_kind = "the policy names no number", type(place).__name__
        raise CurateError(problem, where=f"{section}.{path}", found=found_kind)
    return float(place)


def _named_items(place: Json) -> dict[str, Json]:
    """Return what can be named at a place: keys, or the names of a list's items."""
    if isinstance(place, Mapping):
        return dict(place)
    if isinstance(place, Sequence) and not isinstance(place, str):
        # An item such as {"trait": "length", "share": 0.6} goes by its first text.
        named = ((next(iter(i.values()), None), i) for i in place if isinstance(i, Mapping))
        return {name: item for name, item in named if isinstance(name, str)}
    return {}
