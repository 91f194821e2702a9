"""The cards of four public sets, as docs/explanation/cards has them.

    python -m tests.benchmarks.cards FOLDER docs/explanation/cards

FOLDER holds the sets as published, each in a folder of its own. Static embeddings, so that a minute
is enough; without examples, since there are red-team texts among them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from curate import audit, read_pairs
from curate.report.dataset_card import make_dataset_card

_SETS = (
    ("PandaLM", "pandalm", "pandalm/*.json", "Apache-2.0"),
    ("Auto-J", "auto-j", "auto-j/*.json", "Apache-2.0"),
    ("LLMBar", "llmbar", "llmbar/**/*.json", "MIT"),
    ("HH, harmless, test", "hh-harmless", "hh-rlhf-harmless/*.jsonl*", "MIT"),
)
_NOTE = """\
What `curate card` writes, with static embeddings and without examples
(`python -m tests.benchmarks.cards`).
"""


def main() -> None:
    """Write the pages."""
    data, target = map(Path, sys.argv[1:])
    for name, file, pattern, license in _SETS:
        pairs = read_pairs(str(data / pattern))
        report = audit(pairs, embedder="static", dataset=name)
        section = make_dataset_card(pairs.frame, report, name, license, 0).to_markdown()
        (target / f"{file}.md").write_text(f"# Card of {name}\n\n{_NOTE}\n{section}")


if __name__ == "__main__":
    main()
