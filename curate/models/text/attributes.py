"""Numbers that the user names for each answer: attributes, rewards, traits of style."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curate.data.hashes import select_in_batches
from curate.data.json_fields import extra_value
from curate.errors import CurateError, suggestion
from curate.models.heads.out_of_fold import training_status
from curate.models.text.traits import TRAIT_NAMES, trait_difference
from curate.steps.context import Context
from curate.steps.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATINGS, _PLACES = "attributes", "pair_of_answers"


class Attribute(BaseModel):
    """Where the value of both answers, or their difference, is to be found: one of five ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chosen: str | None = Field(None, description="Key of extra: value of the preferred answer.")
    rejected: str | None = Field(None, description="Key of extra: value of the other answer.")
    margin: str | None = Field(None, description="Key of extra: chosen minus rejected.")
    rating: str | None = Field(
        None, description="Attribute by which the data's answers are rated (HelpSteer2, ...)."
    )
    trait: str | None = Field(None, description=f"Log count of {', '.join(TRAIT_NAMES)}.")
    model: Model | None = Field(None, description="Reward model of one output.")

    @model_validator(mode="after")
    def _one_way(self) -> Attribute:
        sources = (self.margin, self.rating, self.trait, self.model)
        both = self.chosen is not None and self.rejected is not None
        one = self.chosen is not None or self.rejected is not None
        if sum(way is not None for way in sources) + both != 1 or both != one:
            raise ValueError("give chosen and rejected, or one of margin, rating, trait and model")
        if self.trait is not None and self.trait not in TRAIT_NAMES:
            raise ValueError(f"trait '{self.trait}': {suggestion(self.trait, TRAIT_NAMES)}")
        return self


def attribute_margins(
    pairs: pl.DataFrame, context: Context, attributes: dict[str, Attribute], where: str
) -> NDArray[np.float64]:
    """Return chosen minus rejected of each attribute, (pairs, attributes); NaN where it is missing.

    Raises:
        CurateError: one has no value in any pair.
    """
    margins = {name: _attribute_margin(pairs, context, a) for name, a in attributes.items()}
    for name, values in margins.items():
        if len(values) and np.isnan(values).all():
            raise CurateError(
                "no pair has a value of the attribute",
                where=f"{where}, {name}",
                found=str(attributes[name].model_dump(exclude_none=True)),
                fix="keys of extra are shown by 'curate inspect'; nested ones are joined by dots",
            )
    return np.column_stack(list(margins.values()))


def _attribute_margin(
    pairs: pl.DataFrame, context: Context, attribute: Attribute
) -> NDArray[np.float64]:
    if attribute.model is not None:
        from curate.models.lm.classifier import classify_answers

        _, outputs, _ = classify_answers(pairs, context, attribute.model)
        rewards: NDArray[np.float64] = outputs[:, :, 0]
        return rewards[:, 0] - rewards[:, 1]
    if attribute.trait is not None:
        difference = trait_difference(attribute.trait)
    elif attribute.margin is not None:
        difference = _number_column(attribute.margin)
    elif attribute.rating is not None:
        first, second = rating_columns(pairs, attribute.rating)
        difference = first - second
    else:
        difference = _number_column(str(attribute.chosen)) - _number_column(str(attribute.rejected))
    values = select_in_batches(pairs, d=difference.cast(pl.Float64))["d"]
    return values.fill_null(float("nan")).to_numpy()


def _number_column(key: str) -> pl.Expr:
    return extra_value(*key.split(".")).cast(pl.Float64, strict=False)


def attribute_status(
    pairs: pl.DataFrame, context: Context, values: NDArray[np.float64], missing: str
) -> pl.Series:
    """Return why a pair teaches nothing, `missing` where it has not all attributes, else ok."""
    is_complete = pl.Series(np.asarray(np.isfinite(values).all(axis=1)))
    base_status = training_status(pairs, context).to_frame("s").with_columns(whole=is_complete)
    status = pl.when(pl.col("whole") | (pl.col("s") != "ok")).then("s")
    return base_status.select(status=status.otherwise(pl.lit(missing)))["status"]


def rating_columns(pairs: pl.DataFrame, name: str) -> tuple[pl.Expr, pl.Expr]:
    """Return a rating of both answers, which `extra` keeps in a list of all answers to the
    prompt."""
    places = [
        pl.col("extra").str.json_path_match(f"$.{_PLACES}[{i}]").cast(pl.Int64, strict=False)
        for i in (0, 1)
    ]
    most = pairs.select(m=pl.max_horizontal(*places).max())["m"][0]
    sides = []
    for place in places:
        value = pl.lit(None, dtype=pl.Float64)
        # Which answer of the list is meant differs by pair, and a path is the same for all rows.
        for number in range(int(most or 0) + 1):
            path = f"$.{_RATINGS}[{number}]['{name}']"
            rating = pl.col("extra").str.json_path_match(path).cast(pl.Float64, strict=False)
            value = pl.when(place == number).then(rating).otherwise(value)
        sides.append(value)
    return sides[0], sides[1]
