"""Probability of a label (safe, toxic, ...) by any text-classification model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, softmax

from curate import Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, Model
from curate.scoring.lm import Classifier, TextSegment, classify_answers, label_index

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TextClassifierParams(Parameters):
    """Parameters of `text_classifier`."""

    model: Model = Field(description="Text-classification model.")
    label: str | None = Field(
        None, description="Label whose probability is computed; default the only or the last one."
    )
    reads: TextSegment = Field(
        "answer", description="Its input: the answer, or the whole conversation."
    )


class TextClassifier(Scorer[TextClassifierParams]):
    """Compute the probability that a text-classification model gives to a label, for both answers.

    `chosen` and `rejected` are 0 to 1 by softmax over the labels, or by a sigmoid for a multi-label
    model; a model with one output gives the output itself. `difference` is chosen minus rejected.
    Use it for safety, toxicity or quality with a classifier of your own.

    Examples:
        >>> step = TextClassifier(model="org/toxicity", label="toxic")
        >>> [column.name for column in step.columns()]
        ['chosen', 'rejected', 'difference', 'status']
    """

    name = "text_classifier"
    purpose = "rewards and models"
    when = "For safety, toxicity or quality by a classifier of your own."
    summary = "probability of a label (safe, toxic, good...) by any text-classification model"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    single_answer_columns = ("chosen", "status")
    Params = TextClassifierParams

    def columns(self) -> tuple[Column, ...]:
        """Return both answers and their difference; which end is good depends on the label."""
        return (
            Column("chosen", "probability for the chosen answer", unit="0 to 1"),
            Column("rejected", "probability for the rejected answer", unit="0 to 1"),
            Column("difference", "chosen minus rejected", evidence="named"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return probabilities of a batch."""
        model, outputs, status = classify_answers(
            pairs, context, self.params.model, self.params.reads
        )
        values = _label_probabilities(model, outputs)[
            :, :, label_index(self.params.label, model.labels, self.name)
        ]
        frame = pl.DataFrame({"chosen": values[:, 0], "rejected": values[:, 1]})
        return frame.with_columns(
            difference=pl.col("chosen") - pl.col("rejected"), status=status
        ).select([c.name for c in self.columns()])


def _label_probabilities(model: Classifier, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(model.labels) == 1:
        return outputs
    several = model.config.problem_type == "multi_label_classification"
    # Exclusive labels share a softmax; those of a multi-label model have a sigmoid each.
    probabilities: NDArray[np.float64] = expit(outputs) if several else softmax(outputs, axis=-1)
    return probabilities
