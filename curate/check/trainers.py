"""What each trainer does with a pair: how it tokenises it, what it cuts, and what it leaves out.

The rules are those of the trainers' own code, which the tests run beside them: TRL 1.16, axolotl
0.19, LLaMA-Factory 0.9.5, OpenRLHF 0.11 and ms-swift 4.6. LLaMA-Factory and ms-swift write
conversations by templates of their own; they are counted by the model's chat template here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.check.tokens import Tokens
from curate.data.message_parts import MESSAGE_PARTS
from curate.data.row_parts import ARGUMENTS, DOCUMENTS, TOOLS

_ROLES = frozenset({"user", "assistant", "system", "tool"})
_PASSED_ON = frozenset({*MESSAGE_PARTS, TOOLS, ARGUMENTS, DOCUMENTS})


@dataclass(frozen=True)
class Trained:
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
        """A conversation as it is tokenised, from how the chat template writes it."""
        return text

    def trained(self, chosen: Tokens, rejected: Tokens, most: int) -> Trained | None:
        """What is trained on, in `most` tokens; None where the pair is left out."""
        prompt = min(len(chosen.prompt), most)
        return Trained(chosen.both[:most], rejected.both[:most], prompt)

    def refuses(self, pair: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether the messages of a pair {prompt, chosen, rejected} are of a shape that it skips or
        fails at."""
        return False

    def loses(self, answer: str, text: str, start: int) -> bool:  # noqa: ARG002
        """Whether it does not find an answer in what the template writes.

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
        """Without blanks at the end."""
        return text.rstrip()

    def trained(self, chosen: Tokens, rejected: Tokens, most: int) -> Trained | None:
        """The whole pair, or nothing."""
        if max(len(chosen.both), len(rejected.both)) > most:
            return None
        return Trained(chosen.both, rejected.both, len(chosen.prompt))

    def refuses(self, pair: Mapping[str, Any]) -> bool:
        """A role that it does not know ends the run."""
        return any(m["role"] not in _ROLES for turns in pair.values() for m in turns)

    def loses(self, answer: str, text: str, start: int) -> bool:
        """It trains on all from the first place on where the content stands."""
        return text.find(answer) < start


class OpenRLHFTrainer(Trainer):
    """OpenRLHF (`train_dpo`): the last token that is left becomes the end of text."""

    max_length = 512
    keeps_full = False

    def end(self, text: str, eos: str | None) -> str:
        """Without line breaks at the end, and with an end of text."""
        text = text.rstrip("\n")
        return text if eos is None or text.endswith(eos) else f"{text} {eos}"

    def trained(self, chosen: Tokens, rejected: Tokens, most: int) -> Trained | None:
        """Left out where the prompt leaves no room for two tokens."""
        return None if len(chosen.prompt) >= most - 2 else super().trained(chosen, rejected, most)


class LLaMAFactoryTrainer(Trainer):
    """LLaMA-Factory: prompt and answers are cut at their ends, the longer one more."""

    max_length = 2048
    is_joint = False
    keeps_full = False

    def trained(self, chosen: Tokens, rejected: Tokens, most: int) -> Trained | None:
        """As `infer_seqlen` divides the room."""
        prompt = chosen.prompt
        answers = [side.both[len(side.prompt) :] for side in (chosen, rejected)]
        source, target = len(prompt), max(map(len, answers))
        if target * 2 < most:
            room = most
        elif source * 2 < most:
            room = most - source
        else:
            room = int(most * (target / (source + target)))
        target = min(room, target)
        source = min(max(most - target, 0), source)
        left = [prompt[:source] + answer[:target] for answer in answers]
        return Trained(left[0], left[1], source)

    def refuses(self, pair: Mapping[str, Any]) -> bool:
        """Speakers that do not take turns make it skip the pair."""
        return not _takes_turns(pair)


class SwiftTrainer(Trainer):
    """ms-swift: pairs that are too long are left out (`truncation_strategy: delete`)."""

    max_length = 2048
    keeps_full = False

    def trained(self, chosen: Tokens, rejected: Tokens, most: int) -> Trained | None:
        """The whole pair, or nothing."""
        if max(len(chosen.both), len(rejected.both)) > most:
            return None
        return Trained(chosen.both, rejected.both, len(chosen.prompt))

    def refuses(self, pair: Mapping[str, Any]) -> bool:
        """A text of the system behind the first message makes it leave the pair out.

        It joins messages that follow each other of one speaker, without a blank between them.
        """
        roles = [message["role"] for turns in pair.values() for message in turns]
        return "system" in roles[1:] or not _ROLES.issuperset(roles)


TRAINERS: dict[str, Trainer] = {
    "trl": Trainer(),
    "axolotl": AxolotlTrainer(),
    "llamafactory": LLaMAFactoryTrainer(),
    "openrlhf": OpenRLHFTrainer(),
    "swift": SwiftTrainer(),
}


def trainer_of(name: str, parts: frozenset[str]) -> Trainer:
    """The trainer of a name, for pairs that hold these parts.

    axolotl passes pairs on to TRL of which some hold more than texts: its export says so.
    """
    if name == "axolotl" and parts & _PASSED_ON:
        passed_on = Trainer()
        passed_on.max_length = TRAINERS[name].max_length
        return passed_on
    return TRAINERS[name]


def _takes_turns(pair: Mapping[str, Any]) -> bool:
    """Whether user (or tools) and assistant take turns behind a first text of the system.

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
