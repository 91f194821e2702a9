"""The cards of four public sets, as docs/explanation/cards.md has them.

    python -m tests.benchmarks.cards FOLDER > docs/explanation/cards.md

FOLDER holds the sets as published, each in a folder of its own. Static embeddings, so that a minute
is enough; without examples, since there are red-team texts among them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from curate import audit, read_pairs
from curate.report.dataset_card import make_dataset_card

_SETS = (
    ("PandaLM", "pandalm/*.json", "Apache-2.0"),
    ("Auto-J", "auto-j/*.json", "Apache-2.0"),
    ("LLMBar", "llmbar/**/*.json", "MIT"),
    ("HH, harmless, test", "hh-rlhf-harmless/*.jsonl*", "MIT"),
)
_HEAD = """\
# Cards of four public sets

What `curate card` writes, with static embeddings and without examples
(`python -m tests.benchmarks.cards`). A rate of wrong labels rests on the assumption in its line.
"""


def main() -> None:
    """Print the page."""
    print(_HEAD)
    for name, pattern, license in _SETS:
        pairs = read_pairs(str(Path(sys.argv[1]) / pattern))
        report = audit(pairs, embedder="static", dataset=name)
        section = make_dataset_card(pairs.frame, report, name, license, 0).to_markdown()
        print(section.replace("## State of the data", f"## {name}", 1))


if __name__ == "__main__":
    main()
