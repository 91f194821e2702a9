"""Drops pairs that are too long in tokens for the trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import polars as pl
from pydantic import Field

from curate import Column, Context, Filter, FilterResult, Parameters
from curate.scoring import Model
from curate.scoring.filtering import has_single_answers
from curate.scoring.lm import (
    TRAINERS,
    PairTokens,
    Trainer,
    TrainerName,
    TrainerTokens,
    distinct_conversations,
    read_chat_tokenizer,
)

# Token ids of a batch are in memory at a time: some 60 MB at 1,000 tokens a conversation.
_BATCH = 2048
_LENGTHS = ("prompt", "chosen", "rejected")
_SCHEMA = {**dict.fromkeys(_LENGTHS, pl.Int64), "refusal": pl.String}


class TokenLimitsParams(Parameters):
    """Parameters of `token_limits`."""

    model: Model = Field(description="Model whose tokenizer and chat template are used.")
    trainer: TrainerName = Field(
        "trl", description="Trainer that writes and tokenises the conversations."
    )
    max_length: int | None = Field(
        None,
        ge=1,
        description="Most tokens of a prompt with its longer answer; default the trainer's own "
        "setting.",
    )
    max_prompt: int | None = Field(
        None, ge=1, description="Most tokens of a prompt; default no limit."
    )
    max_answer: int | None = Field(
        None, ge=1, description="Most tokens of either answer; default no limit."
    )


class TokenLimits(Filter[TokenLimitsParams]):
    """Drop pairs with a prompt or an answer of too many tokens; nothing is cut.

    Tokens are counted by the model's tokenizer and chat template, as the trainer writes the
    conversation: `prompt` with the opening of the answer's turn, `chosen` and `rejected` are the
    tokens behind it. A trainer cuts or leaves out what is longer than its `max_length`, by default
    without a word: TRL 1,024, axolotl and OpenRLHF 512, LLaMA-Factory and ms-swift 2,048. The
    manifest counts how many pairs each of them would cut and leave out by its default. A pair
    that the template refuses is dropped. Use it before training, with the limit of your trainer.

    Examples:
        >>> TokenLimits(model="org/model", trainer="axolotl").limits()
        {'prompt and answer': 512}
    """

    name = "token_limits"
    purpose = "texts"
    when = "Before training, with the limit of your trainer. Reads the tokenizer, not the weights."
    summary = "drop pairs with more tokens than the trainer takes; nothing is cut"
    reference = "the trainers' own code (docs/reference/trainers/loaders.md)"
    single_answers = True
    Params = TokenLimitsParams
    drop_codes = (
        "token_limits_length",
        "token_limits_prompt",
        "token_limits_answer",
        "chat_template",
    )

    def reads(self) -> tuple[str, ...]:
        """Read prompt and answers, with what the template writes of them."""
        return _LENGTHS

    def adds(self) -> tuple[Column, ...]:
        """Add the lengths."""
        return (
            Column("prompt", "prompt with the opening of the answer's turn", "int", unit="tokens"),
            Column("chosen", "chosen answer with the end of its turn", "int", unit="tokens"),
            Column("rejected", "rejected answer with the end of its turn", "int", unit="tokens"),
        )

    def limits(self) -> dict[str, int]:
        """Return the limits in tokens by what they limit."""
        p = self.params
        limits = {
            "prompt and answer": p.max_length or TRAINERS[p.trainer].max_length,
            "prompt": p.max_prompt,
            "answer": p.max_answer,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Keep pairs within all limits."""
        tokenizer = read_chat_tokenizer(self.params.model, f"filter '{self.name}', model:")
        tokens = TrainerTokens(tokenizer, TRAINERS[self.params.trainer])
        counts = {name: Counter[str]() for name in TRAINERS}
        lengths = [pl.DataFrame(schema=_SCHEMA)]
        with context.progress.task(self.name, len(pairs)) as task:
            for batch in pairs.iter_slices(_BATCH):
                sides = tokens.encode_pairs(distinct_conversations(batch))
                lengths.append(_token_lengths(sides))
                for name, trainer in TRAINERS.items():
                    counts[name].update(_fates(sides, trainer))
                task.advance(len(batch))
        context.facts["limits"] = self.limits()
        context.facts["by_trainer"] = {
            name: {"max_length": TRAINERS[name].max_length, **dict(sorted(fates.items()))}
            for name, fates in counts.items()
        }
        table = pl.concat(lengths)
        if has_single_answers(pairs):
            table = table.with_columns(rejected=pl.lit(None, dtype=pl.Int64))
        return self._decide(table)

    def _decide(self, lengths: pl.DataFrame) -> FilterResult:
        """Return the decision on pairs of these lengths; the first limit passed is the reason."""
        answer = pl.max_horizontal("chosen", "rejected")
        measured = {
            "prompt": pl.col("prompt"),
            "answer": answer,
            "prompt and answer": pl.col("prompt") + answer,
        }
        codes = dict(zip(("prompt and answer", "prompt", "answer"), self.drop_codes, strict=False))
        # The first that is not null counts; null plus a text is null.
        reasons: list[pl.Expr] = [pl.lit("chat template: ") + pl.col("refusal")]
        refused = pl.col("refusal").is_not_null()
        drop_codes: list[pl.Expr] = [pl.when(refused).then(pl.lit("chat_template"))]
        for name, tokens in measured.items():
            if (limit := self.limits().get(name)) is None:
                continue
            text = pl.format(f"{name}: {{}} tokens, more than {limit}", tokens)
            reasons.append(pl.when(tokens > limit).then(text))
            drop_codes.append(pl.when(tokens > limit).then(pl.lit(codes[name])))
        decided = lengths.select(reason=pl.coalesce(reasons), code=pl.coalesce(drop_codes))
        added = lengths.select(_LENGTHS)
        keep = decided["reason"].is_null()
        return FilterResult(keep, decided["reason"], added, None, decided["code"])


def _token_lengths(sides: Iterable[PairTokens]) -> pl.DataFrame:
    """Return tokens of prompt and answers of each pair, or why the template refuses it."""
    rows: list[tuple[int | None, int | None, int | None, str | None]] = []
    for chosen, rejected in sides:
        if isinstance(chosen, str):
            rows.append((None, None, None, chosen))
        elif isinstance(rejected, str):
            rows.append((None, None, None, rejected))
        else:
            prompt = len(chosen.prompt)
            rows.append((prompt, len(chosen.both) - prompt, len(rejected.both) - prompt, None))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _fates(sides: Iterable[PairTokens], trainer: Trainer) -> Iterable[str]:
    """Yield what a trainer does with each pair that it does not take as it is."""
    for chosen, rejected in sides:
        if isinstance(chosen, str) or isinstance(rejected, str):
            continue
        trained = trainer.trained(chosen, rejected, trainer.max_length)
        if trained is None:
            yield "left_out"
        elif len(trained.chosen) < len(chosen.both) or len(trained.rejected) < len(rejected.both):
            yield "cut"
