"""An example of each command, at the end of its --help."""

from __future__ import annotations

EXAMPLES = {
    "inspect": "curate inspect prefs.jsonl",
    "audit": "curate audit prefs.jsonl --gold prefs-drawn",
    "diff": "curate diff prefs-v1.jsonl prefs-v2.jsonl --against test.jsonl",
    "explain": "curate explain prefs.jsonl --output explained",
    "report": "curate report out",
    "list": "curate list label_em",
    "hash-prompts": "curate hash-prompts evals.jsonl --output evals.ngrams.parquet",
    "init": "curate init --goal denoise --data prefs.csv",
    "run": "curate run pipeline.yaml --output out",
    "derive": "curate derive chats.jsonl --from feedback --output derived",
    "round": "curate round pool.jsonl --gold gold.jsonl --output round-1",
    "new": "curate new scorer vowels --kind row",
    "schema": "curate schema > curate.schema.json",
    "cache": "curate cache --prune --older-than 30",
    "bench": "curate bench prefs.jsonl --train 'python train.py {data} {seed} {out}' --metric "
    "'{out}/eval.json:accuracy' --variant advice --variant mine.yaml --runs 24",
    "worth": "curate worth prefs.jsonl --noise 0.2,0.4",
    "compare": "curate compare out-a out-b",
    "route": "curate route prefs.jsonl --random 50",
    "review": "curate review prefs-drawn --until-width 15",
    "merge": "curate merge out verdicts.jsonl --output merged",
    "apply": "curate apply out --output reviewed",
    "export": "curate export out --to axolotl --output for-axolotl",
    "check": "curate check prefs.jsonl --policy policy.yaml --old prefs-v1.jsonl --junit out.xml",
    "card": "curate card prefs.jsonl --license cc-by-4.0 --output prefs-card.html",
    "push": "curate push out owner/name --private",
}
