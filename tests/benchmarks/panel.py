"""Panels of real judges on LLMBar, whose labels are checked by experts.

    python -m tests.benchmarks.panel llmbar-judges.jsonl

The file has each pair with the verdicts of ten judges in both orders (LLMBar, MIT). Accuracy counts
a tie as half right.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from curate.models.judge.panel import PanelVerdicts, measure_panel, undecided_rows

_JUDGES = ("GPT-4/Vanilla", "PaLM2/Vanilla", "ChatGPT/Vanilla", "LLaMA2/Vanilla", "Falcon/Vanilla")


def load(path: Path) -> tuple[PanelVerdicts, np.ndarray]:
    """The verdicts, oriented to the first answer, and whether it is the better one."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.open(encoding="utf-8")]
    margins = np.full((len(rows), len(_JUDGES)), np.nan)
    consistent = margins.copy()
    for at, row in enumerate(rows):
        for column, name in enumerate(_JUDGES):
            orders = row["judges"][name]
            if None not in orders:
                consistent[at, column] = orders[0] == orders[1]
                margins[at, column] = (3 - 2 * orders[0]) * consistent[at, column]
    longer = np.sign([len(row["output_1"]) - len(row["output_2"]) for row in rows]).astype(float)
    truth = np.array([3.0 - 2.0 * row["label"] for row in rows])
    return PanelVerdicts(_JUDGES, margins, consistent, longer, {}), truth


def accuracy(votes: np.ndarray, truth: np.ndarray) -> float:
    """Share of right verdicts; half for a tie."""
    return float(np.mean(0.5 + 0.5 * np.sign(np.nan_to_num(votes)) * truth))


def main() -> None:
    """Print the quality of the judges, and what panels and a dear second judge reach."""
    panel, truth = load(Path(sys.argv[1]))
    quality = measure_panel(panel)
    print(f"{len(truth)} pairs, alpha {quality.alpha:.2f}")
    for column, judge in enumerate(quality.judges):
        right = accuracy(panel.margins[:, column], truth)
        longer = judge.longer
        limits = f"{longer.low:.1%} to {longer.high:.1%}; others {longer.other_share:.1%}"
        print(f"{judge.name:16} right {right:.1%} consistent {judge.consistent:.1%}", end=" ")
        print(f"longer {longer.share:.1%} ({limits})")
    for pair in quality.agreement:
        print(f"tau {pair.first} {pair.second} {pair.tau:+.2f}")
    votes = np.sign(np.nan_to_num(panel.margins))
    for size in (3, 5):
        for columns in combinations(range(len(_JUDGES)), size):
            names = ", ".join(_JUDGES[column].partition("/")[0] for column in columns)
            print(f"majority of {names}: {accuracy(votes[:, columns].sum(axis=1), truth):.1%}")
    for small in range(1, len(_JUDGES)):
        rows = undecided_rows([panel.margins[:, small]])
        both = votes[:, small].copy()
        both[rows] = votes[rows, 0]
        share = len(rows) / len(truth)
        print(f"{_JUDGES[small]}, then GPT-4 on {share:.1%}: {accuracy(both, truth):.1%}")


if __name__ == "__main__":
    main()
