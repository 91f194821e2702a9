"""Default limits. A module of its own, so that `--help` need not import polars."""

DEFAULT_MAX_PAIRS = 50_000
"""Verbs that learn sample prompts down to this many pairs by default."""
