"""Languages of texts by langid (Lui and Baldwin 2012)."""

from __future__ import annotations

from collections.abc import Sequence

from curate.optional_packages import need


class LanguageDetector:
    """Finds the language of a text.

    Args:
        user: who asks, for the message where the package is missing.
        least: probability below which the language is not decided.
        among: ISO 639-1 codes to choose among; empty for all that langid knows.
    """

    def __init__(self, user: str, least: float = 0.5, among: Sequence[str] = ()) -> None:
        need("py3langid", "hygiene", user)
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._least = least
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        if among:
            self._identifier.set_languages(list(among))

    def of(self, text: str) -> str | None:
        """Return the ISO 639-1 code, None where it is not sure."""
        code, probability = self._identifier.classify(text)
        return str(code) if probability >= self._least else None
