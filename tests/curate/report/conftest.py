"""Runs to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Pairs, Pipeline
from tests.helpers import pairs_of

HOSTILE = [
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>",
    "</script><script>window.hacked = 3</script>",
    "{{ 7 * 7 }} ${7 * 7} <!-- --> ]]> \u2028 \u2029",
    "مرحبا بالعالم \u202e reversed",
    "null \x00 byte and \x1b[31m escape",
    "long " * 40_000,
    "&lt;b&gt; &amp; \"quotes\" 'single'",
    "",
]
"""Texts that a page must show and not obey."""


def looked_at(count: int = 40) -> pl.DataFrame:
    """Pairs of two annotators and sources, every eighth answer hostile."""
    rows = []
    for i in range(count):
        bad = HOSTILE[i // 4 % len(HOSTILE)] if i % 4 == 0 else ""
        rows.append(
            {
                "prompt": f"question {i % (count // 2)} {bad}",
                "chosen": f"a good answer {i} {bad}",
                "rejected": f"an evil {'long ' * (i % 7)}answer {i}",
                "annotator": f"ann <{i % 2}>",
                "source": f"src-{i % 3}",
            }
        )
    return pairs_of(rows)


CONFIG: dict[str, Any] = {
    "scorers": [{"type": "lengths"}],
    "filters": [{"type": "threshold", "column": "lengths.difference", "max": 30}],
    "store": None,
}


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on hostile data; tests do not write into it."""
    folder = tmp_path_factory.mktemp("looked-at") / "run <1>"
    Pipeline(CONFIG).run(Pairs(looked_at()), output=folder)
    return folder


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with heads, embeddings, cartography and a map, on the bundled sample."""
    from tests.helpers import PANDALM_SAMPLE

    folder = tmp_path_factory.mktemp("learned") / "run"
    scorers = [{"type": t} for t in ("lengths", "label_em", "reward_margin", "crm")]
    config = {
        "input": {"path": str(PANDALM_SAMPLE)},
        "scorers": scorers,
        "filters": [{"type": "ties"}],
    }
    Pipeline(config).run(output=folder)
    return folder
