#!/usr/bin/env bash
# The figures of README's section on what helps: `denoising.sh DATA OUT`, where DATA holds the
# published files in the folders named below (README says where they are from). About 20 minutes.
set -euo pipefail
DATA="$1"; OUT="$2"
CURATE="$(dirname "$0")/../../.venv/bin/curate"
SETS=(
  "$DATA/auto-j/autoj_pairwise.json" "$DATA/llmbar/*.json"  # the two on which defaults were chosen
  "$DATA/pandalm/testset-v1.json" "$DATA/hh-rlhf-harmless/test.jsonl.gz"
  "$DATA/llama-factory-dpo/dpo_en_demo.json" "$DATA/llama-factory-dpo/dpo_zh_demo.json"
)
"$CURATE" bench "${SETS[@]}" --noise 0,0.2,0.4 --seeds 5 -o "$OUT/symmetric" --overwrite
"$CURATE" bench "${SETS[@]}" --patterns ambiguity,annotator,topic --seeds 5 -o "$OUT/patterns" --overwrite
"$CURATE" bench "$DATA/hh-rlhf-harmless/test.jsonl.gz" --semi-synthetic 20000 \
  --noise 0.1,0.2,0.3,0.4 --seeds 3 -o "$OUT/semi-synthetic" --overwrite
"$CURATE" bench "${SETS[@]}" --noise 0.2,0.4 --seeds 5 --embedder static -o "$OUT/static" --overwrite
