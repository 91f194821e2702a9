"""Odd configurations, by kind: the text of pipeline.yaml, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ERROR, RUNS = "error", "runs"

PLAIN = """\
input: {path: data.jsonl}
scorers: [{type: lengths}]
filters: []
output: {path: out, report: false}
store: null
"""


@dataclass(frozen=True)
class Odd:
    """One configuration.

    Attributes:
        group: of kinds.
        name: of the kind.
        text: of pipeline.yaml.
        outcome: ERROR or RUNS.
        says: a text that the error must hold.
    """

    group: str
    name: str
    text: str
    outcome: str = ERROR
    says: str = ""


def with_line(line: str) -> str:
    """The plain pipeline with a top-level key more, or another value for one of its keys."""
    key = line.partition(":")[0]
    lines = [old for old in PLAIN.splitlines() if old.partition(":")[0] != key]
    return "\n".join([*lines, line]) + "\n"


def yaml_texts() -> Iterator[Odd]:
    """Texts that are no plain YAML."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for this, last in zip("bcdefghij", "abcdefghi", strict=True):
        bomb += f"{this}: &{this} [{', '.join(['*' + last] * 9)}]\n"
    for name, text, says in [
        ("nothing", "", ""),
        ("white space", " \n\n", ""),
        ("a number", "12", ""),
        ("a text", "hello", ""),
        ("a list", "- a\n- b\n", ""),
        ("null", "null", ""),
        ("a tab as indent", "input:\n\tpath: a\n", "line 2"),
        ("an unclosed bracket", "input: {path: a\n", ""),
        ("an unclosed quote", 'input: {path: "a}\n', ""),
        ("two documents", PLAIN + "---\n" + PLAIN, "document"),
        ("an alias bomb", bomb, "alias"),
        ("an alias bomb in a parameter", PLAIN + "x: 1\n" + bomb, ""),
        ("a recursive anchor", "input: &a {path: *a}\n", ""),
        ("a recursive list", "scorers: &a [*a]\n", ""),
        ("an unknown alias", "input: *nothing\n", ""),
        ("a list as a key", "? [a, b]\n: 1\n", ""),
        ("an object as a key", "? {a: b}\n: 1\n", ""),
        ("a null as a key", "? \n: 1\n" + PLAIN, ""),
        ("a number as a key", "1: 2\n" + PLAIN, ""),
        ("a bool as a key", "true: 2\n" + PLAIN, ""),
        ("a date as a key", "2024-01-01: 2\n" + PLAIN, ""),
        ("NaN as a key", ".nan: 2\n" + PLAIN, ""),
        ("a key given twice", PLAIN + "store: null\n", "duplicate key"),
        ("a tag of Python", "input: !!python/object/apply:os.system ['true']\n", ""),
        ("an unknown tag", "input: !foo {path: a}\n", ""),
        ("a binary tag", "input: {path: !!binary aGVsbG8=}\n", ""),
        ("a set tag", "input: !!set {a, b}\n", ""),
        ("a NUL byte", PLAIN + "x: a\x00b\n", ""),
        ("a control character", PLAIN + "x: a\x07b\n", ""),
        ("a merge of no mapping", "input: {<<: 3, path: data.jsonl}\n", ""),
        ("nested 1,000 deep", "x: " + "[" * 1000 + "]" * 1000 + "\n", "deep"),
        ("nested 20,000 deep", "x: " + "[" * 20_000, ""),
        ("nested objects 2,000 deep", "x: " + "{a: " * 2000 + "}" * 2000 + "\n", ""),
        ("an integer of 10,000 digits", with_line("seed: " + "9" * 10_000), ""),
        ("an integer of 5,000 hex digits", with_line("seed: 0x" + "f" * 5000), ""),
        ("a sexagesimal number", with_line("seed: 1:30"), ""),
        ("a key of 100,000 characters", PLAIN + "k" * 100_000 + ": 1\n", ""),
        ("10,000 unknown keys", PLAIN + "".join(f"k{i}: 1\n" for i in range(10_000)), ""),
        ("a byte order mark", "\ufeff" + PLAIN, RUNS),
        ("Windows line ends", PLAIN.replace("\n", "\r\n"), RUNS),
        ("a comment alone", "# hello\n", ""),
        (
            "JSON",
            '{"input": {"path": "data.jsonl"}, "store": null, "output": {"path": "out"}}',
            RUNS,
        ),
        ("an anchor used once", PLAIN.replace("filters: []", "filters: &a []"), RUNS),
    ]:
        outcome = RUNS if says == RUNS else ERROR
        yield Odd("yaml", name, text, outcome, "" if says == RUNS else says)


def numbers() -> Iterator[Odd]:
    """Numbers out of range, of every section."""
    odd = {
        "beyond 64 bits": str(2**70),
        "2 to the 63": str(2**63),
        "negative": "-1",
        "a float": "1.5",
        "NaN": ".nan",
        "infinity": ".inf",
        "a text": "abc",
        "a list": "[1]",
        "a bool": "true",
    }
    for name, value in odd.items():
        yield Odd("numbers", f"seed: {name}", with_line(f"seed: {value}"))
        limit = with_line("input: {path: data.jsonl, limit: VALUE}".replace("VALUE", value))
        yield Odd("numbers", f"limit: {name}", limit)
        shard = with_line("output: {path: out, rows_per_shard: VALUE}".replace("VALUE", value))
        yield Odd("numbers", f"rows_per_shard: {name}", shard)
        if name not in ("a float",):
            threshold = "filters: [{type: threshold, column: lengths.chosen, min: VALUE}]".replace(
                "VALUE", value
            )
            outcome = RUNS if name == "negative" else ERROR
            yield Odd("numbers", f"threshold: {name}", with_line(threshold), outcome)
    for name, value in {"zero": "0", "two": "2", **odd}.items():
        if name == "a float":
            continue
        quantile = "filters: [{type: quantile, column: lengths.chosen, keep: VALUE}]".replace(
            "VALUE", value
        )
        yield Odd(
            "numbers", f"quantile: {name}", with_line(quantile), RUNS if name == "zero" else ERROR
        )
        if name not in ("two", "zero"):
            sample = "filters: [{type: sample, rows: VALUE}]".replace("VALUE", value)
            yield Odd("numbers", f"sample: {name}", with_line(sample), ERROR)
    for name, value in {
        "100,000 workers": "{name: local, workers: 100000}",
        "100,000 workers of Ray": "{name: ray, workers: 100000}",
        "0 workers": "{name: local, workers: 0}",
        "an address for local": "{name: local, address: x}",
        "an unknown engine": "spark",
        "an address that is not there": '{name: ray, address: "127.0.0.1:9"}',
        "an address that is none": '{name: ray, address: "no host at all"}',
        "a client address that is not there": '{name: ray, address: "ray://127.0.0.1:9"}',
        "half a worker": "{name: local, workers: 0.5}",
    }.items():
        yield Odd("engine", name, with_line(f"engine: {value}"))


def sections() -> Iterator[Odd]:
    """Sections that are wrong as a whole, or hold wrong values."""
    for name, line in {
        "no input": "input: null",
        "an empty input": "input: {}",
        "input as text": "input: data.jsonl",
        "input as a list": "input: []",
        "both path and hf": "input: {path: a, hf: b/c}",
        "an unknown key of input": "input: {path: data.jsonl, limt: 3}",
        "an unknown format": "input: {path: data.jsonl, format: nothing}",
        "a format of other data": "input: {path: data.jsonl, format: pandalm}",
        "format columns without a mapping": "input: {path: data.jsonl, format: columns}",
        "an empty path": 'input: {path: ""}',
        "a path as a number": "input: {path: 3}",
        "an unknown on_error": "input: {path: data.jsonl, on_error: maybe}",
        "no scorer type": "scorers: [{name: a}]",
        "a scorer as text": "scorers: [lengths]",
        "scorers as an object": "scorers: {type: lengths}",
        "a null among the scorers": "scorers: [null]",
        "an unknown scorer": "scorers: [{type: lenghts}]",
        "an unknown parameter": "scorers: [{type: lengths, foo: 1}]",
        "a scorer's type as a number": "scorers: [{type: 3}]",
        "two scorers of one name": "scorers: [{type: lengths, name: a}, {type: refusal, name: a}]",
        "an unknown filter": "filters: [{type: exact_duplicate}]",
        "a filter without its parameter": "filters: [{type: threshold}]",
        "a filter on an unknown column": "filters: [{type: threshold, column: a.b, min: 1}]",
        "a text column as number": "filters: [{type: threshold, column: pair_id, min: 1}]",
        "a condition that is no SQL": 'filters: [{type: expression, keep: "1 +"}]',
        "a condition of a number": 'filters: [{type: expression, keep: "1"}]',
        "an empty condition": 'filters: [{type: expression, keep: ""}]',
        "neither keep nor drop": "filters: [{type: expression}]",
        "an unknown export": "output: {path: out, format: nothing}",
        "an unknown file type": "output: {path: out, file_type: csv}",
        "a carried column that is not there": "output: {path: out, columns: [a.b]}",
        "a carried column of a taken name": "output: {columns: {prompt: lengths.chosen}}",
        "an empty store": 'store: ""',
        "a store as a number": "store: 3",
        "a store with a scheme": "store: s3://bucket/x",
        "an output with a scheme": "output: {path: s3://bucket/out}",
        "an output of another scheme": "output: {path: file:///tmp/out}",
        "an output on the hub": "output: {path: hf://datasets/a/b}",
        "an empty output": 'output: {path: ""}',
        "an output of a NUL byte": 'output: {path: "a\\0b"}',
        "an output that holds the input": "output: {path: .}",
        "an output within the input file": "output: {path: data.jsonl/out}",
        "an output that is the input": "output: {path: data.jsonl}",
        "an output whose name is too long": f"output: {{path: {'a' * 300}}}",
    }.items():
        yield Odd("sections", name, with_line(line))
    yield Odd("sections", "no scorers", with_line("scorers: []"), RUNS)
    yield Odd("sections", "scorers null", with_line("scorers: null"))
    yield Odd("sections", "an unknown section", PLAIN + "scorer: []\n", says="scorers")


def topsis() -> Iterator[Odd]:
    """Criteria and weights of TOPSIS."""
    head = (
        "filters: [{type: topsis, keep: 0.5, criteria: {lengths.chosen: max, lengths.rejected: min}"
    )
    for name, weights in {
        "NaN": "{lengths.chosen: .nan, lengths.rejected: 1}",
        "infinity": "{lengths.chosen: .inf, lengths.rejected: 1}",
        "1e308": "{lengths.chosen: 1.0e+308, lengths.rejected: 1.0e+308}",
        "negative": "{lengths.chosen: -1, lengths.rejected: 1}",
        "all zero": "{lengths.chosen: 0, lengths.rejected: 0}",
        "one left out": "{lengths.chosen: 1}",
        "one that is no criterion": "{lengths.chosen: 1, lengths.rejected: 1, a.b: 1}",
        "a text": "{lengths.chosen: a, lengths.rejected: 1}",
    }.items():
        yield Odd("topsis", f"weights: {name}", with_line(f"{head}, weights: {weights}}}]"))
    yield Odd(
        "topsis", "no criteria", with_line("filters: [{type: topsis, keep: 0.5, criteria: {}}]")
    )
    good = "{lengths.chosen: 2, lengths.rejected: 1}"
    yield Odd("topsis", "weights", with_line(f"{head}, weights: {good}}}]"), RUNS)
    yield Odd(
        "topsis",
        "a wrong direction",
        with_line("filters: [{type: topsis, keep: 0.5, criteria: {lengths.chosen: up}}]"),
    )


def conditions() -> Iterator[Odd]:
    """Conditions that are more than an expression over columns."""
    column = "`lengths.chosen`"
    bad = {
        "a file in a subquery": "chosen IN (SELECT a FROM read_csv('data.jsonl'))",
        "a scalar subquery": f"{column} > (SELECT 1)",
        "EXISTS": "EXISTS (SELECT 1)",
        "a table function": "read_csv('data.jsonl') = 1",
        "read_parquet": "read_parquet('x') IS NULL",
        "a UNION": "1 = 1 UNION SELECT 1",
        "two statements": "1 = 1; DROP TABLE x",
        "a comment": "1 = 1 -- x",
        "a block comment": "1 /* x */ = 1",
        "an unknown function": f"system({column}) = 1",
        "a window": f"SUM({column}) OVER () > 1",
        "an unclosed text": "source = 'a",
        "a column without backticks": "lengths.chosen > 3",
        "a wildcard": "* = 1",
        "a cast to a table": "x::regclass = 1",
        "a dollar quote": "source = $$a$$",
        "brackets that do not match": f"({column} > 1",
        "a text of 200,000 characters": " OR ".join([f"{column} > 1"] * 12_000),
    }
    for name, text in bad.items():
        quoted = text.replace('"', '\\"')
        line = f'filters: [{{type: expression, keep: "{quoted}"}}]'
        says = "backticks" if name == "a column without backticks" else ""
        yield Odd("conditions", name, with_line(line), ERROR, says)
        if name in ("a file in a subquery", "a table function"):
            flip = f'filters: [{{type: flip_where, condition: "{quoted}"}}]'
            yield Odd("conditions", f"{name} in flip_where", with_line(flip))
    good = {
        "a comparison": f"{column} > 3",
        "arithmetic": f"({column} + 1) * 2 >= {column} / 2 - 1",
        "words": f"NOT ({column} < 0) AND source IS NOT NULL OR is_tie",
        "a list": "source IN ('a', 'b') OR source NOT IN ('c')",
        "BETWEEN": f"{column} BETWEEN 0 AND 1000000",
        "LIKE": "source LIKE 'a%' OR source LIKE '%l'",
        "CASE": f"CASE WHEN {column} > 1 THEN true ELSE false END",
        "functions": f"ABS({column}) >= 0 AND LENGTH(source) > 0 AND LOWER(source) <> 'x'",
        "COALESCE": "COALESCE(strength, 1.0) > 0.5",
        "ARRAY_LENGTH": "ARRAY_LENGTH(chosen) = 1",
        "a quote in a text": "source <> 'it''s; -- SELECT'",
        "a cast": f"CAST({column} AS DOUBLE) > 0",
    }
    for name, text in good.items():
        line = f'filters: [{{type: expression, keep: "{text}"}}]'
        yield Odd("conditions", name, with_line(line), RUNS)


def all_odd() -> list[Odd]:
    """Every kind."""
    return [o for g in (yaml_texts, numbers, sections, topsis, conditions) for o in g()]
