from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import curate.data.table as module
from curate.data.table import arrow_schema, fingerprint_pairs, messages_key, messages_text, to_arrow
from tests.helpers import numbered_pairs, pairs_of, swapped, turn


def test_pair_id_is_the_same_when_the_label_is_flipped() -> None:
    pairs = numbered_pairs(5)
    again = pairs_of(
        [
            {"prompt": f"prompt {i}", "chosen": f"evil {i}", "rejected": f"good {i}"}
            for i in range(5)
        ]
    )
    assert pairs["pair_id"].to_list() == again["pair_id"].to_list()


def test_pair_id_depends_on_prompt_answers_and_annotator() -> None:
    base = {"prompt": "p", "chosen": "a", "rejected": "b"}
    variants = [
        base,
        {**base, "prompt": "q"},
        {**base, "chosen": "c"},
        {**base, "annotator": "x"},
        {**base, "chosen": "ab", "rejected": ""},
    ]
    ids = pairs_of(variants)["pair_id"]
    assert ids.n_unique() == len(variants)


def test_repeated_pairs_get_their_occurrence_number() -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    ids = pairs_of([row, row, {**row, "chosen": "b", "rejected": "a"}])["pair_id"].to_list()
    assert ids == [ids[0], f"{ids[0]}-1", f"{ids[0]}-2"]


def test_given_pair_ids_stay() -> None:
    rows = [{"prompt": "p", "chosen": "a", "rejected": "b", "pair_id": "mine"}]
    assert pairs_of(rows)["pair_id"].to_list() == ["mine"]


def test_arrow_table_has_the_declared_schema() -> None:
    assert to_arrow(numbered_pairs(3)).schema == arrow_schema()


def test_fingerprint_sees_a_flip_and_a_tie_but_not_a_copy() -> None:
    pairs = numbered_pairs(4)
    assert fingerprint_pairs(pairs) == fingerprint_pairs(pairs.clone())
    assert fingerprint_pairs(pairs) != fingerprint_pairs(swapped(pairs))
    assert fingerprint_pairs(pairs) != fingerprint_pairs(pairs.with_columns(is_tie=pl.lit(True)))


def test_messages_key_tells_roles_order_and_borders_apart() -> None:
    lists = [
        turn("ab"),
        turn("ab", "user"),
        turn("a") + turn("b"),
        turn("b") + turn("a"),
        turn("a\x1eb"),
        [],
    ]
    frame = pl.DataFrame({"m": lists}, schema={"m": numbered_pairs(1).schema["prompt"]})
    assert frame.select(messages_key("m")).to_series().n_unique() == len(lists)


def test_messages_text_of_one_and_of_many_turns() -> None:
    lists = [turn("only"), turn("hi", "user") + turn("ho")]
    frame = pl.DataFrame({"m": lists}, schema={"m": numbered_pairs(1).schema["prompt"]})
    texts = frame.select(messages_text("m")).to_series().to_list()
    assert texts == ["only", "user: hi\n\nassistant: ho"]


@pytest.mark.parametrize("rows", [[], [3], [5, 0, 4], [2, 2, 7, 1], range(8)])
def test_rows_come_by_number_in_the_order_asked_for(
    rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 3)
    table = pl.DataFrame({"x": range(8), "text": [[str(c)] for c in range(8)]})
    gathered = module.gather_pairs(table, np.array(rows, dtype=np.int64))
    assert gathered.schema == table.schema
    assert gathered["x"].to_list() == list(rows)
    assert gathered["text"].to_list() == [[str(c)] for c in rows]
