"""How much is looked at where more would tell little."""

MOST_PAIRS = 50_000
"""Pairs of which verbs that learn take a random sample of prompts, unless asked for more."""
