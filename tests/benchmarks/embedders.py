"""Texts a second of the embedders that come in wheels: `python -m tests.benchmarks.embedders`."""

from __future__ import annotations

import time

from curate.models.embed.embedder import Embedder
from curate.models.embed.static import StaticEmbedder
from tests.benchmarks.export import real_texts

_COPIES = 60
"""Of the texts for the fast embedder, each a little different."""


def main() -> None:
    """Print both rates and their ratio."""
    texts = sorted({text for row in real_texts() for text in row})
    many = [f"{text} {i}" for i in range(_COPIES) for text in texts]
    rates = {}
    for name, embedder, batch in (
        ("static", StaticEmbedder(), many),
        ("minilm", Embedder(), texts),
    ):
        embedder.encode(batch[:20])
        started = time.perf_counter()
        embedder.encode(batch)
        rates[name] = len(batch) / (time.perf_counter() - started)
        print(f"{name}: {rates[name]:,.0f} texts a second")
    characters = sum(map(len, texts)) / len(texts)
    print(f"ratio {rates['static'] / rates['minilm']:.0f}, {characters:.0f} characters a text")


if __name__ == "__main__":
    main()
