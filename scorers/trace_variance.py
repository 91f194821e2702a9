"""How much an answer's probability depends on its reasoning trace (BVPO)."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import MODEL_STATUS, AnswerLogprobs, Model, with_status
from curate.scoring.lm import (
    ConversationEncoder,
    Messages,
    Prompt,
    RenderedConversation,
    measure_answers,
)
from curate.scoring.texts import THINK_END, THINK_START, split_trace

NO_TRACE = "no reasoning trace"


class TraceVarianceParams(Parameters):
    """Parameters of `trace_variance`."""

    model: Model = Field(description="Causal language model.")


class TraceVariance(Scorer[TraceVarianceParams]):
    """Compute the variance of the final answer's log-probability with and without its trace.

    For an answer `<think>trace</think>final` let a = mean log p(final | prompt, trace) per token
    and b the same after an empty trace. `chosen` and `rejected` are (a - b)^2 / 4 in nats squared;
    `chosen_shift` and `rejected_shift` are a - b. It is no part of BVPO (arXiv 2510.05095), which
    mixes the gradients of both kinds by one weight: `curate derive --from traces` writes its two
    sets. Use it on answers with a reasoning trace, to see how much a trace changes its answer.

    Examples:
        >>> [column.name for column in TraceVariance(model="org/model").columns()]
        ['chosen', 'rejected', 'chosen_shift', 'rejected_shift', 'status']
    """

    name = "trace_variance"
    purpose = "difficulty and uncertainty"
    when = "For answers with a reasoning trace."
    summary = "variance of an answer's log-probability with and without its reasoning trace (BVPO)"
    reference = (
        "after BVPO, arXiv 2510.05095: its two kinds of trace; the variance as score is ours"
    )
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    Params = TraceVarianceParams

    def columns(self) -> tuple[Column, ...]:
        """Return variance and shift of both answers."""
        return (
            Column("chosen", "variance for the chosen answer", "float", LOWER, "nats squared"),
            Column("rejected", "variance for the rejected answer", "float", LOWER, "nats squared"),
            Column("chosen_shift", "with trace minus without, of chosen", unit="nats a token"),
            Column("rejected_shift", "with trace minus without, of rejected", unit="nats a token"),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return variances of a batch."""
        with_trace = self._answer_logprobs(pairs, context, True)
        without_trace = self._answer_logprobs(pairs, context, False)
        shifts = [a - b for a, b in zip(with_trace.means(), without_trace.means(), strict=True)]
        values = {
            # The variance of two values a and b is (a - b)^2 / 4.
            "chosen": np.square(shifts[0]) / 4.0,
            "rejected": np.square(shifts[1]) / 4.0,
            "chosen_shift": shifts[0],
            "rejected_shift": shifts[1],
        }
        return with_status(values, with_trace, without_trace)

    def _answer_logprobs(self, pairs: pl.DataFrame, context: Context, keep: bool) -> AnswerLogprobs:
        def write(
            encoder: ConversationEncoder, prompt: Prompt, answer: Messages
        ) -> RenderedConversation | str:
            return _render_final_answer(encoder, prompt, answer, keep)

        kind = ("answers_traced", str(keep))
        return measure_answers(pairs, context, self.params.model, kind, write=write)


def _render_final_answer(
    encoder: ConversationEncoder, prompt: Prompt, answer: Messages, keep: bool
) -> RenderedConversation | str:
    """Render the final answer after the prompt and its trace, or after an empty trace."""
    text = answer[-1]["content"] or "" if answer else ""
    trace, ended, final = split_trace(text)
    if not ended or len(answer) != 1:
        return NO_TRACE
    # Templates put their own newlines after the trace.
    final = final.lstrip("\n")
    rendered = encoder.render(prompt, [{"role": answer[0]["role"], "content": final}])
    if isinstance(rendered, str):
        return rendered
    # The chat templates of some reasoning models already open the trace.
    start = "" if rendered.prompt.rstrip().endswith(THINK_START) else THINK_START
    # An empty trace as reasoning models write it when thinking is switched off.
    thought = trace if keep else "\n\n"
    return RenderedConversation(
        f"{rendered.prompt}{start}{thought}{THINK_END}\n\n", rendered.answer
    )
