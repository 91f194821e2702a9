"""Log-probabilities of both answers of every pair, each distinct conversation once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import polars as pl

from curate.data.renamed import warn_renamed
from curate.models.lm.conversations import (
    Computed,
    Conversations,
    add_model_counts,
    distinct_conversations,
    lookup_or_compute,
    truncation_counts,
)
from curate.models.lm.language_model import LanguageModel, Measure, TokenUsage
from curate.models.lm.tokens import (
    ConversationEncoder,
    EncodedConversation,
    Messages,
    Prompt,
    RenderedConversation,
)
from curate.steps.contracts import Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.context import Context
    from curate.steps.models import ModelSpec

M = TypeVar("M")
Write = Callable[[ConversationEncoder, Prompt, Messages], RenderedConversation | str]
"""How a conversation is written; a plain text says why it cannot be."""
OK, NO_TOKENS = "ok", "answer without tokens"
MODEL_STATUS = Column(
    "status", f"ok; '{NO_TOKENS}'; or why the model's chat template refuses the pair", kind="text"
)


@dataclass(frozen=True)
class AnswerLogprobs:
    """What a causal model gives to both answers of each pair; (pairs,) each.

    Attributes:
        chosen: sum of the preferred answer's token log-probabilities, nats; NaN if not computed.
        rejected: that of the other answer.
        chosen_tokens: tokens of the preferred answer that were summed.
        rejected_tokens: those of the other answer.
        status: `OK`, or why a value is missing.

    Examples:
        >>> values = AnswerLogprobs(
        ...     chosen=np.array([-6.0, np.nan]),
        ...     rejected=np.array([-8.0, -2.0]),
        ...     chosen_tokens=np.array([3.0, np.nan]),
        ...     rejected_tokens=np.array([2.0, 1.0]),
        ...     status=pl.Series(["ok", "answer without tokens"]),
        ... )

        >>> values.means()[0].tolist()
        [-2.0, nan]
    """

    chosen: NDArray[np.float64]
    rejected: NDArray[np.float64]
    chosen_tokens: NDArray[np.float64]
    rejected_tokens: NDArray[np.float64]
    status: pl.Series

    def means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean log-probability a token of both answers, nats."""
        return self.chosen / self.chosen_tokens, self.rejected / self.rejected_tokens


def with_status(values: dict[str, NDArray[np.float64]], *answers: AnswerLogprobs) -> pl.DataFrame:
    """Return columns of values, and as `status` the first problem that any of the models had.

    What could not be computed is null.

    Examples:
        >>> values = AnswerLogprobs(
        ...     chosen=np.array([-6.0, np.nan]),
        ...     rejected=np.array([-8.0, -2.0]),
        ...     chosen_tokens=np.array([3.0, np.nan]),
        ...     rejected_tokens=np.array([2.0, 1.0]),
        ...     status=pl.Series(["ok", "answer without tokens"]),
        ... )

        >>> with_status({"gap": values.chosen - values.rejected}, values).rows()
        [(2.0, 'ok'), (None, 'answer without tokens')]
    """
    frame = pl.DataFrame(values).with_columns(pl.all().fill_nan(None))
    problem = pl.repeat(OK, len(frame), dtype=pl.String, eager=True)
    for result in answers:
        # The first model that failed names the reason.
        problem = problem.zip_with(problem != OK, result.status)
    return frame.with_columns(problem.alias("status"))


def load_cached_model(context: Context, key: object, make: Callable[[], M]) -> M:
    """Return the run's model under `key`; only `inference.models_in_memory` of them stay loaded."""
    models = context.models
    if key not in models:
        # The least recently used goes: policy and reference take turns.
        while len(models) >= context.inference.models_in_memory:
            models.popitem(last=False)
        models[key] = make()
    models.move_to_end(key)
    return cast("M", models[key])


def load_language_model(context: Context, spec: ModelSpec) -> LanguageModel:
    """Return the language model of a specification, shared by the scorers of a run."""
    cls: type[LanguageModel] = LanguageModel
    if context.inference.backend == "vllm":
        from curate.models.lm.vllm_model import VLLMModel

        cls = VLLMModel
    return load_cached_model(context, ("causal", spec), lambda: cls(spec, context.inference))


def answer_logprobs(
    pairs: pl.DataFrame, context: Context, spec: ModelSpec, *, alone: bool = False
) -> AnswerLogprobs:
    """Return the log-probability of each answer given its prompt, never of the prompt.

    Args:
        pairs: the pair table.
        context: of the step; its facts gain what was truncated, and how many tokens were computed.
        spec: of the model.
        alone: score the answers without their prompts, after the beginning-of-text token.

    Examples:
        >>> from curate import Context, read_pairs
        >>> from curate.steps.models import ModelSpec
        >>> pairs = read_pairs([{"prompt": "Hi", "chosen": "Hello!", "rejected": "No."}]).frame
        >>> model = ModelSpec(name="model")  # a name on the Hub, or a folder
        >>> values = answer_logprobs(pairs, Context(), model)
        >>> values.status.to_list(), bool((values.chosen < 0).all())
        (['ok'], True)
    """
    kind = "answers_alone" if alone else "answers"
    return measure_answers(pairs, context, spec, (kind,), alone=alone)


def measure_answers(
    pairs: pl.DataFrame,
    context: Context,
    spec: ModelSpec,
    kind: tuple[str, ...],
    *,
    alone: bool = False,
    of: Measure | None = None,
    write: Write | None = None,
) -> AnswerLogprobs:
    """Measure answers as `answer_logprobs` does, with another rendering or another measure.

    Args:
        pairs: the pair table.
        context: of the step.
        spec: of the model.
        kind: of the values, in the store's keys.
        alone: leave the prompts out.
        of: gives sum and number of token values; default `answer_sums`.
        write: from encoder, prompt and answer to texts, or to why there are none.
    """
    model, texts = load_language_model(context, spec), distinct_conversations(pairs)
    # A copy: steps share the model, and each reports only its own use.
    rendered, before = ConversationRenderer(texts, model, write), TokenUsage(**vars(model.usage))

    def compute(rows: list[int]) -> Computed:
        encoded = rendered.encode(rows, alone)
        tokens = [e for _, e in encoded]
        with context.progress.task(f"{spec.name}: answers", len(rows)) as task:
            measured = model.logprobs(tokens) if of is None else model.measure(tokens, of)
            for at, values in measured:
                cut = [(encoded[i][1].prompt_cut, encoded[i][1].answer_cut) for i in at]
                yield [encoded[i][0] for i in at], np.column_stack([values, cut])
                task.advance(len(at))

    values = lookup_or_compute(context.store, (*kind, *model.identity), texts.keys, 4, compute)
    counts = truncation_counts(values[:, 2], values[:, 3])
    record_usage(context, spec, model.usage, before, counts)
    return _scatter_to_pairs(texts, values, rendered)


class ConversationRenderer:
    """Conversations as a model's template writes them, and why some cannot be written."""

    def __init__(
        self, texts: Conversations, model: LanguageModel, write: Write | None = None
    ) -> None:
        self._texts, self._model = texts, model
        self._write: Write = write or ConversationEncoder.render
        self.refused: dict[int, str] = {}

    def encode(self, rows: list[int], alone: bool = False) -> list[tuple[int, EncodedConversation]]:
        """Return the rows whose conversation can be written, and their tokens."""
        encoder, texts = self._model.encoder, self._texts
        written: dict[int, RenderedConversation] = {}
        for row in rows:
            rendered = self._write(encoder, texts.prompts[row], texts.answers[row])
            if isinstance(rendered, str):
                self.refused[row] = rendered
            else:
                written[row] = rendered
        encode = encoder.alone if alone else encoder.encode
        return list(zip(written, encode(list(written.values())), strict=True))

    def why(self, row: int) -> str:
        """Return why a row has no values."""
        return self.refused.get(row, NO_TOKENS)


def _scatter_to_pairs(
    texts: Conversations, values: NDArray[np.float64], rendered: ConversationRenderer
) -> AnswerLogprobs:
    values = np.where(values[:, 1:2] > 0, values, np.nan)
    missing = np.flatnonzero(np.isnan(values[:, 1]))
    if len(missing):
        # What the store knew was not written in this run: only now is it seen why it has no value.
        rendered.encode([int(r) for r in missing])
    why = np.full(len(texts), OK, dtype=object)
    why[missing] = [rendered.why(int(r)) for r in missing]
    chosen, rejected = values[texts.chosen], values[texts.rejected]
    reasons = np.where(why[texts.chosen] == OK, why[texts.rejected], why[texts.chosen])
    return AnswerLogprobs(
        chosen[:, 0],
        rejected[:, 0],
        chosen[:, 1],
        rejected[:, 1],
        pl.Series("status", reasons.tolist(), dtype=pl.String),
    )


def record_usage(
    context: Context, spec: ModelSpec, now: TokenUsage, before: TokenUsage, counts: dict[str, int]
) -> None:
    """Add to the step's facts what a model was asked, and how many tokens that took."""
    used = {
        "tokens_computed": now.computed - before.computed,
        "tokens_of_padding": now.padding - before.padding,
        "tokens_shared": now.shared - before.shared,
    }
    add_model_counts(context.report, spec.name, counts | used)


def __getattr__(name: str) -> object:
    # Plug-ins of version 0.3 import the old name; it stays for one release.
    if name == "STATUS":
        warn_renamed("curate.models.lm.answer_logprobs.STATUS", "curate.scoring.MODEL_STATUS")
        return MODEL_STATUS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
