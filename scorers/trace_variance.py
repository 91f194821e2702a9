"""How much an answer's probability hangs on its reasoning trace (BVPO)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.data.message_parts import THINK, THOUGHT, split_trace
from curate.models.lm.answers import STATUS, AnswerLogprobs, measure_answers, with_status
from curate.models.lm.tokens import ConversationEncoder, Messages, Prompt, RenderedConversation
from curate.steps.models import Model

NO_TRACE = "no reasoning trace"


class TraceVarianceParams(Parameters):
    """Parameters of `trace_variance`."""

    model: Model = Field(description="Causal language model.")


class TraceVariance(Scorer[TraceVarianceParams]):
    """Variance of the final answer's log-probability over two prompts: with its trace, and without.

    For answers `<think>trace</think>final`, or with the trace as `reasoning_content`: a = mean
    log p(final | prompt, trace) a token and b the same after an empty trace; the variance of the
    two is (a - b)^2 / 4. BVPO weighs gradients of both kinds; taking the variance of the
    log-probability as a score is our reading.
    """

    name = "trace_variance"
    purpose = "difficulty and uncertainty"
    when = "For answers with a reasoning trace."
    summary = "variance of an answer's log-probability with and without its reasoning trace (BVPO)"
    reference = "BVPO (bias-variance optimised preference optimisation for reasoning models)"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = TraceVarianceParams

    def columns(self) -> tuple[Column, ...]:
        """Variance and shift of both answers."""
        return (
            Column("chosen", "variance for the preferred answer", "float", LOWER, "nats squared"),
            Column("rejected", "variance for the other answer", "float", LOWER, "nats squared"),
            Column("chosen_shift", "with trace minus without, of chosen", unit="nats a token"),
            Column("rejected_shift", "with trace minus without, of rejected", unit="nats a token"),
            STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Variances of a batch."""
        given = self._values(pairs, context, True)
        empty = self._values(pairs, context, False)
        shifts = [a - b for a, b in zip(given.means(), empty.means(), strict=True)]
        values = {
            "chosen": np.square(shifts[0]) / 4.0,
            "rejected": np.square(shifts[1]) / 4.0,
            "chosen_shift": shifts[0],
            "rejected_shift": shifts[1],
        }
        return with_status(values, given, empty)

    def _values(self, pairs: pl.DataFrame, context: Context, keep: bool) -> AnswerLogprobs:
        def write(
            encoder: ConversationEncoder, prompt: Prompt, answer: Messages
        ) -> RenderedConversation | str:
            return _write(encoder, prompt, answer, keep)

        kind = ("answers_traced", str(keep))
        return measure_answers(pairs, context, self.params.model, kind, write=write)


def _write(
    encoder: ConversationEncoder, prompt: Prompt, answer: Messages, keep: bool
) -> RenderedConversation | str:
    """The final answer after the prompt and its trace, or after an empty one."""
    text = answer[-1]["content"] or "" if answer else ""
    trace, ended, final = split_trace(text)
    if not ended or len(answer) != 1:
        return NO_TRACE
    final = final.lstrip("\n")
    written = encoder.render(prompt, [{"role": answer[0]["role"], "content": final}])
    if isinstance(written, str):
        return written
    # Templates of some reasoning models open the trace themselves.
    start = "" if written.prompt.rstrip().endswith(THINK) else THINK
    thought = trace if keep else "\n\n"
    return RenderedConversation(f"{written.prompt}{start}{thought}{THOUGHT}\n\n", written.answer)
