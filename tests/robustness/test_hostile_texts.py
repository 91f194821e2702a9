"""No pattern of scorers, filters or messages hangs on a text that was made to hang it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pytest

from curate import Context
from curate.errors import mask_text
from curate.scorers.multi_instruction import MultiInstruction
from curate.scorers.refusal import Refusal
from curate.scorers.tool_calls.calls import ToolSet, parse_tool_calls
from curate.steps.contracts import Filter, Scorer
from curate.steps.declarations import Scope
from curate.steps.discovery import find_classes
from tests.helpers import pairs_of, turn

SIZE = 1_000_000
LIMIT_S = 60
# Linear, but slow: phone numbers are looked for by six countries' rules.
_SIZES = {"pii": 100_000}
HOSTILE = {
    "letters": "a" * SIZE,
    "blanks": "x" + " " * SIZE + "x",
    "lines": "x" + "\n" * SIZE + "x",
    "tabs": "\t" * SIZE + "[",
    "addresses": "a.a@" * (SIZE // 4),
    "dots": "a." * (SIZE // 2),
    "digits": "1" * SIZE,
    "groups of digits": "1 1-" * (SIZE // 4),
    "brackets": "[" * SIZE,
    "links": "[a](" * (SIZE // 4),
    "tags": "<" * SIZE,
    "calls": "<tool_call>a" + " " * SIZE,
    "open calls": "<tool_call>" * (SIZE // 11),
    "thoughts": "<think>" * (SIZE // 7),
    "fences": "```\n" * (SIZE // 4),
    "stars": "*" * SIZE,
    "hashes": "# " * (SIZE // 2),
    "bars": "|" * SIZE + "\n",
    "sources": "[1] " * (SIZE // 4),
    "begins": "begin " * (SIZE // 6),
    "formal": "formal " * (SIZE // 7),
    "accents": "e\u0301" * (SIZE // 2),
    "far script": "\u6f22" * (SIZE // 2),
    "urls": "http://a?" * (SIZE // 9),
}
# Needs a model, an endpoint, another file, or a column.
_ROW_SCORERS = sorted(
    name
    for name, cls in find_classes("scorers", Scorer).items()
    if cls.scope is Scope.ROW
    and not any(field.is_required() for field in cls.Params.model_fields.values())
)


@contextmanager
def no_hang(what: str) -> Iterator[None]:
    """Fail where the work takes so long that it has to be called a hang."""

    def fail(*_: object) -> None:
        pytest.fail(f"{what} hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", _ROW_SCORERS)
def test_row_scorers_do_not_hang(name: str) -> None:
    scorer = find_classes("scorers", Scorer)[name]()
    for kind, all_texts in HOSTILE.items():
        text = all_texts[: _SIZES.get(name, SIZE)]
        pairs = pairs_of([{"prompt": text, "chosen": text, "rejected": "b"}])
        with no_hang(f"{name} on {kind}"):
            assert len(scorer.score(pairs, Context())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["artefacts", "identical_answers", "exact_duplicates", "ties"])
def test_filters_on_texts_do_not_hang(name: str) -> None:
    step = find_classes("filters", Filter)[name]()
    rows = [{"prompt": t, "chosen": t, "rejected": f"{t} b"} for t in HOSTILE.values()]
    with no_hang(name):
        assert len(step.apply(pairs_of(rows), Context()).keep) == len(rows)


HOSTILE_PATTERNS = (r"(a+)+$", r"(a|a)*b", r"(.*a){12}", r"\s+\s+\s+x", r"(\w+\s?)+:")


@pytest.mark.parametrize("pattern", HOSTILE_PATTERNS)
def test_patterns_of_users_run_in_linear_time(pattern: str) -> None:
    text = "a" * SIZE + " " * 1000
    pairs = pairs_of([{"prompt": text, "chosen": text, "rejected": "b"}])
    with no_hang(pattern):
        Refusal(patterns=(pattern,), within=SIZE).score(pairs, Context())
        MultiInstruction(patterns={"x": pattern}).score(pairs, Context())


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"(?<!x)y", "a{1000}{1000}{1000}"])
@pytest.mark.parametrize(
    "build", [lambda p: Refusal(patterns=(p,)), lambda p: MultiInstruction(patterns={"x": p})]
)
def test_patterns_that_need_backtracking_are_refused(
    pattern: str, build: Callable[[str], Any]
) -> None:
    with pytest.raises(ValueError, match="linear time"):
        build(pattern)


def _tree(depth: int, keyword: str) -> dict[str, Any]:
    """References that unfold to 2 to the depth checks."""
    defs = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$defs": defs | {f"d{depth}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def _deep(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "all of all": (_tree(40, "allOf"), {}),
    "any of any": (_tree(40, "anyOf"), {}),
    "one of one": (_tree(40, "oneOf"), {}),
    "circle": ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, {}),
    "deep": (_deep(5000), {}),
    "deep arguments": ({"type": "object"}, _deep(5000)),
    "pattern": ({"properties": {"a": {"pattern": "(a+)+$"}}}, {"a": "a" * 50_000 + "!"}),
    "names": ({"patternProperties": {"(a+)+$": {}}}, {"a" * 50_000 + "!": 1}),
    "additional": (
        {"patternProperties": {"(a+)+$": {}}, "additionalProperties": False},
        {"a" * 50_000 + "!": 1},
    ),
    "multiple": ({"properties": {"a": {"multipleOf": 1e-300}}}, {"a": 1e300}),
    "huge number": ({"properties": {"a": {"multipleOf": 0.1}}}, {"a": 10**400}),
    "no schema": ({"type": 7}, {}),
    "reference out": ({"$ref": "http://evil.example/schema.json"}, {}),
}


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_schemas_of_the_data_cost_a_bounded_time(name: str) -> None:
    schema, arguments = SCHEMAS[name]
    tools = ToolSet([{"name": "f", "parameters": schema}])
    with no_hang(name):
        problem = tools.problem(("f", arguments))
    assert problem is None or "'f'" in problem


def test_schemas_still_tell_right_from_wrong() -> None:
    schema = {
        "$defs": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "properties": {"to": {"$ref": "#/$defs/code"}, "n": {"multipleOf": 2}},
        "required": ["to"],
        "additionalProperties": False,
    }
    tools = ToolSet([{"name": "f", "parameters": schema}])
    assert tools.problem(("f", {"to": "ABC", "n": 4})) is None
    for wrong in ({"to": "abc"}, {"to": "ABC", "n": 3}, {"n": 2}, {"to": "ABC", "x": 1}):
        assert tools.problem(("f", wrong)) is not None
    open_schema = {"patternProperties": {"^x": {}}, "additionalProperties": False}
    assert ToolSet([{"name": "f", "parameters": open_schema}]).problem(("f", {"x1": 1})) is None


def test_calls_in_long_texts() -> None:
    call = json.dumps({"name": "f", "arguments": {"a": 1}})
    text = f"see <tool_call>\n{call}\n</tool_call> and <tool_call>{call}"
    assert parse_tool_calls(turn(text)) == [("f", {"a": 1})] * 2
    with no_hang("calls"):
        for hostile in HOSTILE.values():
            parse_tool_calls(turn(f"<tool_call>{hostile}"))


def test_masks_in_long_texts() -> None:
    with no_hang("mask"):
        for hostile in (*HOSTILE.values(), "?" * SIZE, "://" * SIZE, "token " * (SIZE // 6)):
            mask_text(f"http://{hostile}")


def test_hostile_texts_are_one_megabyte() -> None:
    assert all(len(text.encode()) >= 0.9 * SIZE for text in HOSTILE.values())
    assert pl.Series(list(HOSTILE.values())).n_unique() == len(HOSTILE)
