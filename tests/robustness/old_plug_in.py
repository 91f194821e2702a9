"""A plug-in as it was written for version 0.1."""

from curate.pairs import messages_text  # type: ignore[import-not-found]

X = messages_text
