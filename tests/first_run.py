"""Write `docs/tutorial/transcript.md`: all that the first run prints, on 80 columns.

python -m tests.first_run

`test_first_run` runs it again and compares what does not depend on probe models or the machine.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import console
from curate.cli.app import app
from curate.sample import SAMPLE_DATA

PAGE = Path(__file__).parents[1] / "docs" / "tutorial" / "transcript.md"
WIDTH = 80
COMMANDS = ("curate run --sample", "curate run --sample --labels-only")
_MACHINE = re.compile(r"seconds: |[\w ]+: [\d,]+ of [\d,]+ \(\d+%\)|[\w ]+: \d+ s$")
INTRODUCTION = """\
# What the first run prints

All of it, on a terminal of 80 columns. `python -m tests.first_run` writes this page, and a test
compares it with a run. The second run is without the language model's verdicts and the reviewed
pairs: from the labels alone curate knows much less.
"""


def transcript(command: str) -> str:
    """Return what a command prints, with the paths of a first run in an empty folder."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # An empty store: nothing may come from an earlier run.
        patch.setenv("CURATE_CACHE", str(Path(folder) / "store"))
        patch.chdir(folder)
        for terminal in (console.out, console.err):
            patch.setattr(terminal, "width", WIDTH)
        result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == 0, result.output
    output = result.output.replace(str(SAMPLE_DATA), "preferences.jsonl.gz")
    lines = (line.rstrip() for line in output.splitlines())
    # The progress of long steps, and times, are those of a machine.
    return "\n".join(line for line in lines if not _MACHINE.match(line))


def page(outputs: list[str]) -> str:
    """Return the page with what the commands printed."""
    blocks = (
        f"```console\n$ {command}\n{output}\n```"
        for command, output in zip(COMMANDS, outputs, strict=True)
    )
    return "\n\n".join((INTRODUCTION.strip(), *blocks)) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page([transcript(command) for command in COMMANDS]), encoding="utf-8")
