"""How several scored answers to one prompt become pairs."""

from __future__ import annotations

import polars as pl

from curate.read.formats.base import ERROR, NO_PAIR, ROW, ReadOptions, as_turn
from curate.read.formats.ranking_config import RankingRule
from curate.read.formats.slots import add_to_extra

_SCORED = {"text": pl.String, "score": pl.Float64}
RANKED = pl.List(pl.Struct(_SCORED))
RANKED_WITH_METADATA = pl.List(pl.Struct({**_SCORED, "said": pl.String}))
"""The same with what else is said of each answer, as JSON text."""
# Answers that make a pair.
_MIN_ANSWERS = 2
# The golden ratio times 2^32 (Knuth): spreads consecutive row numbers over the range.
_GOLDEN = 2_654_435_761
# A prime, so that seeds do not meet each other a few rows on.
_ROWS_A_SEED = 7_919
_MAX_ANSWERS = 1_048_576
"""More than there are answers to a prompt."""
_TOO_FEW = "the ranking makes no pair; expected two scored answers or more"
_TOO_CLOSE = "the scores of no two answers of the ranking differ by ranking.min_gap"
_NOT_ALLOWED = "no two answers of the ranking meet the conditions of input.ranking: {}"
_UNSCORED = "rankings hold answers without a text or a score, which make no pair"


def pairs_from_rankings(rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
    """Return pairs from a frame with `_ranked` (larger scores are better), `ROW` and `EXTRA`.

    Of equal scores the order is drawn by the rule's seed: taking the first or last of them would
    prefer whatever is there. Two such answers make a tie. An answer without text or score
    makes no pair, and a row with fewer than two others is listed. `extra` gains the positions
    (from 0) and scores of both answers.

    Args:
        rows: the frame; `_ranked` is of type `RANKED`, or of answers as `turns` in place of `text`.
        options: how pairs are made, and where it is noted how often scores were equal.
    """
    rule = options.ranking
    numbered = _number_by_rank(_list_scored_answers(rows, options), rule.seed)
    _note_ties(numbered, options)
    # Each answer with each other one of its row; the filter leaves better before worse.
    answer_pairs = numbered.join(numbered, on=ROW, suffix="_other", maintain_order="left_right")
    gap = pl.col("score") - pl.col("score_other")
    answer_pairs = answer_pairs.with_columns(_gap=gap, strength=gap.cast(pl.Float32)).filter(
        pl.col("_order") < pl.col("_order_other"), *_conditions(rule)
    )
    answer_pairs = _draw_pairs(_select_pairs(answer_pairs, rule), rule)
    pairs = rows.drop("_ranked").join(answer_pairs, on=ROW, maintain_order="left_right")
    pairs = pairs.with_columns(add_to_extra("pair_of_answers", _both_as_json("_at"))).with_columns(
        add_to_extra("scores", _both_as_json("score")),
        chosen="turns",
        rejected="turns_other",
        is_tie=pl.col("strength") == 0,
    )
    without_pair = _list_unpaired_rankings(rows, pairs, numbered, rule)
    return pl.concat([pairs, without_pair], how="diagonal").sort(ROW, maintain_order=True)


def _number_by_rank(answers: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the answers of each row, best first, numbered from 0; the seed draws among ties."""
    with_draws = answers.with_columns(
        _drawn=_hash_number(pl.col(ROW) * _MAX_ANSWERS + pl.col("_at"), seed)
    )
    best_first = with_draws.sort(
        ROW, "score", "_drawn", "_at", descending=[False, True, False, False]
    )
    order = pl.int_range(pl.len()).over(ROW)
    return best_first.drop("_drawn").with_columns(_order=order)


def _list_scored_answers(rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
    """Return row, position, `turns` and score of each complete answer, and note the others."""
    ranked = rows.select(ROW, "_ranked").with_columns(
        _at=pl.int_ranges(pl.col("_ranked").list.len())
    )
    answers = ranked.explode("_ranked", "_at").unnest("_ranked")
    if "text" in answers.columns:
        answers = answers.with_columns(turns=as_turn("text", "assistant")).drop("text")
    scored = answers.drop_nulls(["turns", "score"])
    # A ranking without answers is one row of nulls here: it is listed, not noted.
    in_scored_rows = answers.join(scored, on=ROW, how="semi")
    unscored = in_scored_rows.filter(pl.any_horizontal(pl.col("turns", "score").is_null()))
    options.count_note(_UNSCORED, unscored[ROW].n_unique())
    return scored


def _list_unpaired_rankings(
    rows: pl.DataFrame, pairs: pl.DataFrame, answers: pl.DataFrame, rule: RankingRule
) -> pl.DataFrame:
    """List rows with too few answers to compare, or with no two that meet the conditions."""
    conditions = rule.conditions()
    names = [*(["min_gap"] if rule.min_gap else []), *conditions]
    not_allowed = _NOT_ALLOWED.format(", ".join(names)) if conditions else _TOO_CLOSE
    unpaired = rows.drop("_ranked").join(pairs, on=ROW, how="anti")
    unpaired = unpaired.join(answers.group_by(ROW).len("_count"), on=ROW, how="left")
    several = pl.col("_count").fill_null(0) >= _MIN_ANSWERS
    reason = pl.when(several).then(pl.lit(not_allowed)).otherwise(pl.lit(_TOO_FEW))
    return unpaired.with_columns(reason.alias(NO_PAIR)).drop("_count")


def pairs_from_valid_rankings(rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
    """Return `pairs_from_rankings` of rows without an `ERROR`, then the rows with one."""
    malformed = rows.filter(pl.col(ERROR).is_not_null()).drop("_ranked")
    valid = rows.filter(pl.col(ERROR).is_null()).drop(ERROR)
    return pl.concat([pairs_from_rankings(valid, options), malformed], how="diagonal")


def add_answer_metadata(pairs: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Add the metadata of both answers to `extra`, as `chosen_<kind>` and `rejected_<kind>`.

    Args:
        pairs: of `pairs_of_rankings`, whose answers had a field `said` of JSON text.
        kind: what an answer came from, as keys call it.
    """
    if "said" not in pairs.columns or pairs["said"].null_count() == len(pairs):
        return pairs
    for side, column in (("chosen", "said"), ("rejected", "said_other")):
        pairs = pairs.with_columns(add_to_extra(f"{side}_{kind}", pl.col(column).fill_null("null")))
    return pairs


def answer_metadata(*fields: str) -> pl.Expr:
    """Return fields of an answer in a list, such as its model, as JSON text for `said`."""
    values = [pl.element().struct.field(name) for name in fields]
    has_value = pl.any_horizontal(value.is_not_null() for value in values)
    return pl.when(has_value).then(pl.struct(values).struct.json_encode())


def _conditions(rule: RankingRule) -> list[pl.Expr]:
    """Return the conditions on two answers, better before worse."""
    conditions = [pl.col("_gap") >= rule.min_gap]
    if rule.chosen_min is not None:
        conditions.append(pl.col("score") >= rule.chosen_min)
    if rule.rejected_max is not None:
        conditions.append(pl.col("score_other") <= rule.rejected_max)
    if rule.max_length_ratio is not None:
        lengths = (_characters("turns"), _characters("turns_other"))
        longer, shorter = pl.max_horizontal(*lengths), pl.min_horizontal(*lengths)
        conditions.append(longer <= shorter * rule.max_length_ratio)
    return conditions


def _characters(turns: str) -> pl.Expr:
    """Return the characters of an answer."""
    return pl.col(turns).list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()


def _select_pairs(pairs: pl.DataFrame, rule: RankingRule) -> pl.DataFrame:
    """Return the pairs of each row that the rule asks for, of those that meet its conditions."""
    if rule.pairs == "all":
        return pairs
    if rule.pairs == "best_worst":
        # By the gap and not by the first and the last answer, which may not meet the conditions.
        widest = pairs.filter(pl.col("_gap") == pl.col("_gap").max().over(ROW))
        first = widest.filter(pl.col("_order") == pl.col("_order").min().over(ROW))
        return first.filter(pl.col("_order_other") == pl.col("_order_other").max().over(ROW))
    with_best = pairs.filter(pl.col("_order") == pl.col("_order").min().over(ROW))
    if rule.pairs == "best_rest":
        return with_best
    number = pl.int_range(pl.len()).over(ROW)
    return with_best.filter(number == _random_below(pl.len().over(ROW), rule.seed))


def _draw_pairs(pairs: pl.DataFrame, rule: RankingRule) -> pl.DataFrame:
    """Return at most `max_pairs` pairs of each row, drawn by the seed, in their order."""
    if rule.max_pairs is None:
        return pairs
    number = pl.int_range(pl.len()).over(ROW)
    draw = _hash_number(pl.col(ROW) * _MAX_ANSWERS + number, rule.seed)
    return pairs.filter(draw.rank("ordinal").over(ROW) <= rule.max_pairs)


def _random_below(bound: pl.Expr, seed: int) -> pl.Expr:
    """Return a number from 0 to below `bound`, the same for the same row number, seed and bound."""
    mixed = _hash_number(pl.col(ROW), seed)
    return (mixed * bound.cast(pl.UInt64) // (1 << 32)).cast(pl.Int64)


def _hash_number(number: pl.Expr, seed: int) -> pl.Expr:
    """Return a number below 2^32, the same for the same number and seed.

    Multiplicative hashing (Knuth) in two rounds: polars' own hash may differ between versions.
    """
    mixed = (number + seed * _ROWS_A_SEED + 1).cast(pl.UInt64) * _GOLDEN % (1 << 32)
    return (mixed ^ (mixed // (1 << 15))) * _GOLDEN % (1 << 32)


def _note_ties(answers: pl.DataFrame, options: ReadOptions) -> None:
    """Note rankings in which the best or the worst answer had to be drawn."""
    by_ranking = answers.group_by(ROW).agg(
        least=pl.len() >= _MIN_ANSWERS,
        several=pl.col("score").n_unique() > 1,
        best=(pl.col("score") == pl.col("score").max()).sum() > 1,
        worst=(pl.col("score") == pl.col("score").min()).sum() > 1,
    )
    count = int(
        (
            by_ranking["least"] & by_ranking["several"] & (by_ranking["best"] | by_ranking["worst"])
        ).sum()
    )
    options.count_note(
        "rankings hold several answers of the best or worst score; ranking.seed drew one", count
    )


def _both_as_json(column: str) -> pl.Expr:
    """Return both values as a JSON list."""
    return pl.format("[{},{}]", column, f"{column}_other")
