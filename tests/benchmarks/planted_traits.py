"""Does `curate explain` find what was planted? `python -m tests.benchmarks.planted_traits`.

A trait is put into one answer of a share of the pairs of LLMBar and Auto-J, into the chosen one in
80 % of them; the answers' texts stay. Printed: the trait's place among the contrasts, its rate on
the half of the prompts that did not choose it, and, with labels drawn by a coin, how many contrasts
are called significant.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from curate import read_pairs
from curate.data.table import messages_text
from curate.explain.contrasts import find_contrasts, term_table
from curate.models.heads.out_of_fold import vote_mask
from curate.steps.context import Context

PLANTS: dict[str, Callable[[str], str]] = {
    "list items": lambda text: "- " + text.replace(". ", ".\n- "),
    "sorry": lambda text: f"I'm sorry for the trouble. {text}",
    "absolutely": lambda text: f"Absolutely! {text}",
    "hope this": lambda text: f"{text} I hope this helps.",
}
SHARES, SIDE = (0.1, 0.3), 0.8


def plain_pairs(path: str) -> pl.DataFrame:
    """The voted pairs of a dataset as three texts."""
    frame = read_pairs(path).frame
    frame = frame.filter(pl.Series(vote_mask(frame, Context())))
    return frame.select(messages_text(s).alias(s) for s in ("prompt", "chosen", "rejected"))


def planted(
    pairs: pl.DataFrame, plant: Callable[[str], str], share: float, seed: int
) -> pl.DataFrame:
    """The pairs with a trait in one answer of a share of them."""
    rng = np.random.default_rng(seed)
    rows = pairs.to_dicts()
    for row in rows:
        if rng.random() < share:
            side = "chosen" if rng.random() < SIDE else "rejected"
            row[side] = plant(row[side])
    return read_pairs(rows).frame


def coin_votes(pairs: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The pairs with labels drawn by a coin."""
    flips = pl.Series(np.random.default_rng(seed).random(len(pairs)) < 0.5)
    turned = pairs.select("prompt", chosen="rejected", rejected="chosen")
    rows = zip(pairs.to_dicts(), turned.to_dicts(), flips, strict=True)
    return read_pairs([other if flip else row for row, other, flip in rows]).frame


def contrasts_of(frame: pl.DataFrame, seed: int) -> list[tuple[str, float, bool]]:
    """Names, rates and significance of the contrasts, the surest first."""
    groups = np.unique(Context().prompt_groups(frame), return_inverse=True)[1]
    rows = find_contrasts(frame, term_table(frame), groups, np.ones(len(frame), dtype=bool), seed)
    return [(" ".join((c.name, *c.also)), c.win_rate, c.significant) for c in rows]


def report_plants(name: str, pairs: pl.DataFrame, seeds: int) -> None:
    """Print a line a plant and share."""
    for share in SHARES:
        for word, plant in PLANTS.items():
            places, rates = [], []
            for seed in range(seeds):
                rows = contrasts_of(planted(pairs, plant, share, seed), seed)
                place = next((i for i, row in enumerate(rows) if word in row[0]), None)
                places.append("-" if place is None or not rows[place][2] else str(place + 1))
                if place is not None:
                    rates.append(rows[place][1])
            rate = f"{np.mean(rates):.2f} ±{np.std(rates):.2f}" if rates else "-"
            print(f"| {name} | {word} | {share:.0%} | {', '.join(places)} | {rate} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parsed = parser.parse_args()
    print("| dataset | planted | of the pairs | place by seed | rate, held out |")
    print("|---|---|---|---|---|")
    datasets = {path.parent.name: plain_pairs(str(path)) for path in parsed.data}
    for name, pairs in datasets.items():
        report_plants(name, pairs, parsed.seeds)
    for name, pairs in datasets.items():
        counts = [
            sum(row[2] for row in contrasts_of(coin_votes(pairs, seed), seed))
            for seed in range(4 * parsed.seeds)
        ]
        print(
            f"{name}, votes by a coin: {sum(counts)} significant contrasts in {len(counts)} draws"
        )


if __name__ == "__main__":
    main()
