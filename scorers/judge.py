"""Verdicts of a language model as judge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Input, Scope, Scorer, Standing
from curate.scoring import extra_value, messages_text
from curate.scoring.judge import (
    CHOICE,
    CHOSEN,
    OK,
    RATING,
    REJECTED,
    SCALE,
    SCORE,
    TIE,
    UNREADABLE,
    EndpointParams,
    Messages,
    Mode,
    Reply,
    ask_endpoint,
    begins_with_verdict,
    compile_question,
    parse_rating,
    parse_verdict_values,
    settle_verdict,
    strip_verdict,
    with_scale,
)

if TYPE_CHECKING:
    from curate.scoring.judge import QuestionTemplate

_DEFAULT_TEMPLATES: dict[Mode, str] = {"choice": CHOICE, "score": SCORE, "rating": RATING}
_PAIR_VARIABLES = ("prompt", "answer_a", "answer_b", "rubric")
_RATING_VARIABLES = ("prompt", "answer", "rubric")


class JudgeParams(EndpointParams):
    """Parameters of `judge`."""

    mode: Mode = Field(
        "choice",
        description="choice: which answer is better, by [[A]], [[B]] or [[C]]; score: ratings of "
        "both answers in one reply; rating: each answer by itself, also of single answers.",
    )
    template: str | None = Field(
        None,
        description="The question, as jinja2 text or file, over prompt, answer_a, answer_b (mode "
        "rating: answer), rubric and tag (new for each question: put it into the tags around "
        "texts, so that no answer can close them); the reply must end with the verdict in its "
        "mode's format.",
    )
    scale: tuple[float, float] = Field(
        SCALE, description="Lowest and highest rating that modes score and rating ask for."
    )
    rubric: str | None = Field(None, description="Criteria to judge by, instead of the default.")
    rubric_key: str | None = Field(
        None,
        description="Key of extra with the criteria of each pair, such as the rubric that `curate "
        "derive --from rubrics` writes; pairs without one are judged by `rubric`.",
    )
    system: str | None = Field(None, description="System message.")


class Judge(Scorer[JudgeParams]):
    """Ask a language model behind an endpoint which answer is better, in both orders.

    Judges favour a position (arXiv 2306.05685, sec. 3.4): where the two orders name different
    winners, the pair is a tie with margin 0. `chosen` and `rejected` are mean values over both
    orders, `margin` their difference, `consistent` whether the orders agree. `rationale` is the
    reply to the order in which the chosen answer is A. In mode `score` both ratings come from one
    reply. In mode `rating` each answer is rated by itself, in one question an answer: there is no
    order, `consistent` is null, and single answers have `chosen` alone. With `rubric_key` each pair
    is judged by its own rubric (OpenRubrics, arXiv 2510.07743); one that was written with the label
    in view tends to confirm it, so only a verdict against the label says much. Use it within a
    budget, on the pairs that matter.

    Examples:
        >>> step = Judge(model="local", base_url="http://localhost:8000/v1")
        >>> [column.name for column in step.columns()]
        ['margin', 'chosen', 'rejected', 'verdict', 'consistent', 'rationale', 'status']
    """

    name = "judge"
    purpose = "rewards and models"
    standing = Standing.RECOMMENDED
    when = (
        "For the pairs that matter, within a budget. It asks in both orders, so a judge that "
        "favours a position gives ties."
    )
    summary = "LLM as judge by an OpenAI-compatible endpoint, in both orders, with rationale"
    reference = (
        "Zheng et al. 2023, arXiv 2306.05685, sec. 3.1 (kinds of judge), 3.4 (position bias); "
        "rationales: "
        "arXiv 2407.14477"
    )
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    single_answer_columns: ClassVar[tuple[str, ...]] = ("chosen", "rationale", "status")
    single_answer_settings = "mode: rating"
    Params = JudgeParams

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        if self.params.mode != "rating":
            self.single_answer_columns = ()  # type: ignore[misc]
        self._template: QuestionTemplate | None = None
        if self.params.template:
            self._compiled()  # the user's template is checked before any data is read

    def columns(self) -> tuple[Column, ...]:
        """Return the verdict and its grounds."""
        return (
            Column(
                "margin", "chosen minus rejected; 0 for a tie", "float", HIGHER, evidence="auto"
            ),
            Column("chosen", "mean value of the chosen answer over both orders"),
            Column("rejected", "mean value of the rejected answer"),
            Column("verdict", "chosen, rejected or tie", "text"),
            Column("consistent", "both orders name the same winner", "bool"),
            Column("rationale", "the judge's reason, with the chosen answer as A", "text"),
            Column("status", f"{OK}; {UNREADABLE}; budget; or why there is no reply", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return verdicts of a batch."""
        columns = self.columns()
        is_rated = self.params.mode == "rating"
        rows = self._rate(pairs, context) if is_rated else self._compare(pairs, context)
        return pl.DataFrame(
            [{c.name: row.get(c.name) for c in columns} for row in rows],
            schema={c.name: c.dtype for c in columns},
        )

    def _compare(self, pairs: pl.DataFrame, context: Context) -> list[dict[str, Any]]:
        """Return verdicts of replies that saw both answers."""
        questions = []
        texts = _texts(pairs, "prompt", "chosen", "rejected")
        for rubric, (prompt, chosen, rejected) in zip(self._rubrics(pairs), texts, strict=True):
            # Both orders: a judge that favours a position contradicts itself, and gives a tie.
            questions += [
                self._question(rubric, prompt=prompt, answer_a=chosen, answer_b=rejected),
                self._question(rubric, prompt=prompt, answer_a=rejected, answer_b=chosen),
            ]
        replies = self._ask(questions, context)
        return [
            self._row(replies_as_labelled, swapped, context)
            for replies_as_labelled, swapped in zip(replies[::2], replies[1::2], strict=True)
        ]

    def _rate(self, pairs: pl.DataFrame, context: Context) -> list[dict[str, Any]]:
        """Return ratings of replies that saw one answer; those of single answers have no margin."""
        sides = [s for s in (CHOSEN, REJECTED) if pairs[s].null_count() < len(pairs)]
        texts = zip(self._rubrics(pairs), _texts(pairs, "prompt", *sides), strict=True)
        questions = [
            self._question(rubric, prompt=prompt, answer=answer)
            for rubric, (prompt, *answers) in texts
            for answer in answers
        ]
        replies, width = self._ask(questions, context), len(sides)
        return [
            self._rating_row(dict(zip(sides, replies[start : start + width], strict=True)), context)
            for start in range(0, len(replies), max(width, 1))
        ]

    def _ask(self, questions: list[Messages], context: Context) -> list[Reply]:
        # A reply that was cut off counts if the verdict stands at its beginning.
        p = self.params
        complete = partial(begins_with_verdict, mode=p.mode, scale=p.scale)
        return ask_endpoint(questions, context, p, complete)

    def _rating_row(self, replies: dict[str, Reply], context: Context) -> dict[str, Any]:
        """Return the ratings of one row; null where any reply is missing or cannot be read."""
        texts = {side: reply.text for side, reply in replies.items() if reply.text is not None}
        if len(texts) < len(replies):
            return {"status": next(r.status for r in replies.values() if r.text is None)}
        ratings = {side: parse_rating(text, self.params.scale) for side, text in texts.items()}
        rationale = strip_verdict(texts[CHOSEN])
        counts = context.report.counts("verdicts")
        read = {side: rating for side, rating in ratings.items() if rating is not None}
        if len(read) < len(ratings):
            _increment_count(counts, "unreadable")
            return {"status": UNREADABLE, "rationale": rationale}
        row: dict[str, Any] = {**read, "rationale": rationale, "status": OK}
        if REJECTED not in read:
            _increment_count(counts, "rated")
            return row
        margin = read[CHOSEN] - read[REJECTED]
        winner = CHOSEN if margin > 0 else REJECTED if margin < 0 else TIE
        _increment_count(counts, winner)
        return row | {"margin": margin, "verdict": winner}

    def _rubrics(self, pairs: pl.DataFrame) -> list[str | None]:
        """Return the criteria of each pair."""
        p = self.params
        common = pl.lit(p.rubric, pl.String)
        rubric = common if p.rubric_key is None else pl.coalesce(extra_value(p.rubric_key), common)
        return pairs.with_columns(rubric.alias("rubric"))["rubric"].to_list()

    def _question(self, rubric: str | None, **texts: str) -> Messages:
        p = self.params
        text = self._compiled().render(texts, rubric=rubric)
        system = [{"role": "system", "content": p.system}] if p.system else []
        return [*system, {"role": "user", "content": text}]

    def _compiled(self) -> QuestionTemplate:
        if self._template is None:
            p = self.params
            template = p.template or with_scale(_DEFAULT_TEMPLATES[p.mode], *p.scale)
            variables = _RATING_VARIABLES if p.mode == "rating" else _PAIR_VARIABLES
            self._template = compile_question(template, variables, "scorer 'judge', template")
        return self._template

    def _row(self, as_labelled: Reply, swapped: Reply, context: Context) -> dict[str, Any]:
        # A single order would reintroduce the position bias.
        if as_labelled.text is None or swapped.text is None:
            return {"status": as_labelled.status if as_labelled.text is None else swapped.status}
        p = self.params
        labelled_values, swapped_values = (
            parse_verdict_values(r, p.mode, p.scale) for r in (as_labelled.text, swapped.text)
        )
        # From the first order only: there the chosen answer is A, as the column promises.
        rationale = strip_verdict(as_labelled.text)
        counts = context.report.counts("verdicts")
        if labelled_values is None or swapped_values is None:
            _increment_count(counts, "unreadable")
            return {"status": UNREADABLE, "rationale": rationale}
        verdict = settle_verdict(labelled_values, swapped_values)
        _increment_count(counts, verdict.winner)
        _increment_count(counts, "consistent" if verdict.consistent else "inconsistent")
        for values in (labelled_values, swapped_values):
            # These counts show the user whether this judge favours a position.
            if values[0] != values[1]:
                _increment_count(
                    counts, "shown_first_wins" if values[0] > values[1] else "shown_second_wins"
                )
        return {
            "margin": verdict.margin,
            "chosen": verdict.chosen,
            "rejected": verdict.rejected,
            "verdict": verdict.winner,
            "consistent": verdict.consistent,
            "rationale": rationale,
            "status": OK,
        }


def _texts(pairs: pl.DataFrame, *columns: str) -> list[tuple[str, ...]]:
    """Return the texts of columns of messages, row by row."""
    return pairs.select(messages_text(column).alias(column) for column in columns).rows()


def _increment_count(counts: dict[str, float], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
