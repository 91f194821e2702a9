"""Evidence of labels keeps to its pairs, whichever of them are taken or flipped."""

from __future__ import annotations

import numpy as np

from curate.steps.evidence import EvidenceSource, LabelEvidence

MARGIN = np.array([1.5, -2.0, np.nan, 0.0])
EVIDENCE = LabelEvidence(
    (EvidenceSource("judge.margin", MARGIN, "strong"),), np.array([1, -1, 0, 1], dtype=np.int8)
)


def test_some_of_the_pairs() -> None:
    subset = EVIDENCE.take(np.array([3, 1]))
    np.testing.assert_array_equal(subset.sources[0].margin, [0.0, -2.0])
    assert (subset.sources[0].name, subset.sources[0].trust) == ("judge.margin", "strong")
    assert subset.verdicts is not None
    assert subset.verdicts.tolist() == [1, -1]
    assert LabelEvidence().take(np.array([0])).verdicts is None


def test_flips_turn_margins_and_verdicts() -> None:
    turned = EVIDENCE.flipped(np.array([True, False, True, False]))
    np.testing.assert_array_equal(turned.sources[0].margin, [-1.5, -2.0, np.nan, 0.0])
    assert turned.verdicts is not None
    assert turned.verdicts.tolist() == [-1, -1, 0, 1]
    assert turned.verdicts.dtype == np.int8


def test_the_digest_differs_wherever_anything_does() -> None:
    unknown = LabelEvidence((EvidenceSource("judge.margin", MARGIN),), EVIDENCE.verdicts)
    renamed = LabelEvidence((EvidenceSource("j", MARGIN, "strong"),), EVIDENCE.verdicts)
    unjudged = LabelEvidence(EVIDENCE.sources)
    empty = LabelEvidence()
    reversed_rows = EVIDENCE.take(np.array([3, 2, 1, 0]))
    bodies = (EVIDENCE, unknown, renamed, unjudged, empty, reversed_rows)
    assert len({body.digest() for body in bodies}) == len(bodies)
    # A column of every second value is another one than that of its buffer.
    strided = LabelEvidence((EvidenceSource("a", np.array([1.0, 9.0, 2.0, 9.0])[::2]),))
    assert strided.digest() == LabelEvidence((EvidenceSource("a", np.array([1.0, 2.0])),)).digest()
