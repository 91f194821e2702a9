"""Values that parsers take and Python does not, in keys that are read and in others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.data.json_text import to_json
from curate.steps.registry import build_step, filter_class, scorer_class
from tests.robustness.bad_inputs import lines, rows

LEVELS = 1000
DEEP = {
    "lists": "[" * LEVELS + "]" * LEVELS,
    "objects": '{"a":' * LEVELS + "1" + "}" * LEVELS,
    "both": '[{"a":' * (LEVELS // 2) + "1" + "}]" * (LEVELS // 2),
    "1,000 digits": "9" * 1000,
    "-1,000 digits": "-" + "9" * 1000,
    "1,000 digits in a list": "[" + "9" * 1000 + "]",
    "5,000 digits": "9" * 5000,
}
KEYS = [
    "meta",
    "tools",
    "images",
    "system",
    "pair_id",
    "source",
    "annotator",
    "chat_template_kwargs",
]


@pytest.mark.parametrize("key", [*KEYS, "prompt", "chosen", "messages"])
@pytest.mark.parametrize("value", DEEP.values(), ids=list(DEEP))
def test_deep_and_long_values_are_held_or_listed(key: str, value: str, tmp_path: Path) -> None:
    body = {"prompt": '"a"', "chosen": '"b"', "rejected": '"c"', key: value}
    odd = "{" + ",".join(f'"{name}":{text}' for name, text in body.items()) + "}"
    (tmp_path / "a.jsonl").write_bytes(lines([*rows(3), odd]))
    (tmp_path / "a.json").write_text(f"[{','.join([*map(json.dumps, rows(3)), odd])}]")
    for name in ("a.jsonl", "a.json"):
        try:
            pairs = read_pairs(str(tmp_path / name), on_error="skip")
        except CurateError:
            continue
        assert len(pairs) + len(pairs.rejected) == 4
        if key == "meta" and value != DEEP["5,000 digits"]:
            assert len(pairs) == 4


@pytest.mark.parametrize("value", list(DEEP.values())[:3], ids=list(DEEP)[:3])
def test_deep_values_are_written_by_a_run(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = f'{{"prompt":"a","chosen":"b","rejected":"c","meta":{value}}}'
    Path("data.jsonl").write_bytes(lines([*rows(3), odd]))
    config = {"input": {"path": "data.jsonl"}, "scorers": [{"type": "lengths"}], "store": None}
    result = Pipeline(config | {"filters": []}).run(output="out")
    assert len(result.kept) == 4
    assert json.loads(result.kept["extra"][-1])["meta"] == value


def test_deep_json_is_what_the_standard_writer_gives() -> None:
    deep: Any = {"a": [1, "x", None, {"b": []}], "c": {}}
    for _ in range(400):
        deep = {"a": [deep, 1.5, 'é"']}
    assert json.loads(to_json(deep)) == deep
    for _ in range(2000):
        deep = [deep, {}]
    text = to_json(deep)
    assert text.count("[") == text.count("]")
    assert text.endswith(",{}]")


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNWRITABLE = {
    "nested": _nested(1000),
    "long": 10**5000,
    "long and negative": -(10**5000),
    "long within": {"a": [10**5000]},
}


@pytest.mark.parametrize("value", UNWRITABLE.values(), ids=list(UNWRITABLE))
def test_rows_in_memory_are_listed_where_they_cannot_be_written(value: Any) -> None:
    odd = {**rows(1, 9)[0], "meta": value}
    pairs = read_pairs([*rows(3), odd], on_error="skip")
    assert (len(pairs), pairs.rejected["row"].to_list()) == (3, [4])


# ---- dates ----------------------------------------------------------------------------------

FAR = [2**63 - 1, None, -(2**63) + 1, 0]
NEAR_ENOUGH = [2**31 - 1, None, -(2**31) + 1, 0]
TIMES = {
    "date": pa.array(NEAR_ENOUGH, pa.int32()).cast(pa.date32()),
    "timestamp": pa.array(FAR, pa.int64()).cast(pa.timestamp("us")),
    "timestamp of a zone": pa.array(FAR, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
    "timestamp of an unknown zone": pa.array(FAR, pa.int64()).cast(pa.timestamp("us", tz="X/Y")),
    "milliseconds": pa.array([2**62, None, -(2**62), 0], pa.int64()).cast(pa.timestamp("ms")),
    "seconds": pa.array([2**40, None, -(2**40), 0], pa.int64()).cast(pa.timestamp("s")),
    "duration": pa.array(FAR, pa.int64()).cast(pa.duration("s")),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=list(TIMES))
def test_infinite_times_are_texts(times: pa.Array, tmp_path: Path) -> None:
    for column in (times, pa.array([[v] for v in times], pa.list_(times.type))):
        table = pa.Table.from_pylist(rows(4)).append_column("when", column)
        pq.write_table(table, tmp_path / "a.parquet")
        extra = [
            json.loads(e or "{}").get("when") for e in read_pairs(str(tmp_path)).frame["extra"]
        ]
        first, third = (e[0] if isinstance(e, list) else e for e in (extra[0], extra[2]))
        assert (first, third) == ("infinity", "-infinity")
        assert extra[1] in (None, [None])
        assert extra[3] not in (None, "infinity", "-infinity", ["infinity"], ["-infinity"])


def test_a_time_too_far_in_one_chunk_of_several(tmp_path: Path) -> None:
    near, far = (pa.array([v], pa.int64()).cast(pa.timestamp("us")) for v in (0, 2**63 - 1))
    table = pa.Table.from_pylist(rows(2)).append_column("when", pa.chunked_array([near, far]))
    extra = [json.loads(e)["when"] for e in read_pairs(table).frame["extra"]]
    assert extra == ["1970-01-01T00:00:00", "infinity"]


def test_a_map_of_infinite_times_is_refused() -> None:
    kind = pa.map_(pa.string(), pa.timestamp("us"))
    values = TIMES["timestamp"]
    table = pa.table({"m": pa.MapArray.from_arrays([0, 1], ["a"], values[:1])}).cast(
        pa.schema([("m", kind)])
    )
    table = pa.Table.from_pylist(rows(1)).append_column("m", table["m"])
    with pytest.raises(CurateError, match="years 1 to 9999"):
        read_pairs(table)


# ---- mappings, parameters, ties -------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"prompt": "prompt", "chosen": "chosen", "rejected": "chosen"},
        {"prompt": "chosen", "chosen": "chosen", "rejected": "rejected"},
        {"system": "prompt", "prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        {"first": "chosen", "second": "chosen", "label": "prompt"},
        {"first": "chosen", "second": "rejected", "label": "chosen"},
        {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected", "source": "prompt"},
        {"first": "chosen", "second": "rejected", "first_score": "chosen", "second_score": "x"},
    ],
)
def test_a_column_mapped_twice_is_refused(columns: dict[str, str]) -> None:
    with pytest.raises(CurateError, match="mapped twice"):
        read_pairs(rows(3), format="columns", columns=columns)


def test_a_column_may_hold_two_values() -> None:
    data = [{**row, "by": "a"} for row in rows(3)]
    columns = {"chosen": "chosen", "rejected": "rejected", "annotator": "by", "source": "by"}
    frame = read_pairs(data, format="columns", columns=columns).frame
    assert frame["annotator"].to_list() == frame["source"].to_list() == ["a"] * 3


ODD_NAMES = ["self", "cls", "parameters", "params", "__class__", "__init__", "model_config", ""]


@pytest.mark.parametrize("key", ODD_NAMES)
def test_a_parameter_of_an_odd_name_is_unknown(key: str) -> None:
    for cls in (
        scorer_class("lengths"),
        scorer_class("judge"),
        scorer_class("contamination"),
        scorer_class("multi_reward"),
        scorer_class("ins_tag"),
        filter_class("expression"),
    ):
        with pytest.raises(CurateError, match=r"unknown key|wrong value"):
            build_step(cls, {key: 1}, "scorers.0")


LABELS = {"winner": ["tie", "TIE", "tie (bothbad)", "both_bad"], "label": ["A=B", "tie"]}


@pytest.mark.parametrize(("key", "label"), [(k, v) for k, values in LABELS.items() for v in values])
def test_a_set_of_ties_alone_is_read(key: str, label: str) -> None:
    data = [
        {"prompt": f"p{i}", "response_a": f"a{i}", "response_b": f"b{i}", key: label}
        for i in range(3)
    ]
    pairs = read_pairs(data)
    assert (pairs.format, pairs.frame["is_tie"].all()) == ("labelled_answers", True)


def test_a_set_without_any_label_is_not_one_of_ties() -> None:
    data = [{"prompt": "p", "response_a": "a", "response_b": "b", "winner": None}]
    with pytest.raises(CurateError, match="not recognised"):
        read_pairs(data)
