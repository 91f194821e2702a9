"""The transcript of the first run is what a run prints."""

from __future__ import annotations

import re

import pytest

from tests.first_run import COMMANDS, PAGE, WIDTH, transcript

# Counts that follow from probe models may differ between machines in their last digits.
STABLE = re.compile(
    r" (step|consensus|exact_duplicates|expression|source) |without effect|true: |warning: |next: "
    r"|curated shards|dropped pairs|scores|report|dataset card|summary|  curate "
)


def stable_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if STABLE.match(line)]


def printed_blocks() -> list[str]:
    blocks = re.findall(r"```console\n\$ (.*?)\n(.*?)\n```", PAGE.read_text("utf-8"), re.S)
    assert tuple(command for command, _ in blocks) == COMMANDS
    return [output for _, output in blocks]


def test_lines_of_the_transcript_fit() -> None:
    lines = [line for output in printed_blocks() for line in output.splitlines()]
    assert max(len(line) for line in lines if "curate run" not in line) <= WIDTH


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_a_run_prints_the_transcript(number: int) -> None:
    lines = stable_lines(printed_blocks()[number])
    assert len(lines) > 12
    assert stable_lines(transcript(COMMANDS[number])) == lines
