"""Pairs of a strong and a weak model's answer to the same prompt (delta learning)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curate.data.hashes import prompt_keys
from curate.data.table import PairIds, empty_pairs
from curate.derive.instructions import DerivedPairs
from curate.errors import CurateError
from curate.models.heads.noise.label_rules import author_columns

MADE = "delta"
"""Value of `extra.made` for these pairs."""
_NO_TWO = "fewer than two of the models answered the prompt"


def strength_pairs(pairs: pl.DataFrame, models: Sequence[str]) -> DerivedPairs:
    """Pair for each prompt the answer of the strongest model with that of the weakest.

    The label is the order of the models, not a judgement of the answers: by the delta learning
    hypothesis (arXiv 2507.06187; used for OLMo 3) the difference teaches even where both answers
    are weaker than the model that is trained. `extra` has `made`, and both models as
    `chosen_model` and `rejected_model`. Labels of the given pairs are not used.

    Args:
        pairs: the pair table whose `extra` names the model of each answer.
        models: names of the models, the strongest first, the weakest last.

    Raises:
        CurateError: no key names the models, or a model wrote no answer.
    """
    answers = _answers_with_models(pairs)
    order = {name: rank for rank, name in enumerate(models)}
    names = answers["model"].unique().drop_nulls().to_list()
    if missing := [name for name in order if name not in names]:
        raise CurateError(
            "a model wrote no answer",
            where="--models",
            found=", ".join(missing),
            expected=f"names among {', '.join(sorted(names)[:20])}",
        )
    derived = _strongest_and_weakest(answers, order)
    frame = PairIds().fill_missing(pl.concat([empty_pairs(), derived], how="diagonal_relaxed"))
    unused = prompt_keys(pairs).n_unique() - len(derived)
    return DerivedPairs(frame, {_NO_TWO: unused} if unused else {})


def _strongest_and_weakest(answers: pl.DataFrame, order: dict[str, int]) -> pl.DataFrame:
    ranked = answers.filter(pl.col("model").is_in(list(order))).with_columns(
        rank=pl.col("model").replace_strict(order, return_dtype=pl.Int64)
    )
    by_rank = pl.col("answer", "model").sort_by("rank")
    groups = ranked.group_by("key", maintain_order=True).agg(
        pl.col("prompt", "source").first(),
        by_rank.first().name.prefix("chosen_"),
        by_rank.last().name.prefix("rejected_"),
    )
    groups_of_two = groups.filter(pl.col("chosen_model") != pl.col("rejected_model"))
    facts = pl.struct(pl.lit(MADE).alias("made"), "chosen_model", "rejected_model")
    return groups_of_two.select(
        "prompt",
        "source",
        chosen="chosen_answer",
        rejected="rejected_answer",
        is_tie=pl.lit(False),
        extra=facts.struct.json_encode(),
    )


def _answers_with_models(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return key, prompt, source, answer and model of each answer."""
    columns = author_columns(pairs["extra"])
    if not columns:
        raise CurateError(
            "no key of the rows says which model wrote each answer",
            where="--from models",
            expected="chosen_model and rejected_model, or model_a and model_b",
        )
    _, *models = columns[0]
    keyed = pairs.with_columns(prompt_keys(pairs).alias("key"))
    sides = [
        keyed.select("key", "prompt", "source", pl.col(side).alias("answer"), model=model)
        for side, model in zip(("chosen", "rejected"), models, strict=True)
    ]
    return pl.concat(sides).filter(pl.col("answer").is_not_null())
