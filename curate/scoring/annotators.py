"""Annotators: groups of like preferences, and rankings as tournaments."""

from __future__ import annotations

from curate.models.people.group_choice import (
    MIN_ANNOTATORS,
    MIN_VOTES,
    choose_groups,
    frequent_annotators,
)
from curate.models.people.preference_groups import (
    AnnotatorVotes,
    PreferenceGroups,
    Train,
    fit_groups,
    member_weights,
    reward_trainer,
)
from curate.models.people.tournament import build_tournaments, mean_clarity

__all__ = [
    "MIN_ANNOTATORS",
    "MIN_VOTES",
    "AnnotatorVotes",
    "PreferenceGroups",
    "Train",
    "build_tournaments",
    "choose_groups",
    "fit_groups",
    "frequent_annotators",
    "mean_clarity",
    "member_weights",
    "reward_trainer",
]
