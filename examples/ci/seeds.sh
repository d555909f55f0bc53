#!/usr/bin/env bash
# Train a config from several seeds and gate each: is it the config that is good, or one seed that was lucky?
#
#   examples/ci/seeds.sh CONFIG FOLDER 'accuracy<0.97' SEED [SEED ...]
#
# Writes FOLDER/seed-N and the table FOLDER/seeds.md. Exit 3 if a seed fails the gate; every other failure ends it at
# once. A CI that runs jobs side by side does better with a matrix: see github-actions.yml.
set -euo pipefail

if [ $# -lt 4 ]; then
  echo "usage: $0 CONFIG FOLDER 'NAME<NUMBER' SEED [SEED ...]" >&2
  exit 2
fi
config=$1 folder=$2 gate=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
name=${gate%%[<>=!]*}
name=${name// /}

mkdir -p "$folder"
table=$folder/seeds.md
printf '| seed | %s | gate: fails if \140%s\140 |\n| --: | --: | :-- |\n' "$name" "$gate" >"$table"
failed=0
for seed in "$@"; do
  run=$folder/seed-$seed
  "$here/train.sh" "$config" "$run" "seed=$seed"
  code=0
  "$here/gate.sh" "$run" "$gate" || code=$?
  case $code in
    0) verdict=passed ;;
    3) verdict=failed failed=3 ;;
    *) exit "$code" ;;
  esac
  value=$(awk -F '[:,]' '/"value":/ { print $2; exit }' "$run/eval.json") # beside the gate, one key a line
  printf '| %s | %s | %s |\n' "$seed" "$value" "$verdict" >>"$table"
done
cat "$table"
exit "$failed"
