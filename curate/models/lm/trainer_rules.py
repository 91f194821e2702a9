"""What each trainer does with a pair: how it tokenises it, what it cuts, and what it leaves out.

The rules are those of the trainers' own code, which the tests run beside them: TRL 1.16, axolotl
0.19, LLaMA-Factory 0.9.5, OpenRLHF 0.11 and ms-swift 4.6. LLaMA-Factory and ms-swift write
conversations by templates of their own; they are counted by the model's chat template here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from curate.data.attachments import ARGUMENTS, DOCUMENTS, TOOLS
from curate.data.messages import MESSAGE_CONTENT_KINDS
from curate.models.lm.trainer_tokens import ConversationTokens

_ROLES = frozenset({"user", "assistant", "system", "tool"})
_PASSED_ON = frozenset({*MESSAGE_CONTENT_KINDS, TOOLS, ARGUMENTS, DOCUMENTS})


@dataclass(frozen=True)
class TrainedTokens:
    """What is left of a pair.

    Attributes:
        chosen: ids of prompt and preferred answer.
        rejected: the same of the other answer.
        prompt: number of ids of the prompt that are left.
    """

    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    prompt: int


class Trainer:
    """TRL: one text of prompt and answer, cut at the end.

    Attributes:
        max_length: of its settings.
        is_joint: whether prompt and answer become tokens as one text.
        keeps_full: whether pairs are trained on whose prompt alone fills `max_length`.
        dummy: the prompt behind which it writes answers to find them; None: their own.
    """

    max_length = 1024
    is_joint = True
    keeps_full = True
    dummy: str | None = None

    def end(self, text: str, eos: str | None) -> str:  # noqa: ARG002
        """Return a conversation as it is tokenised, from how the chat template writes it."""
        return text

    def trained(
        self, chosen: ConversationTokens, rejected: ConversationTokens, most: int
    ) -> TrainedTokens | None:
        """Return the tokens that are trained on, within `most`; None if the pair is skipped."""
        prompt = min(len(chosen.prompt), most)
        return TrainedTokens(chosen.both[:most], rejected.both[:most], prompt)

    def refuses(self, pair: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Return whether the messages of a pair {prompt, chosen, rejected} are of a shape that it
        skips or fails at."""
        return False

    def loses(self, answer: str, text: str, start: int) -> bool:  # noqa: ARG002
        """Return whether it cannot find an answer in the rendered template.

        Args:
            answer: the content.
            text: of the answer behind `dummy`.
            start: where the answer begins there at the earliest.
        """
        return False


class AxolotlTrainer(Trainer):
    """axolotl by `chat_template.default`: pairs that are too long are left out."""

    max_length = 512
    is_joint = False
    dummy = "[[dummy_message]]"

    def end(self, text: str, eos: str | None) -> str:  # noqa: ARG002
        """Strip trailing whitespace."""
        return text.rstrip()

    def trained(
        self, chosen: ConversationTokens, rejected: ConversationTokens, most: int
    ) -> TrainedTokens | None:
        """Return the complete pair, or None."""
        if max(len(chosen.both), len(rejected.both)) > most:
            return None
        return TrainedTokens(chosen.both, rejected.both, len(chosen.prompt))

    def refuses(self, pair: Mapping[str, Any]) -> bool:
        """Return whether a role is unknown, which ends the run."""
        return any(m["role"] not in _ROLES for turns in pair.values() for m in turns)

    def loses(self, answer: str, text: str, start: int) -> bool:
        """Return whether the answer's text is missing: training starts where the content begins."""
        return text.find(answer) < start


class OpenRLHFTrainer(Trainer):
    """OpenRLHF (`train_dpo`): the last token that is left becomes the end of text."""

    max_length = 512
    keeps_full = False

    def end(self, text: str, eos: str | None) -> str:
        """Strip trailing line breaks, and append the end-of-text token."""
        text = text.rstrip("\n")
        return text if eos is None or text.endswith(eos) else f"{text} {eos}"

    def trained(
        self, chosen: ConversationTokens, rejected: ConversationTokens, most: int
    ) -> TrainedTokens | None:
        """Skip the pair if the prompt leaves fewer than two tokens."""
        return None if len(chosen.prompt) >= most - 2 else super().trained(chosen, rejected, most)


class LLaMAFactoryTrainer(Trainer):
    """LLaMA-Factory: prompt and answers are cut at their ends, the longer one more."""

    max_length = 2048
    is_joint = False
    keeps_full = False

    def trained(
        self, chosen: ConversationTokens, rejected: ConversationTokens, most: int
    ) -> TrainedTokens | None:
        """Divide the length like LLaMA-Factory's `infer_seqlen`."""
        prompt = chosen.prompt
        answers = [side.both[len(side.prompt) :] for side in (chosen, rejected)]
        source, target = len(prompt), max(map(len, answers))
        if target * 2 < most:
            answer_budget = most
        elif source * 2 < most:
            answer_budget = most - source
        else:
            answer_budget = int(most * (target / (source + target)))
        target = min(answer_budget, target)
        source = min(max(most - target, 0), source)
        kept_ids = [prompt[:source] + answer[:target] for answer in answers]
        return TrainedTokens(kept_ids[0], kept_ids[1], source)

    def refuses(self, pair: Mapping[str, Any]) -> bool:
        """Skip a pair whose speakers do not alternate."""
        return not _takes_turns(pair)


class SwiftTrainer(Trainer):
    """ms-swift: pairs that are too long are left out (`truncation_strategy: delete`)."""

    max_length = 2048
    keeps_full = False

    def trained(
        self, chosen: ConversationTokens, rejected: ConversationTokens, most: int
    ) -> TrainedTokens | None:
        """Return the complete pair, or None."""
        if max(len(chosen.both), len(rejected.both)) > most:
            return None
        return TrainedTokens(chosen.both, rejected.both, len(chosen.prompt))

    def refuses(self, pair: Mapping[str, Any]) -> bool:
        """Return whether a system text after the first message makes it skip the pair.

        It joins messages that follow each other of one speaker, without a blank between them.
        """
        roles = [message["role"] for turns in pair.values() for message in turns]
        return "system" in roles[1:] or not _ROLES.issuperset(roles)


TrainerName = Literal["trl", "axolotl", "llamafactory", "openrlhf", "swift"]
TRAINERS: dict[str, Trainer] = {
    "trl": Trainer(),
    "axolotl": AxolotlTrainer(),
    "llamafactory": LLaMAFactoryTrainer(),
    "openrlhf": OpenRLHFTrainer(),
    "swift": SwiftTrainer(),
}


def trainer_for(name: str, parts: frozenset[str]) -> Trainer:
    """Return the trainer of a name, for pairs that hold these parts.

    axolotl passes pairs on to TRL of which some hold more than texts: its export says so.
    """
    if name == "axolotl" and parts & _PASSED_ON:
        passed_on = Trainer()
        passed_on.max_length = TRAINERS[name].max_length
        return passed_on
    return TRAINERS[name]


def _takes_turns(pair: Mapping[str, Any]) -> bool:
    """Return whether user (or tools) and assistant alternate after an optional system text.

    Results of tools that follow each other are one turn.
    """
    roles = [message["role"] for message in pair["prompt"]]
    roles = roles[1:] if roles[:1] == ["system"] else roles
    turns = [r for i, r in enumerate(roles) if r != "tool" or i == 0 or roles[i - 1] != "tool"]
    asking, answering = turns[::2], turns[1::2]
    return (
        len(turns) % 2 == 1
        and all(role in ("user", "tool") for role in asking)
        and all(role == "assistant" for role in answering)
        and all(
            pair[side] and pair[side][0]["role"] == "assistant" for side in ("chosen", "rejected")
        )
    )
