#!/bin/sh
# The recipes that need models, with small ones trained on TRAIN, beside the scorers on DATA.
# sh tests/benchmarks/recipe_models.sh TRAIN DATA MODELS [OUTPUT]
set -eu
train=$1 data=$2 models=$3
output=${4:-recipe-models-bench}
[ -e "$models/policy/model.safetensors" ] || python -m tests.benchmarks.recipe_models "$train" "$models"
curate bench "$data" --noise 0.2,0.4 --seeds 5 --output "$output" --overwrite \
  --recipes rip,bees,small-implicit-gap,vote-all-remove,vote-all-flip,rw-gap-remove,rw-gap-flip,ifd-remove,ifd-gap-remove,ifd-gap-flip \
  --model "$models/base" --policy "$models/policy" --reward-model "$models/reward"
