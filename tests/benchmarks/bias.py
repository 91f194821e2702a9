"""What dropping a fifth by `noise_score` does to length, with and without `within: [length]`.

    python -m tests.benchmarks.bias DATA

For each set of `noise_score.py`: how often the chosen answer is longer before and after, and how
well length alone tells which labels are dropped (AUROC; .5 not at all).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from curate import Pipeline, read_pairs
from tests.benchmarks.noise_score import SETS

VARIANTS = {"plain": {}, "within length": {"within": ["length"]}, "no style": {"style": False}}
DROP = {"type": "quantile", "column": "noise_score.score", "keep": 0.8, "prefer": "min"}


def main() -> None:
    """Print a line for each set and variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    for name, place in SETS.items():
        pairs = read_pairs(str(arguments.data / place))
        for variant, options in VARIANTS.items():
            scorers = [{"type": "noise_score"} | options]
            config = {"scorers": scorers, "filters": [DROP]}
            result = Pipeline(config).run(pairs)
            (step,) = (s for s in result.steps if s.kind == "filter")
            bias = step.facts["bias"]
            before, after = bias["longer"]
            line = bias["length_auroc"]
            line = 0.5 if line is None else max(line, 1 - line)
            print(f"{name:12} {variant:14} longer {before:.1%} -> {after:.1%}, AUROC {line:.2f}")


if __name__ == "__main__":
    main()
