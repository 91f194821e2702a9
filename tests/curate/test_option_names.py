"""Messages name an option as the user would write it, in a shell or in Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import curate
from curate import CurateError
from curate.cli.app import app
from curate.option_names import is_command_line
from tests.helpers import trl_rows, write_jsonl

ROOT = Path(curate.__file__).parent
PACKAGES = ("read", "data", "steps", "store", "models", "auditing", "benchmark", "pipeline")
"""Code that runs below commands and below functions."""
OPTION = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"\b(curate [a-z-]+|aws|pip) ")


def option_messages(path: Path) -> list[str]:
    """Return the texts of a module, beside docstrings, that name an option of no command.

    A text may stand in a condition on who calls: then the other branch is for Python. A command
    of the shell is one for all.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed: set[int] = set()
    for node in ast.walk(tree):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring:
            allowed.update(id(child) for child in ast.walk(node))
        is_conditional = isinstance(node, ast.FunctionDef | ast.IfExp) and (
            "is_command_line" in ast.dump(node)
        )
        makes_command = isinstance(node, ast.FunctionDef) and "commands" in node.name
        names_command = isinstance(node, ast.JoinedStr) and COMMAND.search(ast.unparse(node))
        if is_conditional or makes_command or names_command:
            allowed.update(id(child) for child in ast.walk(node))
    return [
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in allowed
        for text in [node.value]
        if isinstance(text, str) and OPTION.search(text) and not COMMAND.search(text)
    ]


def test_messages_name_options_by_the_caller() -> None:
    paths = (path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
    named = {str(path.relative_to(ROOT)): option_messages(path) for path in paths}
    assert {place: texts for place, texts in named.items() if texts} == {}


def unknown_rows(count: int = 3) -> list[dict[str, str]]:
    texts = [f"a longer text with words {n}" for n in range(count)]
    return [{"question": f"{t}?", "good answer": f"{t}.", "bad answer": t} for t in texts]


def test_python_is_answered_in_python(tmp_path: Path) -> None:
    with pytest.raises(CurateError) as raised:
        curate.read_pairs(unknown_rows())
    assert "columns={" in str(raised.value.fix)
    assert "--" not in str(raised.value)
    write_jsonl(tmp_path / "rows.jsonl", unknown_rows())
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "rows.jsonl")])
    assert "--columns" in str(getattr(result.exception, "fix", result.output))
    # The command is over.
    assert not is_command_line()


def test_a_proposed_mapping_can_be_pasted() -> None:
    rows = [{"frage": f"Was ist {n}?", "a": f"{n} ja", "b": f"{n} nein"} for n in range(4)]
    votes = ["A", "B", "A", "B"]
    labelled = [row | {"winner": vote} for row, vote in zip(rows, votes, strict=True)]
    with pytest.raises(CurateError) as raised:
        curate.read_pairs([{"prompt": r.pop("frage"), **r} for r in labelled])
    proposal = str(raised.value.fix).partition("columns=")[2]
    mapping = ast.literal_eval(proposal)
    renamed = [{"prompt": f"Was ist {n}?", **row} for n, row in enumerate(labelled)]
    assert len(curate.read_pairs(renamed, columns=mapping)) == 4


@pytest.mark.parametrize(
    ("call", "option"),
    [
        (lambda rows: curate.bench(rows, noise=(0.7,)), "noise="),
        (lambda rows: curate.bench(rows, patterns=("odd",)), "patterns="),
        (lambda rows: curate.audit(rows, gold={"column": "extra.none"}), "gold"),
    ],
)
def test_the_argument_is_named(call: object, option: str) -> None:
    with pytest.raises(CurateError) as raised:
        call(trl_rows(30))  # type: ignore[operator]
    assert option in str(raised.value)
    assert "--" not in str(raised.value)
