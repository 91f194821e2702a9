"""What would go wrong, and how many pairs each hurts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from curate.check.conversations import Tokens, TrainerTokens
from curate.data.hashes import same_answers
from curate.data.row_parts import MEDIA_PARTS
from curate.models.lm.conversations import conversations
from curate.steps.context import Progress

REFUSED, FULL, EQUAL, EMPTY = "refused", "prompt fills all", "equal after the cut", "empty answer"
TURN, TIE, CUT, BORDER, STOP = "no user's turn", "tie", "cut", "border moves", "no end of text"
FATAL = (REFUSED, FULL, EQUAL, EMPTY, TURN, TIE)
"""What a pair teaches nothing, or something wrong, for; `--fix` drops these."""
MEANS = {
    REFUSED: "the chat template refuses the conversation",
    FULL: "the prompt alone fills max_length: nothing of the answers is left",
    EQUAL: "chosen and rejected are the same tokens, after the cut to max_length",
    EMPTY: "an answer is empty: the model learns to end at once",
    TURN: "the prompt does not end with the user's (or a tool's) turn",
    TIE: "the pair is a tie: the trainer takes it as a vote",
    CUT: "prompt and answer are longer than max_length: the end of the answer is cut",
    BORDER: "the prompt's tokens are not the beginning of the conversation's: where the answer "
    "begins is off by some tokens",
    STOP: "the template writes no end of text behind the answer: the model does not learn to stop",
}
_ASKS = ("user", "tool", "function", "observation", "environment", "ipython")


@dataclass
class Checked:
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
        """pair_id and reason of the pairs that teach nothing, each once."""
        rows = [(i, f"{name}: {MEANS[name]}") for name in FATAL for i in self.hurt.get(name, ())]
        frame = pl.DataFrame(rows, schema={"pair_id": pl.String, "reason": pl.String}, orient="row")
        return frame.unique("pair_id", keep="first", maintain_order=True)

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "pairs": self.pairs,
            "problems": {name: len(self.hurt.get(name, ())) for name in MEANS},
            "refused_because": dict(self.reasons.most_common(10)),
            "tokens": self.tokens,
            "cut_share": self.cut / self.tokens if self.tokens else 0.0,
            "longest": self.longest,
            "with_media": self.media,
        }


def check_pairs(
    parts: Iterable[pl.DataFrame], tokenizer: Any, max_length: int, progress: Progress
) -> Checked:
    """Look at pairs as a trainer tokenises them, a few thousand in memory at a time.

    Args:
        parts: the pair table, part by part.
        tokenizer: of the model, with a chat template.
        max_length: tokens of prompt and answer; what is beyond is cut off at the end.
        progress: where progress is shown.
    """
    found, tokens = Checked(), TrainerTokens(tokenizer)
    with progress.task("check", None) as task:
        for part in parts:
            for name, rows in _problems(part, tokens, tokenizer.eos_token_id, max_length, found):
                ids = part["pair_id"].filter(pl.Series(rows)).to_list()
                found.hurt.setdefault(name, []).extend(ids)
            found.pairs += len(part)
            task.advance(len(part))
    return found


def _problems(
    pairs: pl.DataFrame, tokens: TrainerTokens, eos: int | None, most: int, found: Checked
) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.bool_]]]]:
    """Each problem, and which of the pairs have it; counts go to `found`."""
    texts = conversations(pairs)
    written = tokens(texts.prompts, texts.answers)
    sides = [(written[c], written[r]) for c, r in zip(texts.chosen, texts.rejected, strict=True)]
    _count(sides, most, found)
    media = [c for c in MEDIA_PARTS if c in pairs.columns]
    if media:
        found.media += int(
            pairs.select(m=pl.any_horizontal(pl.col(media).is_not_null()))["m"].sum()
        )

    def each(test: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.array([all(isinstance(s, Tokens) for s in p) and test(*p) for p in sides], bool)

    yield REFUSED, np.array([any(isinstance(s, str) for s in p) for p in sides], bool)
    yield FULL, each(lambda c, r: min(len(c.prompt), len(r.prompt)) >= most)
    same = each(lambda c, r: c.both[:most] == r.both[:most])
    yield EQUAL, same | same_answers(pairs).to_numpy()
    yield EMPTY, pairs.select(e=_empty("chosen") | _empty("rejected"))["e"].to_numpy()
    last = pl.col("prompt").list.last().struct.field("role")
    yield TURN, pairs.select(t=~last.is_in(_ASKS).fill_null(False))["t"].to_numpy()
    yield TIE, pairs["is_tie"].to_numpy()
    yield CUT, each(lambda c, r: max(len(c.both), len(r.both)) > most)
    yield BORDER, each(lambda c, r: not (c.aligned and r.aligned))
    if eos is not None:
        ends = each(lambda c, r: all(s.both.count(eos) > s.prompt.count(eos) for s in (c, r)))
        yield STOP, ~ends & each(lambda _c, _r: True)


def _empty(side: str) -> pl.Expr:
    """Whether an answer has neither text nor anything else."""
    said = pl.element().struct.field("content").str.strip_chars().str.len_chars() > 0
    more = pl.element().struct.field("more").is_not_null()
    return ~pl.col(side).list.eval(said | more).list.any().fill_null(False)


def _count(sides: list[tuple[Tokens | str, Tokens | str]], most: int, found: Checked) -> None:
    for pair in sides:
        found.reasons.update({s for s in pair if isinstance(s, str)})
        for side in pair:
            if isinstance(side, Tokens):
                size = len(side.both)
                found.tokens += size
                found.cut += max(size - most, 0)
                found.longest = max(found.longest, size)
