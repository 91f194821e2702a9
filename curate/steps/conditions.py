"""Conditions over columns, written as SQL: an expression over one row, and nothing else.

A pipeline.yaml may come from somebody else, and the SQL of polars can read files. So the text is
cut into words first, and every word must be on a list: columns, numbers, texts, the operators and
the functions below. There is no word by which a query could begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from curate.errors import CurateError, suggestion

WORDS = frozenset(
    [
        "and",
        "or",
        "not",
        "is",
        "null",
        "true",
        "false",
        "in",
        "between",
        "like",
        "ilike",
        "rlike",
        "regexp",
        "case",
        "when",
        "then",
        "else",
        "end",
        "cast",
        "try_cast",
        "as",
        "distinct",
        "int",
        "integer",
        "bigint",
        "smallint",
        "double",
        "float",
        "real",
        "precision",
        "boolean",
        "bool",
        "varchar",
        "text",
        "string",
        "date",
    ]
)
"""Words of expressions; names of types stand in CAST."""
FUNCTIONS = frozenset(
    [
        "abs",
        "ceil",
        "ceiling",
        "exp",
        "floor",
        "ln",
        "log",
        "log10",
        "log1p",
        "log2",
        "mod",
        "pi",
        "pow",
        "power",
        "round",
        "sign",
        "sqrt",
        "coalesce",
        "greatest",
        "if",
        "ifnull",
        "least",
        "nullif",
        "bit_length",
        "char_length",
        "character_length",
        "concat",
        "concat_ws",
        "ends_with",
        "initcap",
        "left",
        "length",
        "lower",
        "ltrim",
        "octet_length",
        "regexp_like",
        "replace",
        "reverse",
        "right",
        "rtrim",
        "starts_with",
        "strpos",
        "substr",
        "substring",
        "trim",
        "upper",
        "array_contains",
        "array_get",
        "array_length",
        "array_mean",
        "array_sum",
        "array_to_string",
        "array_unique",
    ]
)
"""Functions of one row."""
# Characters: bounds the time of parsing.
_LONGEST = 20_000
# Brackets within brackets, before the parser of polars overflows its stack.
_DEEPEST = 50
_COMMENTS = ("--", "/*")
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^']|'')*')
      | (?P<name>`[^`]+`|"[^"]+")
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<operator><=|>=|<>|!=|==|\|\||[-+*/%<>=(),.\[\]])""",
    re.VERBOSE,
)


def parse_condition(text: str) -> pl.Expr:
    """Return a condition as an expression; raise ValueError if it is not a plain SQL condition."""
    if not text.strip():
        raise ValueError("an SQL expression; the text is empty")
    if len(text) > _LONGEST:
        raise ValueError(f"an expression of at most {_LONGEST:,} characters")
    _check_words(text)
    try:
        return pl.sql_expr(text)
    # polars panics on some texts that are no SQL: that is the user's mistake too.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        message = str(error).splitlines()[0]
        hint = "; a column with a dot stands in backticks: `reward_margin.margin` > 0"
        raise ValueError(f"an SQL expression ({message}){hint}") from None


def _iter_tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each token."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        # Comments could hide what a reader of the pipeline should see.
        if match is None or text.startswith(_COMMENTS, position):
            excerpt = text[position : position + 20]
            raise ValueError(f"an SQL expression; {excerpt!r} is no part of one")
        if match.lastgroup != "space":
            yield str(match.lastgroup), match.group()
        position = match.end()


def _check_neighbours(kind: str, token: str, before: tuple[str, str], following: str) -> None:
    """Raise an error for a token that means something else beside its neighbours.

    Raises:
        ValueError: a star that names all columns, or a text with a prefix.
    """
    # A star in place of a column; between two values it multiplies.
    if token == "*" and (before[1] in ("", "(", ",") or following in ("", ")", ",")):
        raise ValueError("an expression over named columns; * names all")
    # A prefix changes what a text means: x'41' is bytes.
    if kind == "text" and before[0] == "word" and before[1].lower() not in WORDS:
        raise ValueError(f"an SQL expression; {before[1]}{token[:20]} is no text")


def _check_words(text: str) -> None:
    """Raise an error for tokens that are not on the lists.

    Raises:
        ValueError: a word, sign or function that is none of an expression over columns.
    """
    tokens = [*_iter_tokens(text), ("end", "")]
    depth = 0
    for i, (kind, token) in enumerate(tokens[:-1]):
        before, following = tokens[i - 1] if i else ("start", ""), tokens[i + 1]
        depth += (token == "(") - (token == ")")
        if not 0 <= depth <= _DEEPEST:
            raise ValueError("an SQL expression; its brackets do not match, or nest too deep")
        _check_neighbours(kind, token, before, following[1])
        if kind in ("name", "word") and "." in (before[1], following[1]):
            dotted = _dotted_name(tokens, i)
            raise ValueError(f"backticks around a column with a dot: `{dotted}`")
        if kind == "word" and following[1] == "(":
            _check_function(token, tokens[i + 2][1])
        # `is distinct from` compares two values; elsewhere FROM begins a query.
        elif kind == "word" and token.lower() in _FORBIDDEN and before[1].lower() != "distinct":
            hint = f"{token.upper()} belongs to queries; a column of that name stands in backticks"
            raise ValueError(f"an expression over columns; {hint}")
        elif kind in ("name", "text", "number", "word") and before[0] == kind == "name":
            raise ValueError("an SQL expression; two names stand beside each other")


_FORBIDDEN = frozenset(
    [
        "select",
        "from",
        "with",
        "union",
        "intersect",
        "except",
        "join",
        "table",
        "values",
        "exists",
        "over",
        "partition",
        "limit",
        "order",
        "group",
        "having",
        "window",
        "create",
        "drop",
        "insert",
        "delete",
        "update",
        "alter",
        "explain",
        "show",
        "describe",
        "into",
        "copy",
        "lateral",
        "unnest",
        "qualify",
        "any",
        "all",
        "some",
    ]
)
"""Words of queries: as names of columns they stand in backticks."""


def _check_function(name: str, first: str) -> None:
    if first == ")" and name.lower() != "pi":
        raise ValueError(f"an SQL expression; {name}() is given nothing")
    if name.lower() not in FUNCTIONS | WORDS:
        raise ValueError(f"a function of one row; '{name}': {suggestion(name.lower(), FUNCTIONS)}")


def _dotted_name(tokens: list[tuple[str, str]], index: int) -> str:
    """Return the tokens joined by dots around an index, as one name."""
    start = index
    while start > 0 and (tokens[start - 1][1] == "." or tokens[start][1] == "."):
        start -= 1
    end = index
    while tokens[end + 1][1] == "." or tokens[end][1] == ".":
        end += 1
    return "".join(token.strip('`"') for _, token in tokens[start : end + 1])


def condition_columns(text: str) -> tuple[str, ...]:
    """Return the columns that a condition reads."""
    # A dict keeps the order of the text, in which errors name the columns.
    return tuple(dict.fromkeys(parse_condition(text).meta.root_names()))


def evaluate_condition(text: str, pairs: pl.DataFrame, step: str) -> pl.Series:
    """Evaluate a condition for each pair: true, false, or null if a value is missing.

    Raises:
        CurateError: it cannot be evaluated, or is neither true nor false.
    """
    # Its own columns alone: polars would align all others with them, a copy of every text.
    present_columns = [name for name in condition_columns(text) if name in pairs.columns]
    try:
        columns = pairs[present_columns or pairs.columns[:1]]
        # `with_columns` and not `select`: a condition without a column is one value, and is needed
        # for each pair.
        values = columns.with_columns(_condition=parse_condition(text))["_condition"]
    except pl.exceptions.PolarsError as error:
        raise _condition_error(text, str(error).splitlines()[0], step) from None
    if values.dtype not in (pl.Boolean, pl.Null):
        raise _condition_error(text, f"it gives {values.dtype}", step)
    return values.cast(pl.Boolean)


def _condition_error(text: str, problem: str, step: str) -> CurateError:
    return CurateError(
        "the expression does not evaluate to true or false",
        where=f"filter '{step}'",
        found=f"{text}: {problem}",
        expected="a comparison that is true or false for each pair",
    )
