"""Verdicts of several language models as judges, the dear ones only where they are needed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import HIGHER, Column, Context, Input, Parameters, Scorer
from curate.scorers.judge import Judge, JudgeParams
from curate.scoring import extra_value, messages_text
from curate.scoring.judge import (
    CHOSEN,
    OK,
    REJECTED,
    TIE,
    PanelVerdicts,
    StepReport,
    measure_panel,
    panel_warnings,
    undecided_rows,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.scoring.judge import KeyUse

_NOT_ASKED = "not asked"
_NOTHING = 1e-9
_PANEL_FIELDS = {"name", "ask", "family"}


class PanelJudge(JudgeParams):
    """One judge of a panel: the parameters of `judge`, and its place in the panel."""

    name: str | None = Field(None, description="Name in columns; default the model's.")
    ask: Literal["all", "undecided"] = Field(
        "all",
        description="undecided: only pairs on which the judges before it name no winner.",
    )
    family: str | None = Field(
        None,
        description="Text in the names of its own models, such as gpt, for self-preference; "
        "default the model's name up to the first hyphen.",
    )

    def label(self) -> str:
        """Return its name as part of a column's name."""
        return re.sub(r"\W+", "_", self.name or self.model.rpartition("/")[2]).strip("_")

    def own_family(self) -> str:
        """Return the text by which its own models are known, in lower case."""
        return (self.family or self.model.rpartition("/")[2].partition("-")[0]).lower()


class JudgePanelParams(Parameters):
    """Parameters of `judge_panel`."""

    judges: tuple[PanelJudge, ...] = Field(
        min_length=2, description="The judges in their order: cheap ones first."
    )
    budget: float | None = Field(
        None, gt=0, description="Ask nothing more once the panel has cost this much, by its prices."
    )
    answer_models: tuple[str, str] | None = Field(
        None,
        description="Keys of extra with the models that wrote the chosen and the rejected answer, "
        "for self-preference.",
    )

    @model_validator(mode="after")
    def _distinct_judges(self) -> JudgePanelParams:
        names = [judge.label() for judge in self.judges]
        if len(set(names)) < len(names):
            raise ValueError(f"two judges have one name ({', '.join(names)}): give each a name")
        if self.judges[0].ask == "undecided":
            raise ValueError("the first judge has none before it: ask all pairs")
        if any(judge.mode == "rating" for judge in self.judges):
            raise ValueError("a panel compares two answers: use the modes choice and score")
        return self

    def key_uses(self) -> tuple[KeyUse, ...]:
        """Return the keys that all judges send."""
        return tuple(use for judge in self.judges for use in judge.key_uses())


class JudgePanel(Scorer[JudgePanelParams]):
    """Ask several language models which answer is better, each in both orders.

    Each judge is a source of evidence of its own: `label_em` and `noise_score` estimate how much
    its margin is worth, with the margins of the others beside it, so that judges that err together
    count less than independent ones. `margin` is the mean vote (-1 to 1) of those that were asked,
    `votes` their number, `verdict` the majority. A judge with `ask: undecided` gets only pairs on
    which the judges before it name no winner, until `budget` is used up.

    The record has Krippendorff's alpha, Kendall's tau of each two judges and, by judge, verdicts,
    order consistency, ties, the share of verdicts for the longer answer and for answers of its own
    models beside the other judges' share on the same pairs, requests, tokens and cost.

    Examples:
        >>> judges = [{"model": "small"}, {"model": "large", "ask": "undecided"}]
        >>> [column.name for column in JudgePanel(judges=judges).columns()][:4]
        ['margin', 'votes', 'verdict', 'margin_small']
    """

    name = "judge_panel"
    purpose = "rewards and models"
    when = (
        "For several judges of different makers, or a cheap one on all pairs and a dear one where "
        "it names no winner. One judge that is right more often than the panel is better alone."
    )
    summary = "several LLM judges in both orders, with agreement, biases and cost of each"
    reference = (
        "panels: Verga et al. 2024, arXiv 2404.18796; self-preference: Panickssery et al. 2024, "
        "arXiv 2404.13076; alpha: Krippendorff 2011"
    )
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    Params = JudgePanelParams

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._judges = [
            # A template is checked before any data is read.
            Judge(**judge.model_dump(exclude=_PANEL_FIELDS, exclude_unset=True))
            for judge in self.params.judges
        ]

    def columns(self) -> tuple[Column, ...]:
        """Return the panel's verdict, then those of each judge."""
        # `curate list` asks for the columns of a panel without judges.
        judges = self.params.judges if hasattr(self, "params") else ()
        judge_columns = [
            column
            for name in ([judge.label() for judge in judges] or ["NAME"])
            for column in (
                Column(
                    f"margin_{name}",
                    f"margin of {name}: chosen minus rejected; 0 for a tie",
                    "float",
                    HIGHER,
                    evidence="auto",
                ),
                Column(f"consistent_{name}", "both orders name the same winner", "bool"),
                Column(f"status_{name}", f"{OK}, or why there is no verdict", "text"),
            )
        ]
        return (
            Column("margin", "mean vote of the judges that were asked", "float", HIGHER, "-1 to 1"),
            Column("votes", "judges with a verdict", "int"),
            Column("verdict", "chosen, rejected or tie, by the majority", "text"),
            *judge_columns,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return verdicts of all judges on all pairs."""
        frames: list[pl.DataFrame] = []
        for judge, settings in zip(self._judges, self.params.judges, strict=True):
            rows = np.arange(len(pairs))
            if settings.ask == "undecided":
                rows = undecided_rows([_margins(frame) for frame in frames])
            frames.append(self._ask(judge, settings, pairs, rows, context))
        margins = np.stack([_margins(frame) for frame in frames], axis=1)
        self._report(pairs, frames, margins, context)
        return pl.concat([_majority(margins), *self._own_columns(frames)], how="horizontal")

    def _ask(
        self,
        judge: Judge,
        settings: PanelJudge,
        pairs: pl.DataFrame,
        rows: NDArray[np.int64],
        context: Context,
    ) -> pl.DataFrame:
        """Return the verdicts of one judge; pairs that it is not asked have none."""
        if self.params.budget is not None:
            limit = self.params.budget - _panel_cost(context)
            limit = min(limit, settings.budget_cost or limit)
            # A budget is above 0: what is too small for one question asks none.
            judge = Judge(**judge.params.model_dump() | {"budget_cost": max(limit, _NOTHING)})
        name, report = settings.label(), StepReport()
        verdicts = judge.score(pairs[rows], replace(context, report=report))
        context.report.counts("judges", name).update(asked=len(rows))
        context.report.counts("judges")[name] |= report.facts  # type: ignore[operator]
        context.report.warnings.extend(f"{name}: {warning}" for warning in report.warnings)
        places = pl.DataFrame({"row": rows}, schema={"row": pl.Int64}).hstack(verdicts)
        everyone = pl.DataFrame({"row": np.arange(len(pairs))}, schema={"row": pl.Int64})
        joined = everyone.join(places, on="row", how="left", maintain_order="left")
        return joined.with_columns(pl.col("status").fill_null(_NOT_ASKED))

    def _own_columns(self, frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
        """Return the columns of each judge."""
        return [
            frame.select(
                pl.col(column).alias(f"{column}_{judge.label()}")
                for column in ("margin", "consistent", "status")
            )
            for judge, frame in zip(self.params.judges, frames, strict=True)
        ]

    def _report(
        self,
        pairs: pl.DataFrame,
        frames: list[pl.DataFrame],
        margins: NDArray[np.float64],
        context: Context,
    ) -> None:
        """Put the quality of the judges into the record."""
        lengths = pairs.select(
            n=messages_text(CHOSEN).str.len_chars().cast(pl.Int64)
            - messages_text(REJECTED).str.len_chars().cast(pl.Int64)
        )["n"]
        quality = measure_panel(
            PanelVerdicts(
                tuple(judge.label() for judge in self.params.judges),
                margins,
                np.stack([_floats(frame["consistent"]) for frame in frames], axis=1),
                np.sign(lengths.to_numpy().astype(np.float64)),
                self._own_models(pairs),
            )
        )
        context.report.facts["panel"] = quality.to_json()
        context.report.warnings.extend(panel_warnings(quality))

    def _own_models(self, pairs: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
        """Return by judge which answer, if one alone, is by its own family of models."""
        keys = self.params.answer_models
        if keys is None:
            return {}
        texts = [extra_value(*key.split(".")).str.to_lowercase() for key in keys]
        columns = {
            judge.label(): pl.sum_horizontal(
                sign * text.str.contains(judge.own_family(), literal=True).fill_null(False)
                for sign, text in zip((1, -1), texts, strict=True)
            ).cast(pl.Float64)
            for judge in self.params.judges
        }
        frame = pairs.select(**columns)
        return {name: frame[name].to_numpy() for name in columns}


def _panel_cost(context: Context) -> float:
    """Return what the judges so far have cost."""
    names = list(context.report.counts("judges"))
    return sum(context.report.counts("judges", name, "endpoint").get("cost", 0.0) for name in names)


def _margins(frame: pl.DataFrame) -> NDArray[np.float64]:
    return _floats(frame["margin"])


def _floats(column: pl.Series) -> NDArray[np.float64]:
    """Return a column as floats, NaN where it is null."""
    values: NDArray[np.float64] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return values


def _majority(margins: NDArray[np.float64]) -> pl.DataFrame:
    """Return the panel's mean vote, number of votes and verdict."""
    count = (~np.isnan(margins)).sum(axis=1)
    total = np.sign(np.nan_to_num(margins)).sum(axis=1)
    margin, votes = pl.Series(total / np.maximum(count, 1)), pl.Series(count)
    has_votes = votes > 0
    winner = (
        pl.when(pl.col("margin") > 0)
        .then(pl.lit(CHOSEN))
        .when(pl.col("margin") < 0)
        .then(pl.lit(REJECTED))
        .otherwise(pl.lit(TIE))
    )
    frame = pl.DataFrame({"margin": margin, "votes": votes, "has": has_votes})
    return frame.select(
        pl.when("has").then("margin").alias("margin"),
        "votes",
        pl.when("has").then(winner).alias("verdict"),
    )
