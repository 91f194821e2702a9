"""A prompt with its answers as one sequence, in which no answer sees another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curate.models.embed.device import move_to_device
from curate.models.lm.tokens import EncodedConversation

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Share of tokens that must be saved: masks of trees cost attention its fast path.
_WORTH_IT = 0.1
# Tokens: the mask grows with its square.
MAX_TREE = 4096
_PADDING, _PROMPT = -1, 0


@dataclass(frozen=True)
class PromptTree:
    """One prompt and the answers that follow it.

    Attributes:
        prompt: token ids.
        answers: token ids of each answer.
        rows: which of the caller's rows each answer is.
    """

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + sum(len(a) for a in self.answers)


def build_prompt_trees(
    encoded: Sequence[EncodedConversation], share: bool, longest: int = MAX_TREE
) -> list[PromptTree]:
    """Return trees of all encoded rows; answers to one prompt share it where that saves a tenth.

    A shared tree has at most `longest` tokens: its mask grows with the square of its length, and a
    model that looks back only so far would look further in it.
    """
    singles = [PromptTree(e.prompt, (e.answer,), (row,)) for row, e in enumerate(encoded)]
    if not share:
        return singles
    # By tokens, not by text: one text may end in other tokens where an answer follows.
    groups: dict[tuple[int, ...], list[PromptTree]] = defaultdict(list)
    for tree in singles:
        groups[tree.prompt].append(tree)
    return [tree for group in groups.values() for tree in _merge_group(group, longest)]


def _merge_group(group: list[PromptTree], longest: int) -> list[PromptTree]:
    prompt, total_answer_tokens = group[0].prompt, sum(len(t) for t in group)
    saved = len(prompt) * (len(group) - 1)
    # A tree needs a mask of T by T and gives up the faster kernels: little saved is a loss.
    if saved < _WORTH_IT * total_answer_tokens:
        return group
    groups: list[list[PromptTree]] = [[]]
    length = len(prompt)
    for tree in group:
        answer = len(tree.answers[0])
        # An answer that exceeds the limit by itself still gets a tree of its own.
        if groups[-1] and length + answer > longest:
            groups.append([])
            length = len(prompt)
        groups[-1].append(tree)
        length += answer
    return [
        PromptTree(
            prompt,
            tuple(t.answers[0] for t in answer_group),
            tuple(t.rows[0] for t in answer_group),
        )
        for answer_group in groups
    ]


@dataclass(frozen=True)
class TreeBatch:
    """Trees padded on the right to one length T.

    Attributes:
        ids: (B, T) token ids.
        mask: (B, T) 1 for tokens, 0 for padding; or (B, 1, T, T), true where a token may look, if
            any tree has several answers.
        positions: (B, T) position of each token in its own conversation.
        predictor: (N,) for each answer token that has a predecessor, the flat index (b T + t) of
            the token whose output predicts it.
        target: (N,) that answer token's id.
        owner: (N,) number of the answer within the batch.
        last: (A,) flat index of each answer's last token; of the prompt's last if it is empty.
        last_of_prompt: (A,) flat index of the last token of each answer's prompt.
        rows: (A,) the caller's row of each answer.
    """

    ids: Tensor
    mask: Tensor
    positions: Tensor
    predictor: Tensor
    target: Tensor
    owner: Tensor
    last: Tensor
    last_of_prompt: Tensor
    rows: tuple[int, ...]

    def to(self, device: str) -> TreeBatch:
        """Return the batch on a device."""
        moved = {
            k: move_to_device(v, device) for k, v in vars(self).items() if isinstance(v, Tensor)
        }
        return TreeBatch(**moved, rows=self.rows)


def pad_trees(trees: Sequence[PromptTree], pad: int) -> TreeBatch:
    """Return the padded batch of some trees."""
    length = max(*(len(t) for t in trees), 1)
    ids = np.full((len(trees), length), pad, dtype=np.int64)
    positions = np.zeros((len(trees), length), dtype=np.int64)
    branch = np.full((len(trees), length), _PADDING, dtype=np.int64)
    marks: list[_AnswerPositions] = []
    for b, tree in enumerate(trees):
        start = end = len(tree.prompt)
        ids[b, :start], positions[b, :start] = tree.prompt, np.arange(start)
        branch[b, :start] = _PROMPT
        for k, answer in enumerate(tree.answers):
            begin, end = end, end + len(answer)
            ids[b, begin:end] = answer
            # Every answer goes on where the prompt ends, as if it were the only one.
            positions[b, begin:end] = np.arange(start, start + len(answer))
            branch[b, begin:end] = _PROMPT + 1 + k
            marks.append(_answer_positions(b * length, start, begin, answer, len(marks)))
    shared = any(len(t.answers) > 1 for t in trees)
    return TreeBatch(
        ids=torch.from_numpy(ids),
        mask=_tree_mask(branch) if shared else torch.from_numpy((branch >= 0).astype(np.int64)),
        positions=torch.from_numpy(positions),
        predictor=torch.from_numpy(np.concatenate([m.predictor for m in marks])),
        target=torch.from_numpy(np.concatenate([m.target for m in marks])),
        owner=torch.from_numpy(np.concatenate([m.owner for m in marks])),
        last=torch.tensor([m.last for m in marks]),
        last_of_prompt=torch.tensor([m.last_of_prompt for m in marks]),
        rows=tuple(row for tree in trees for row in tree.rows),
    )


@dataclass(frozen=True)
class _AnswerPositions:
    """What `TreeBatch` says of one answer."""

    predictor: NDArray[np.int64]
    target: NDArray[np.int64]
    owner: NDArray[np.int64]
    last: int
    last_of_prompt: int


def _answer_positions(
    row: int, start: int, begin: int, answer: tuple[int, ...], number: int
) -> _AnswerPositions:
    """Return the positions of an answer that begins at `begin` of the flat row at `row`."""
    end = begin + len(answer)
    # The first token of an answer is predicted by the last one of the prompt, which is not beside
    # it in a tree.
    before = np.concatenate([[start - 1], np.arange(begin, end - 1)])[: len(answer)]
    is_predicted = before >= 0
    return _AnswerPositions(
        row + before[is_predicted],
        np.asarray(answer, dtype=np.int64)[is_predicted],
        np.full(int(is_predicted.sum()), number, dtype=np.int64),
        row + max((end if answer else start) - 1, 0),
        row + max(start - 1, 0),
    )


def _tree_mask(branch: NDArray[np.int64]) -> Tensor:
    """Return True where token t may look at s: not after it, and the prompt's or its own answer's.

    Padding looks at the first token, since a row of a softmax must not be empty.
    """
    b = torch.from_numpy(branch)
    length = b.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    is_own_branch = (b[:, None, :] == _PROMPT) | (b[:, None, :] == b[:, :, None])
    # Answers see the prompt and themselves, never each other.
    mask = is_own_branch & causal & (b >= 0)[:, None, :]
    mask[:, :, 0] |= b < 0
    return mask[:, None]
