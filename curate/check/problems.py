"""What would go wrong, and how many pairs each hurts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.data.attachments import MEDIA_COLUMNS
from curate.data.hashes import same_answers
from curate.data.json_types import JsonObject
from curate.data.table import has_single_answers
from curate.models.lm.conversations import distinct_conversations
from curate.models.lm.tokens import Messages, Prompt
from curate.models.lm.trainer_rules import TrainedTokens, Trainer
from curate.models.lm.trainer_tokens import (
    ConversationTokens,
    PairTokens,
    TemplateTexts,
    TrainerTokens,
)
from curate.steps.context import Progress

REFUSED, FULL, EQUAL, EMPTY = "refused", "prompt fills all", "equal after the cut", "empty answer"
TURN, TIE, CUT, BORDER, STOP = "no user's turn", "tie", "cut", "border moves", "no end of text"
LEFT_OUT, SHAPE, LOST, ASKED = "left out", "shape", "answer lost", "prompt cut"
FATAL = (REFUSED, SHAPE, LEFT_OUT, FULL, EQUAL, EMPTY, LOST, TURN, TIE)
"""Problems that make a pair useless or harmful for training; `--fix` drops such pairs."""
MEANS = {
    REFUSED: "the chat template rejects the conversation",
    SHAPE: "the trainer skips or rejects it: roles that do not alternate, or an unknown role",
    LEFT_OUT: "the trainer drops the pair: it is longer than max_length",
    FULL: "the prompt fills max_length: no token of the answers remains",
    EQUAL: "chosen and rejected are the same tokens after truncation to max_length",
    EMPTY: "an answer is empty: the model learns to stop immediately",
    LOST: "the trainer searches for the answer in the formatted conversation, and does not find "
    "it (the template strips whitespace), or finds it too early (a short answer)",
    TURN: "the prompt does not end with a turn of the user or a tool",
    TIE: "the pair is a tie: the trainer uses it as a vote",
    ASKED: "prompt and answer are longer than max_length: the end of the prompt is cut, "
    "including its question",
    CUT: "prompt and answer are longer than max_length: the end of the answer is cut",
    BORDER: "the prompt's tokens are not a prefix of the conversation: the start of the answer is "
    "off by some tokens",
    STOP: "the template adds no end-of-text token: the model does not learn to stop",
}
Mask: TypeAlias = NDArray[np.bool_]
_ASKS = ("user", "tool", "function", "observation", "environment", "ipython")


@dataclass
class CheckResult:
    """What was found.

    Attributes:
        pairs: that were looked at.
        hurt: ids of the pairs with each problem, in order.
        reasons: why the template refuses, and how often.
        tokens: of all conversations.
        cut: of them beyond max_length.
        longest: conversation in tokens.
        media: pairs with images, videos or audios, whose tokens only a processor knows.
    """

    pairs: int = 0
    hurt: dict[str, list[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    cut: int = 0
    longest: int = 0
    media: int = 0

    def fatal(self) -> pl.DataFrame:
        """Return pair_id, reason and code of the pairs that teach nothing, each once."""
        rows = [
            (pair_id, f"{name}: {MEANS[name]}", _drop_code(name))
            for name in FATAL
            for pair_id in self.hurt.get(name, ())
        ]
        schema = dict.fromkeys(("pair_id", "reason", "code"), pl.String)
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        # A pair with several problems is dropped for the first of `FATAL`.
        return frame.unique("pair_id", keep="first", maintain_order=True)

    @property
    def cut_share(self) -> float:
        """Return the share of all tokens that are beyond max_length."""
        return self.cut / self.tokens if self.tokens else 0.0

    def to_json(self) -> JsonObject:
        """Return it as plain data."""
        return {
            "pairs": self.pairs,
            "problems": {name: len(self.hurt.get(name, ())) for name in MEANS},
            "refused_because": dict(self.reasons.most_common(10)),
            "tokens": self.tokens,
            "cut_share": self.cut_share,
            "longest": self.longest,
            "with_media": self.media,
        }


def _drop_code(problem: str) -> str:
    """Return the code of the pairs that are dropped for a problem, such as `check_answer_lost`."""
    return "check_" + problem.replace("'s", "").replace(" ", "_")


def check_pairs(
    parts: Iterable[pl.DataFrame],
    tokenizer: Any,
    max_length: int,
    progress: Progress,
    trainer: Trainer,
) -> CheckResult:
    """Check pairs as a trainer tokenises them, a few thousand in memory at a time.

    Args:
        parts: the pair table, part by part.
        tokenizer: of the model, with a chat template.
        max_length: tokens of prompt and answer; what is beyond is cut off at the end.
        progress: where progress is shown.
        trainer: that is to train on them.
    """
    result, checker = CheckResult(), _PairChecker(tokenizer, trainer, max_length)
    with progress.task("check", None) as task:
        for part in parts:
            for name, rows in checker.problems(part, result):
                ids = part["pair_id"].filter(pl.Series(rows)).to_list()
                result.hurt.setdefault(name, []).extend(ids)
            result.pairs += len(part)
            task.advance(len(part))
    return result


@dataclass(frozen=True)
class _PairChecker:
    """Looks at pairs with a trainer's eyes."""

    tokenizer: Any
    trainer: Trainer
    most: int

    def problems(self, pairs: pl.DataFrame, result: CheckResult) -> Iterator[tuple[str, Mask]]:
        """Yield each problem, and which of the pairs have it; counts go to `result`.

        A single answer stands for both answers of a pair.
        """
        trainer, max_length = self.trainer, self.most
        is_single = has_single_answers(pairs)
        if is_single:
            pairs = pairs.with_columns(rejected=pl.col("chosen"))
        tokens, texts = TrainerTokens(self.tokenizer, trainer), distinct_conversations(pairs)
        numbers = list(zip(texts.chosen, texts.rejected, strict=True))
        sides = tokens.encode_pairs(texts)
        counted_sides = [pair[:1] for pair in sides] if is_single else sides
        _count_tokens(counted_sides, max_length, result)
        media = [c for c in MEDIA_COLUMNS if c in pairs.columns]
        if media:
            result.media += int(
                pairs.select(m=pl.any_horizontal(pl.col(media).is_not_null()))["m"].sum()
            )
        yield REFUSED, _bool_mask(any(isinstance(s, str) for s in p) for p in sides)
        turns = pairs.select("prompt", "chosen", "rejected").iter_rows(named=True)
        yield SHAPE, _bool_mask(trainer.refuses(pair) for pair in turns)
        if not is_single:  # a strategy for pairs alone
            lost = self._lost(tokens, texts.answers)
            yield LOST, _bool_mask(lost[c] or lost[r] for c, r in numbers)
        yield (
            EMPTY,
            pairs.select(e=_is_empty_answer("chosen") | _is_empty_answer("rejected"))[
                "e"
            ].to_numpy(),
        )
        last = pl.col("prompt").list.last().struct.field("role")
        yield TURN, pairs.select(t=~last.is_in(_ASKS).fill_null(False))["t"].to_numpy()
        yield TIE, pairs["is_tie"].to_numpy()
        if not is_single:
            yield EQUAL, same_answers(pairs).to_numpy() | _bool_mask(self._equal(p) for p in sides)
        yield from self._tokens(sides)

    def _tokens(self, sides: Sequence[PairTokens]) -> Iterator[tuple[str, Mask]]:
        """Yield problems that depend only on the tokens."""
        trainer, most, eos = self.trainer, self.most, self.tokenizer.eos_token_id

        def each(test: Callable[[ConversationTokens, ConversationTokens], bool]) -> Mask:
            return _bool_mask(_is_rendered(pair) and test(*pair) for pair in sides)  # type: ignore[arg-type]

        def trained_mask(
            test: Callable[[ConversationTokens, ConversationTokens, TrainedTokens], bool],
        ) -> Mask:
            def one(chosen: ConversationTokens, rejected: ConversationTokens) -> bool:
                trained = trainer.trained(chosen, rejected, most)
                return trained is not None and test(chosen, rejected, trained)

            return each(one)

        yield LEFT_OUT, each(lambda c, r: trainer.trained(c, r, most) is None)
        if trainer.keeps_full:
            yield FULL, each(lambda c, r: min(len(c.prompt), len(r.prompt)) >= most)
        yield ASKED, trained_mask(lambda c, _, t: t.prompt < len(c.prompt) and not trainer.is_joint)
        yield (
            CUT,
            trained_mask(
                lambda c, r, t: _is_answer_cut(c, t.chosen, t) or _is_answer_cut(r, t.rejected, t)
            ),
        )
        if trainer.is_joint:
            yield BORDER, each(lambda c, r: not (c.aligned and r.aligned))
        if eos is not None:
            yield (
                STOP,
                # Templates may end earlier turns with the same token: only one more than the prompt
                # has ends the answer.
                each(lambda c, r: any(s.both.count(eos) <= s.prompt.count(eos) for s in (c, r))),
            )

    def _equal(self, pair: PairTokens) -> bool:
        """Return whether the trained tokens of both answers are equal."""
        if not _is_rendered(pair):
            return False
        trained = self.trainer.trained(*pair, self.most)  # type: ignore[arg-type]
        return trained is not None and trained.chosen == trained.rejected

    def _lost(self, tokens: TrainerTokens, answers: Sequence[Messages]) -> list[bool]:
        """Return which answers the trainer cannot locate."""
        dummy = self.trainer.dummy
        if dummy is None:
            return [False] * len(answers)
        prompt = Prompt([{"role": "user", "content": dummy, "more": None}])
        written = tokens.write([prompt] * len(answers), answers)
        return [
            isinstance(text, TemplateTexts)
            and self.trainer.loses(answer[-1]["content"] or "", text.both, len(text.prompt))
            for answer, text in zip(answers, written, strict=True)
        ]


def _bool_mask(values: Iterable[bool]) -> Mask:
    return np.fromiter(values, bool)


def _is_rendered(pair: PairTokens) -> bool:
    """Return whether the template rendered both conversations."""
    return all(isinstance(side, ConversationTokens) for side in pair)


def _is_answer_cut(
    side: ConversationTokens, trained_ids: tuple[int, ...], trained: TrainedTokens
) -> bool:
    """Return whether tokens of the answer are cut off."""
    return len(trained_ids) - trained.prompt < len(side.both) - len(side.prompt)


def _is_empty_answer(side: str) -> pl.Expr:
    """Return whether an answer has neither text nor anything else."""
    has_text = pl.element().struct.field("content").str.strip_chars().str.len_chars() > 0
    has_more = pl.element().struct.field("more").is_not_null()
    return ~pl.col(side).list.eval(has_text | has_more).list.any().fill_null(False)


def _count_tokens(
    sides: Sequence[Sequence[ConversationTokens | str]],
    max_length: int,
    result: CheckResult,
) -> None:
    for pair in sides:
        result.reasons.update({s for s in pair if isinstance(s, str)})
        for side in pair:
            if isinstance(side, ConversationTokens):
                size = len(side.both)
                result.tokens += size
                result.cut += max(size - max_length, 0)
                result.longest = max(result.longest, size)
