"""Problems of a store, reported once: they never stop a run."""

from __future__ import annotations


class Troubles:
    """Problems of a store, one of each kind, in order of occurrence."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, kind: str, text: str) -> None:
        """Record the first text of a kind."""
        self._told.setdefault(kind, text)

    def unusable(self, place: object, error: Exception) -> None:
        """Record that the store cannot be read or written; the run continues without it."""
        reason = getattr(error, "strerror", None) or str(error)
        text = f"the store cannot be used ({reason}): {place}; results are not cached"
        self.tell("unusable", text)

    def damaged(self, place: object) -> None:
        """Record that an entry of the store is damaged; it is computed again."""
        text = f"damaged cache entries are computed again (the first one: {place})"
        self.tell("damaged", text)

    def texts(self) -> tuple[str, ...]:
        """Return all problems."""
        return tuple(self._told.values())
