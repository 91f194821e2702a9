from __future__ import annotations

import json
from pathlib import Path

from curate.write.shards import write_json


def test_json_has_no_nan_and_keeps_the_order(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json({"z": float("nan"), "a": [float("inf"), 1.5], 3: "é", "path": tmp_path}, path)
    text = path.read_text(encoding="utf-8")
    row = json.loads(text, parse_constant=lambda name: f"constant {name}")
    assert list(row.items()) == [
        ("z", None),
        ("a", [None, 1.5]),
        ("3", "é"),
        ("path", str(tmp_path)),
    ]
    assert text.endswith("}\n")
