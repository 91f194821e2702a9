"""What is wrong with a store, told once: a run never stops for it."""

from __future__ import annotations


class Troubles:
    """Problems of a store, each kind once, in the order in which they came."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, kind: str, text: str) -> None:
        """Keep the first text of a kind."""
        self._told.setdefault(kind, text)

    def unusable(self, place: object, error: Exception) -> None:
        """The store cannot be read or written; the run goes on without it."""
        reason = getattr(error, "strerror", None) or str(error)
        text = f"the store cannot be used ({reason}): {place}; what is computed is not kept there"
        self.tell("unusable", text)

    def damaged(self, place: object) -> None:
        """Something in the store is not as it was written; it is computed again."""
        told = "something in the store is not as it was written: it counts for nothing and is "
        self.tell("damaged", f"{told}computed again ({place}, the first such place)")

    def texts(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._told.values())
