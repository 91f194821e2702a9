"""Verdicts of a language model as judge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Scorer
from curate.data.table import messages_text
from curate.models.judge.asking import ask_endpoint
from curate.models.judge.endpoint import OK, EndpointParams, Messages, Reply
from curate.models.judge.templates import CHOICE, SCORE, compile_question
from curate.models.judge.verdicts import (
    SCALE,
    UNREADABLE,
    Mode,
    begins_with_verdict,
    parse_verdict_values,
    settle_verdict,
    strip_verdict,
)

if TYPE_CHECKING:
    from curate.models.judge.templates import QuestionTemplate

_DEFAULTS: dict[Mode, str] = {"choice": CHOICE, "score": SCORE}
_VARIABLES = ("prompt", "answer_a", "answer_b", "rubric")


class JudgeParams(EndpointParams):
    """Parameters of `judge`."""

    mode: Mode = Field(
        "choice",
        description="choice: which answer is better, by [[A]], [[B]] or [[C]]; score: ratings.",
    )
    template: str | None = Field(
        None,
        description="The question, as jinja2 text or file, over prompt, answer_a, answer_b, "
        "rubric and tag (new for each question: put it into the tags around texts, so that no "
        "answer can close them); the reply must end with the marks of its mode.",
    )
    scale: tuple[float, float] = Field(
        SCALE, description="Lowest and highest rating that the template of mode score asks for."
    )
    rubric: str | None = Field(None, description="What to judge by, in place of the default.")
    system: str | None = Field(None, description="System message.")


class Judge(Scorer[JudgeParams]):
    """Verdict of a language model behind an OpenAI-compatible endpoint, asked in both orders.

    Judges favour a position: where the two orders name different winners, the pair counts as a tie
    with margin 0. `rationale` is the reply with the chosen answer shown as A; carry it into the
    shards by `output.columns`. Deviation: ratings of both answers come from one reply, in the paper
    also from one each.
    """

    name = "judge"
    purpose = "rewards and models"
    when = (
        "For the pairs that matter, within a budget. Ask in both orders, as it does: a "
        "judge that favours a slot gives ties."
    )
    summary = "LLM as judge by an OpenAI-compatible endpoint, in both orders, with rationale"
    reference = (
        "Zheng et al. 2023, arXiv 2306.05685, sec. 3.4 (position bias); rationales: "
        "arXiv 2407.14477"
    )
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = JudgeParams

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._template: QuestionTemplate | None = None
        if self.params.template:
            self._compiled()  # a template of the user's is checked before anything is read

    def columns(self) -> tuple[Column, ...]:
        """The verdict and how it came about."""
        return (
            Column(
                "margin", "chosen minus rejected; 0 for a tie", "float", HIGHER, evidence="auto"
            ),
            Column("chosen", "mean value of the preferred answer over both orders"),
            Column("rejected", "mean value of the other answer"),
            Column("verdict", "chosen, rejected or tie", "text"),
            Column("consistent", "both orders name the same winner", "bool"),
            Column("rationale", "the judge's reason, with the chosen answer as A", "text"),
            Column("status", f"{OK}; {UNREADABLE}; budget; or why there is no reply", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Verdicts of a batch."""
        parts = ("prompt", "chosen", "rejected")
        texts = pairs.select(messages_text(part).alias(part) for part in parts).rows()
        questions = []
        for prompt, chosen, rejected in texts:
            # Both orders: a judge that favours a place contradicts itself, and the pair is a tie.
            questions += [
                self._question(prompt, chosen, rejected),
                self._question(prompt, rejected, chosen),
            ]
        mode = self.params.mode
        complete = partial(begins_with_verdict, mode=mode, scale=self.params.scale)
        replies = ask_endpoint(questions, context, self.params, complete)
        names = [c.name for c in self.columns()]
        rows = [
            self._row(given, swapped, context)
            for given, swapped in zip(replies[::2], replies[1::2], strict=True)
        ]
        schema = {c.name: c.dtype for c in self.columns()}
        return pl.DataFrame([{n: row.get(n) for n in names} for row in rows], schema=schema)

    def _question(self, prompt: str, first: str, second: str) -> Messages:
        p = self.params
        text = self._compiled().render(
            prompt=prompt, answer_a=first, answer_b=second, rubric=p.rubric
        )
        system = [{"role": "system", "content": p.system}] if p.system else []
        return [*system, {"role": "user", "content": text}]

    def _compiled(self) -> QuestionTemplate:
        if self._template is None:
            p = self.params
            template = p.template or _DEFAULTS[p.mode]
            self._template = compile_question(template, _VARIABLES, "scorer 'judge', template")
        return self._template

    def _row(self, given: Reply, swapped: Reply, context: Context) -> dict[str, Any]:
        # One order alone would bring the bias of its place back in.
        if given.text is None or swapped.text is None:
            return {"status": given.status if given.text is None else swapped.status}
        p = self.params
        first, second = (
            parse_verdict_values(r, p.mode, p.scale) for r in (given.text, swapped.text)
        )
        # Of the first order alone: there the chosen answer is A, as the column says.
        rationale = strip_verdict(given.text)
        counts = context.facts.setdefault("verdicts", {})
        if first is None or second is None:
            _count(counts, "unreadable")
            return {"status": UNREADABLE, "rationale": rationale}
        found = settle_verdict(first, second)
        _count(counts, found.winner)
        _count(counts, "consistent" if found.consistent else "inconsistent")
        for values in (first, second):
            # How often each place wins tells the user whether this judge favours one.
            if values[0] != values[1]:
                _count(counts, "shown_first_wins" if values[0] > values[1] else "shown_second_wins")
        return {
            "margin": found.margin,
            "chosen": found.chosen,
            "rejected": found.rejected,
            "verdict": found.winner,
            "consistent": found.consistent,
            "rationale": rationale,
            "status": OK,
        }


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
