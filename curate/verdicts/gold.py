"""Judged pairs as a configuration names them: files of verdicts, or a column of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import polars as pl
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from curate.data.hashes import select_in_batches
from curate.data.json_fields import IS_FLIPPED, extra_value
from curate.data.strict_model import YamlSection
from curate.errors import CurateError
from curate.verdicts.answers import answer_hashes
from curate.verdicts.files import read_verdicts
from curate.verdicts.match import MatchedVerdicts, label_verdicts, match_verdicts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXTRA = "extra."
_RIGHT = ("keep", "right", "correct", "chosen", "true", "1", "1.0")
_WRONG = ("flip", "wrong", "incorrect", "rejected", "false", "-1", "-1.0")
_ZERO = ("0", "0.0")
# 0 is wrong in some files and unreviewed in others; see `_check_values`.
_NEITHER = ("tie", "drop", "skip", "both bad", "unsure", "", *_ZERO)
_SHOWN_VALUES = 5


class GoldConfig(YamlSection):
    """Where reviewed pairs come from."""

    verdicts: tuple[str, ...] = Field(
        (),
        description="Verdict files of curate review, Label Studio or Argilla, or folders of "
        "runs and samples with verdicts.",
    )
    column: str | None = Field(
        None,
        description="Key of extra (extra.expert) with reviews of some labels: keep or flip, "
        "right or wrong, chosen or rejected, 1 or -1, true or false; empty: not reviewed.",
    )

    def text(self) -> str:
        """Return the files, or the column."""
        return self.column or ", ".join(self.verdicts)

    @model_validator(mode="after")
    def _one_source(self) -> GoldConfig:
        if bool(self.verdicts) == (self.column is not None):
            raise ValueError("give either files of verdicts or a column")
        if self.column is not None and not self.column.startswith(EXTRA):
            raise ValueError(f"the column is a key of extra: {EXTRA}{self.column}")
        return self


def _parse_paths(value: object) -> object:
    """Return a path, a column `extra.x`, or a list of paths, as the fields of a `GoldConfig`."""
    if isinstance(value, (str, Path)):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return value
    names = [str(name) for name in value]
    # A file of verdicts may be called extra.something too.
    is_column = len(names) == 1 and names[0].startswith(EXTRA) and not Path(names[0]).exists()
    return {"column": names[0]} if is_column else {"verdicts": names}


Gold = Annotated[
    GoldConfig,
    BeforeValidator(_parse_paths, json_schema_input_type=str | list[str] | GoldConfig),
]
"""A `GoldConfig`, which may be given as a path, paths or a column."""


GoldSource: TypeAlias = GoldConfig | str | Path | Sequence[str | Path] | Mapping[str, str] | None
"""Reviewed pairs as an argument of a call: paths of verdicts, {"column": "extra.x"}, or none."""


def to_gold_config(value: GoldSource) -> GoldConfig | None:
    """Return the config of an option or argument `gold`; None for None or an empty list.

    Raises:
        CurateError: neither paths nor a column.

    Examples:
        >>> to_gold_config("verdicts.jsonl").verdicts
        ('verdicts.jsonl',)
        >>> to_gold_config({"column": "extra.expert"}).column
        'extra.expert'
    """
    if isinstance(value, GoldConfig):
        return value
    if value is None or value == []:
        return None
    try:
        return GoldConfig.model_validate(_parse_paths(value))
    except ValidationError as error:
        raise CurateError(
            "wrong value",
            where="gold",
            found=repr(value),
            expected=error.errors()[0]["msg"].removeprefix("Value error, "),
        ) from None


@dataclass(frozen=True)
class JudgedPairs:
    """What people found of the labels of a pair table.

    Attributes:
        labels: (pairs,) int8: 1 label right, -1 wrong, 0 neither or not judged.
        matched: the verdicts behind them, as they apply to these labels.
        warnings: what the user should know.
    """

    labels: NDArray[np.int8]
    matched: MatchedVerdicts
    warnings: tuple[str, ...] = ()

    def facts(self) -> dict[str, int]:
        """Return counts for a run's record."""
        return {
            "judged_right": int((self.labels > 0).sum()),
            "judged_wrong": int((self.labels < 0).sum()),
            "verdicts": self.matched.total,
            "verdicts_on_unknown_pairs": self.matched.unknown,
            "verdicts_on_changed_answers": self.matched.changed,
            "verdicts_turned": self.matched.turned,
        }


def judged_pairs(gold: GoldConfig, pairs: pl.DataFrame) -> JudgedPairs:
    """Return the verdicts on the labels of the pairs.

    A verdict that was given before a label was flipped is turned. Of several reviewers the
    majority counts.

    Args:
        gold: where the verdicts are.
        pairs: the pair table, with labels as they stand now.

    Raises:
        CurateError: verdicts that cannot be read, or none that belongs to any of the pairs.
    """
    warnings: list[str] = []
    matched = match_verdicts(pairs, gold_verdicts(gold, pairs, warnings))
    if not len(matched.frame):
        raise CurateError(
            "no verdict matches any of these pairs",
            where=f"gold: {gold.text()}",
            found=matched.unmatched_text() or "no verdict",
            fix="give verdicts on this dataset, or on a run of it",
        )
    labels = label_verdicts(pairs, matched.frame)
    if not labels.any():
        warnings.append("gold: no verdict finds a label right or wrong, so that none is used")
    return JudgedPairs(labels, matched, (*warnings, *(f"gold: {w}" for w in matched.warnings())))


def gold_verdicts(
    gold: GoldConfig | pl.DataFrame, pairs: pl.DataFrame, warnings: list[str]
) -> pl.DataFrame:
    """Return the verdicts in the form of `read_verdicts`.

    Args:
        gold: where they are, or these verdicts themselves.
        pairs: the pair table, of which a column is read.
        warnings: list to which it adds what the user should know.

    Raises:
        CurateError: verdicts that cannot be read, or a column without any.
    """
    if isinstance(gold, pl.DataFrame):
        return gold
    if gold.column is None:
        return read_verdicts([Path(path).expanduser() for path in gold.verdicts], warnings)
    return _column_verdicts(gold.column, pairs)


def _column_verdicts(column: str, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return a verdict for each pair with a value, on the label that was read with it."""
    value = extra_value(*column.removeprefix(EXTRA).split(".")).str.strip_chars()
    flipped = IS_FLIPPED.fill_null(False)
    value = value.str.to_lowercase()
    values = select_in_batches(pairs, pl.col("pair_id"), v=value, flipped=flipped)
    rows = values.with_row_index("row").drop_nulls("v")
    _check_values(column, rows["v"])
    verdicts = dict.fromkeys(_RIGHT, "keep") | dict.fromkeys(_WRONG, "flip")
    read = rows.filter(pl.col("v").is_in(list(verdicts))).with_columns(
        verdict=pl.col("v").replace_strict(verdicts, return_dtype=pl.String)
    )
    # The judgement stands beside the label that was read; a filter may have flipped it since.
    other = pl.col("verdict").replace({"keep": "flip", "flip": "keep"})
    turned = read.with_columns(verdict=pl.when("flipped").then(other).otherwise("verdict"))
    hashes = answer_hashes(pairs[turned["row"]])
    return turned.select("pair_id", "verdict", reviewer=pl.lit(column)).hstack(hashes)


def _check_values(column: str, values: pl.Series) -> None:
    where = f"gold: {column}"
    expected = "keep or flip, right or wrong, chosen or rejected, 1 or -1, true or false"
    if not len(values):
        fix = "name a key that 'curate inspect' shows under extra"
        raise CurateError("the column has no reviewed pair", where=where, fix=fix)
    words = (*_RIGHT, *_WRONG, *_NEITHER)
    unknown = values.filter(~values.is_in(words)).unique(maintain_order=True)
    if len(unknown):
        examples = ", ".join(map(repr, unknown.head(_SHOWN_VALUES)))
        problem = "the column holds values that are no judgement"
        raise CurateError(problem, where=where, found=examples, expected=expected)
    counts: Mapping[str, int] = dict(values.value_counts().iter_rows())
    zeros = sum(counts.get(zero, 0) for zero in _ZERO)
    if zeros and not any(counts.get(word) for word in _WRONG):
        raise CurateError(
            "0 may mean a wrong label or an unreviewed pair",
            where=where,
            found=f"{zeros:,} zeros, and no -1",
            expected=expected,
            fix="use -1 for wrong labels, and leave unreviewed pairs empty",
        )
