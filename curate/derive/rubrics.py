"""The pairs again, each with a rubric that a model writes by contrast of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import polars as pl

from curate.data.json_fields import with_extra_key
from curate.data.json_text import to_json
from curate.data.table import messages_text
from curate.derive.instructions import DerivedPairs
from curate.models.judge.asking import ask_endpoint
from curate.models.judge.templates import CONTRAST_RUBRIC, compile_question

if TYPE_CHECKING:
    from curate.models.judge.endpoint import EndpointParams
    from curate.steps.context import Context

RUBRIC_KEY = "rubric"
"""Key of `extra` that holds the rubric."""
_PARTS = ("prompt", "chosen", "rejected")


def rubric_batches(
    batches: Iterable[pl.DataFrame], context: Context, params: EndpointParams
) -> Iterator[DerivedPairs]:
    """Add a rubric to each pair of batches of a dataset.

    OpenRubrics (arXiv 2510.07743) shows a model the prompt and both answers with the label, and
    asks for hard rules and principles (contrastive rubric generation); rubrics by which a judge
    contradicts the label are then rejected there. Here all are kept, and the scorer {type: judge,
    rubric_key: rubric} names the pairs whose label its verdict contradicts. Ids and all else of the
    pairs stay; `extra.rubric` is the text.

    Args:
        batches: the pair table in parts; pairs without a reply are left out.
        context: keeps replies, and counts them in its facts.
        params: of the endpoint.
    """
    shape = compile_question(CONTRAST_RUBRIC, _PARTS, "template of rubrics")
    for pairs in batches:
        texts = pairs.select(messages_text(part).alias(part) for part in _PARTS)
        questions = [
            [{"role": "user", "content": shape.render(row)}] for row in texts.iter_rows(named=True)
        ]
        replies = [reply.text for reply in ask_endpoint(questions, context, params)]
        rubrics = [to_json(text.strip()) if text and text.strip() else None for text in replies]
        with_rubrics = pairs.with_columns(pl.Series("_rubric", rubrics, dtype=pl.String))
        answered_pairs = with_rubrics.drop_nulls("_rubric").with_columns(
            with_extra_key("extra", RUBRIC_KEY, pl.col("_rubric"))
        )
        unused = len(pairs) - len(answered_pairs)
        left_out = {"no reply of the endpoint": unused} if unused else {}
        yield DerivedPairs(answered_pairs.drop("_rubric"), left_out)
