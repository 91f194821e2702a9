"""Values that a causal model gives to a pair as a whole, from one pass over both answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.scoring.lm import (
    OK,
    Computed,
    ConversationRenderer,
    LanguageModel,
    Measure,
    TokenUsage,
    distinct_conversations,
    load_language_model,
    lookup_or_compute,
    record_usage,
    truncation_counts,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate import Context
    from curate.scoring.heads import Progress
    from curate.scoring.lm import EncodedConversation, ModelSpec


def measure_pairs(
    pairs: pl.DataFrame,
    context: Context,
    spec: ModelSpec,
    kind: str,
    width: int,
    of: Measure,
) -> tuple[NDArray[np.float64], pl.Series]:
    """Return `of` of every pair, and a status for each.

    Args:
        pairs: the pair table.
        context: of the step.
        spec: of the model.
        kind: of the values, in the store's keys.
        width: numbers a pair.
        of: gets batches whose answers come in twos, chosen and rejected, and gives both of them
            the pair's values.

    Returns:
        (pairs, width) values, and the statuses.
    """
    model, texts = load_language_model(context, spec), distinct_conversations(pairs)
    rendered, before = ConversationRenderer(texts, model), TokenUsage(**vars(model.usage))
    sides = list(zip(texts.chosen.tolist(), texts.rejected.tolist(), strict=True))
    distinct = list(dict.fromkeys(sides))
    keys = [(*texts.keys[c], texts.keys[r][1]) for c, r in distinct]
    distinct_pairs = _DistinctPairs(distinct, rendered, model, of)
    task_name = f"{spec.name}: pairs"
    compute = partial(distinct_pairs.compute, progress=context.progress, task_name=task_name)
    name = (kind, "cut", *model.identity)
    stored_values = lookup_or_compute(context.store, name, keys, width + 2, compute)
    values = stored_values[:, :width]
    why = distinct_pairs.refusal_reasons(values)
    counts = truncation_counts(stored_values[:, width], stored_values[:, width + 1])
    record_usage(context, spec, model.usage, before, {"pairs": len(distinct)} | counts)
    number = {pair: r for r, pair in enumerate(distinct)}
    status = pl.Series("status", [why.get(s, OK) for s in sides], dtype=pl.String)
    return values[[number[s] for s in sides]], status


@dataclass(frozen=True)
class _DistinctPairs:
    """The distinct pairs of conversations, and the model that measures them.

    Attributes:
        pairs: numbers of the chosen and the rejected conversation.
        rendered: the conversations as the model sees them.
        model: the language model.
        measure: see `measure_pairs`.
    """

    pairs: list[tuple[int, int]]
    rendered: ConversationRenderer
    model: LanguageModel
    measure: Measure

    def compute(self, rows: list[int], progress: Progress, task_name: str) -> Computed:
        """Yield values and cut tokens of the pairs whose two conversations can be encoded."""
        encoded_rows = dict(self._encode(rows))
        complete_rows = [r for r in rows if all(side in encoded_rows for side in self.pairs[r])]
        encoded = [encoded_rows[side] for r in complete_rows for side in self.pairs[r]]
        with progress.task(task_name, len(complete_rows)) as task:
            for measured_rows, values in self.model.measure_pairs(encoded, self.measure):
                cut = _largest_cuts([encoded[i] for i in measured_rows])
                pair_rows = [complete_rows[i // 2] for i in measured_rows[::2]]
                yield pair_rows, np.hstack([values[::2], cut])
                task.advance(len(measured_rows) // 2)

    def refusal_reasons(self, values: NDArray[np.float64]) -> dict[tuple[int, int], str]:
        """Return why pairs have no values: the first of their conversations that was refused."""
        missing = [r for r in range(len(self.pairs)) if np.isnan(values[r]).any()]
        self._encode(missing)
        return {self.pairs[r]: _refusal_reason(self.rendered, self.pairs[r]) for r in missing}

    def _encode(self, rows: list[int]) -> list[tuple[int, EncodedConversation]]:
        return self.rendered.encode(sorted({side for r in rows for side in self.pairs[r]}))


def _largest_cuts(encoded: list[EncodedConversation]) -> NDArray[np.float64]:
    """Return the tokens cut off prompt and answer, the larger of both answers; (pairs, 2)."""
    cut = [(e.prompt_cut, e.answer_cut) for e in encoded]
    largest: NDArray[np.float64] = np.array(cut, dtype=np.float64).reshape(-1, 2, 2).max(axis=1)
    return largest


def _refusal_reason(rendered: ConversationRenderer, pair: tuple[int, int]) -> str:
    """Return why a pair has no values: the first of its conversations that was refused."""
    refused = (side for side in pair if side in rendered.refused)
    return rendered.why(next(refused, -1))
