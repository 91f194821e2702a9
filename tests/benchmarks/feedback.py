"""Feedback in replies that were kept aside: by patterns, by position, and by a classifier.

`python -m tests.benchmarks.feedback [--classifier]`. The classifier is a logistic regression on
MiniLM embeddings of the replies, trained on the phrases of tests/curate/derive/test_feedback.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from curate.models.text.feedback import feedback_signals
from curate.models.text.feedback_position import exchange_signals
from tests.curate.derive.test_feedback import TURNS
from tests.curate.models.text.test_feedback_position import aside_exchanges, precision_and_recall


def classified_kinds(replies: Sequence[str]) -> list[str]:
    """Return SAT, DSAT or N by a classifier of embeddings."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegressionCV

    from curate.models.embed.shipped_model import shipped_folder

    model = SentenceTransformer(str(shipped_folder()), device="cpu")
    texts = [(text, kind) for kind, some in TURNS.items() for text in some]
    classifier = LogisticRegressionCV(class_weight="balanced", max_iter=1000)
    classifier.fit(model.encode([text for text, _ in texts]), [kind for _, kind in texts])
    return [str(kind) for kind in classifier.predict(model.encode(list(replies)))]


def main() -> None:
    """Print precision and recall of each way, over all languages and in English."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classifier", action="store_true")
    arguments = parser.parse_args()
    kinds, exchanges = aside_exchanges()
    replies = [reply for _, _, reply in exchanges]
    predictions = {
        "patterns": [s.kind if s else "N" for s in feedback_signals(replies)],
        "patterns and position": [s.kind if s else "N" for s in exchange_signals(exchanges)],
    }
    if arguments.classifier:
        predictions["classifier"] = classified_kinds(replies)
    english = [reply.isascii() and prompt.isascii() for prompt, _, reply in exchanges]
    for name, predicted in predictions.items():
        for part, rows in (("all", [True] * len(kinds)), ("ASCII", english)):
            chosen = [(k, p) for k, p, keep in zip(kinds, predicted, rows, strict=True) if keep]
            truth, guess = zip(*chosen, strict=True)
            print(name, part, precision_and_recall(truth, guess))


if __name__ == "__main__":
    main()
