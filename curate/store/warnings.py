"""Warnings about the store, each once: problems of the store never stop a run."""

from __future__ import annotations


class StoreWarnings:
    """Warnings about a store, one per kind, in the order of their occurrence."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def add(self, kind: str, text: str) -> None:
        """Add a warning, unless there is one of this kind."""
        self._texts.setdefault(kind, text)

    def unusable(self, path: object, error: Exception) -> None:
        """Note that the store cannot be read or written; the run continues without it."""
        reason = getattr(error, "strerror", None) or str(error)
        text = f"the store cannot be used ({reason}): {path}; results are not cached"
        self.add("unusable", text)

    def damaged(self, path: object) -> None:
        """Note that an entry is damaged and will be computed again."""
        text = f"damaged cache entries are computed again (the first one: {path})"
        self.add("damaged", text)

    def texts(self) -> tuple[str, ...]:
        """Return all warnings."""
        return tuple(self._texts.values())
