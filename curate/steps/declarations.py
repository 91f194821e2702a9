"""What a scorer declares of itself: what it reads, what a score depends on, and what is stored."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from curate.data.renamed import warn_renamed


class Input(StrEnum):
    """What a scorer reads besides labels, votes and columns of the pairs.

    Examples:
        >>> from curate.steps.contracts import Scorer
        >>> Scorer.inputs == {Input.TEXTS}  # the default
        True
    """

    TEXTS = "texts"
    EMBEDDINGS = "embeddings"
    MEDIA = "media"
    MODEL = "model"


class Scope(StrEnum):
    """Which pairs a score depends on, and so where it can be computed.

    Examples:
        >>> from curate.steps.registry import scorer_class
        >>> scorer_class("lengths").scope
        <Scope.ROW: 'row'>
    """

    ROW = "row"
    TABLE = "table"
    PARTITIONED = "partitioned"


class Cache(StrEnum):
    """What is stored of a scorer's columns for the next run.

    Examples:
        >>> from curate.steps.registry import scorer_class
        >>> scorer_class("noise_score").cache
        <Cache.WHOLE: 'whole'>
    """

    NONE = "none"
    PER_ROW = "per row"
    WHOLE = "whole"


class Standing(StrEnum):
    """What measurements say of a step (docs/explanation/proof.md); `curate list` is in this order.

    RECOMMENDED ones helped on all sets tried, or find what is wrong in any set; SITUATIONAL ones
    are for data of their kind, which `when` names; RESEARCH ones gained nothing, or harmed.

    Examples:
        >>> from curate.steps.registry import scorer_class
        >>> scorer_class("noise_score").standing
        <Standing.RECOMMENDED: 'recommended'>
    """

    RECOMMENDED = "recommended"
    SITUATIONAL = "situational"
    RESEARCH = "research"


_INPUT_FLAGS = {
    "reads_texts": Input.TEXTS,
    "needs_embeddings": Input.EMBEDDINGS,
    "reads_media": Input.MEDIA,
}
_OLD_FLAGS = {
    **dict.fromkeys(_INPUT_FLAGS, "inputs"),
    "in_parts": "scope",
    "stored": "cache",
    "stored_whole": "cache",
}
"""Flags of version 0.3, in an order in which each finds what it depends on, with the declaration
that replaces them."""


class OldFlags:
    """Reads the flags of version 0.3 of plug-ins, of classes and of objects, for one release."""

    if not TYPE_CHECKING:

        def __init_subclass__(cls, **arguments: Any) -> None:
            super().__init_subclass__(**arguments)
            if "scope" in cls.__dict__ and not isinstance(cls.scope, Scope):
                warn_renamed(f"{cls.__name__}.scope = {cls.scope!r}", f"Scope('{cls.scope}')")
                cls.scope = Scope(cls.scope)
            for name in _OLD_FLAGS:
                if name in cls.__dict__:
                    value = cls.__dict__[name]
                    # Else it would hide that of this class, which translates what objects set.
                    delattr(cls, name)
                    _translate_flag(cls, cls.__name__, name, value)


def _translate_flag(target: Any, owner: str, name: str, value: bool) -> None:
    """Set the declaration of a class or an object that an old flag stands for."""
    warn_renamed(f"{owner}.{name}", f"{owner}.{_OLD_FLAGS[name]}")
    if name in _INPUT_FLAGS:
        flag = frozenset({_INPUT_FLAGS[name]})
        target.inputs = target.inputs | flag if value else target.inputs - flag
    elif name == "in_parts":
        if target.scope is not Scope.ROW:
            target.scope = Scope.PARTITIONED if value else Scope.TABLE
    elif name == "stored":
        stored = Cache.PER_ROW if target.scope is Scope.ROW else Cache.WHOLE
        target.cache = stored if value else Cache.NONE
    elif value:
        target.cache = Cache.WHOLE


def _old_flag(name: str) -> property:
    def get_flag(scorer: Any) -> bool:
        warn_renamed(f"{type(scorer).__name__}.{name}", f"Scorer.{_OLD_FLAGS[name]}")
        if name in _INPUT_FLAGS:
            return _INPUT_FLAGS[name] in scorer.inputs
        if name == "in_parts":
            return scorer.scope is Scope.PARTITIONED
        if name == "stored":
            return scorer.cache is not Cache.NONE
        return scorer.cache is Cache.WHOLE

    def set_flag(scorer: Any, value: bool) -> None:
        _translate_flag(scorer, type(scorer).__name__, name, value)

    return property(get_flag, set_flag)


for _name in _OLD_FLAGS:
    setattr(OldFlags, _name, _old_flag(_name))
