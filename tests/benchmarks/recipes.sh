#!/bin/sh
# The recipes that need no other model, beside the scorers, on one data set: README's table of recipes.
# sh tests/benchmarks/recipes.sh DATA [OUTPUT]
set -eu
data=$1
output=${2:-recipes-bench}
curate bench "$data" --noise 0.2,0.4 --seeds 5 --output "$output" --overwrite \
  --recipes vote-all-remove,vote-all-flip,vote-majority-remove,vote-majority-flip,rw-gap-remove,rw-gap-flip
