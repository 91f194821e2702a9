"""Make the bundled sample: public preference pairs, a share of them with flipped labels.

python -m tests.make_sample DATA

DATA holds `pandalm/testset-v1.json`, `judges/pandalm-judges.jsonl` (PandaLM, Apache-2.0) and
`auto-j/autoj_pairwise.json` (Auto-J's test set, Apache-2.0), as published. The labels that people
gave are taken for the truth. One in five is flipped; which ones stands in `flipped.json`, and no
step reads that file. Fifty pairs, drawn at random, carry a judgement; PandaLM's pairs carry
gpt-3.5's verdict. A few rows show what else is cleaned: votes of three annotators, copies, an
e-mail address, a tool call, a reasoning trace.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from curate.read.pairs import read_pairs
from curate.sample import FLIPPED_IDS, SAMPLE_DATA

FLIP_RATE = 0.2
MAX_CHARACTERS = 5_000
"""Of prompt and answers: Auto-J's longest conversations would double the size of the file."""
VOTED_ITEMS = 40
COPIES = 30
JUDGED = 50
Row = dict[str, Any]


def pandalm_items(folder: Path) -> Iterator[tuple[Row, list[int]]]:
    """Yield PandaLM's decided items: a row with the people's preferred answer, and their votes."""
    lines = (folder / "judges" / "pandalm-judges.jsonl").read_text(encoding="utf-8").splitlines()
    judges = {item["idx"]: item["gpt_3_5"] for item in map(json.loads, lines)}
    items = json.loads((folder / "pandalm" / "testset-v1.json").read_text(encoding="utf-8"))
    for item in items:
        votes = [item[f"annotator{number}"] for number in (1, 2, 3)]
        answers = (item["response1"], item["response2"])
        if votes.count(1) == votes.count(2) or not _are_distinct_texts(*answers):
            continue
        first_wins = votes.count(1) > votes.count(2)
        verdict = {"1": 1, "2": -1, "Tie": 0}.get(judges[item["idx"]])
        prompt = f"{item['instruction']}\n\n{item['input']}".strip()
        row = _row("pandalm", prompt, *(answers if first_wins else answers[::-1]))
        row["gpt_3_5"] = verdict if first_wins or verdict is None else -verdict
        yield row, [vote if first_wins else {1: 2, 2: 1, 0: 0}[vote] for vote in votes]


def auto_j_rows(folder: Path) -> Iterator[Row]:
    """Yield Auto-J's decided pairs, with the preferred answer as chosen."""
    text = (folder / "auto-j" / "autoj_pairwise.json").read_text(encoding="utf-8")
    for item in map(json.loads, text.splitlines()):
        answers = (item["response 1"], item["response 2"])
        size = len(item["prompt"]) + sum(map(len, answers))
        if item["label"] == 2 or size > MAX_CHARACTERS or not _are_distinct_texts(*answers):
            continue
        yield _row("auto-j", item["prompt"], *(answers[:: 1 if item["label"] == 0 else -1]))


def _are_distinct_texts(first: object, second: object) -> bool:
    texts = (first, second)
    return all(isinstance(t, str) and t.strip() for t in texts) and first != second


def _row(source: str, prompt: str, chosen: str, rejected: str) -> Row:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "source": source,
        "annotator": None,
        "gpt_3_5": None,
        "judged": None,
    }


def _content(row: Row) -> tuple[str, frozenset[str]]:
    """Return what makes two rows one question: the prompt and both answers in any order."""
    answers = (row[side][0]["content"] for side in ("chosen", "rejected"))
    return row["prompt"][0]["content"], frozenset(answers)


def without_repeats(rows: list[Row], used: set[tuple[str, frozenset[str]]]) -> list[Row]:
    """Return the rows whose content is new; PandaLM holds some questions several times."""
    first_rows = {_content(row): row for row in reversed(rows)}
    return [row for content, row in reversed(first_rows.items()) if content not in used]


def flipped_row(row: Row) -> Row:
    """Return the row with chosen and rejected exchanged; what is oriented turns with them."""
    verdict = row["gpt_3_5"]
    return row | {
        "chosen": row["rejected"],
        "rejected": row["chosen"],
        "gpt_3_5": None if verdict is None else -verdict,
    }


def single_votes(row: Row, votes: list[int]) -> list[Row]:
    """Return one row for each annotator who preferred an answer."""
    return [
        (row if vote == 1 else flipped_row(row)) | {"annotator": f"annotator {number}"}
        for number, vote in enumerate(votes, 1)
        if vote
    ]


def special_rows() -> list[Row]:
    """Return a pair with an e-mail address, one with a tool call and one with reasoning traces."""
    contact = _row(
        "hand-written",
        "Write a two-line reply that confirms the meeting on Friday.",
        "Dear Ms Winter,\nFriday at ten suits me. You can reach me at jo.winter@example.org.",
        "ok friday",
    )
    tool = _row("hand-written", "What is the weather in Oslo?", "", "Probably cold.")
    call = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    tool["chosen"][0] |= {
        "content": "",
        "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
    }
    trace = _row(
        "hand-written",
        "What is 17 times 6?",
        "<think>17 times 6 is 10 * 6 + 7 * 6 = 60 + 42.</think>\n17 times 6 is 102.",
        "<think>17 times 6 is about 100.</think>\nAbout 100.",
    )
    return [contact, tool, trace]


def sample_rows(folder: Path, seed: int) -> tuple[list[Row], list[bool]]:
    """Return the rows in the order of the file, and which of them have a flipped label."""
    random = np.random.default_rng(seed)
    items = list(pandalm_items(folder))
    voted, single = items[:VOTED_ITEMS], [row for row, _ in items[VOTED_ITEMS:]]
    pairs = without_repeats([*single, *auto_j_rows(folder)], {_content(row) for row, _ in voted})
    flips = random.random(len(pairs)) < FLIP_RATE
    labelled = [flipped_row(row) if flip else row for row, flip in zip(pairs, flips, strict=True)]
    for number in random.choice(len(pairs), JUDGED, replace=False):
        labelled[number] = labelled[number] | {"judged": "wrong" if flips[number] else "right"}
    # A copy has no judgement of its own.
    copies = random.choice(len(pairs), COPIES, replace=False)
    rows = labelled + [labelled[number] | {"judged": None} for number in copies]
    flags = [*flips.tolist(), *flips[copies].tolist()]
    votes = [vote for row, votes in voted for vote in single_votes(row, votes)]
    vote_flips = random.random(len(votes)) < FLIP_RATE
    rows += [flipped_row(v) if flip else v for v, flip in zip(votes, vote_flips, strict=True)]
    flags += vote_flips.tolist()
    special = special_rows()
    rows += special
    flags += [False] * len(special)
    order = random.permutation(len(rows))
    return [rows[number] for number in order], [flags[number] for number in order]


def main() -> None:
    """Write the rows and the ids of those with a flipped label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows, flags = sample_rows(arguments.data, arguments.seed)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = SAMPLE_DATA
    # A fixed time: the same rows give the same bytes.
    path.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    ids = read_pairs(str(path)).frame["pair_id"].to_list()
    flipped = [pair_id for pair_id, flag in zip(ids, flags, strict=True) if flag]
    FLIPPED_IDS.write_text(json.dumps(flipped, indent=0) + "\n", encoding="utf-8")
    print(f"{len(rows)} rows, {len(flipped)} flipped, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
