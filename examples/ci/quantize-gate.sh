#!/usr/bin/env bash
# Quantize a run, and keep the result only if it is nearly as good as the float model. Exit 3 if it is not.
#
#   examples/ci/quantize-gate.sh RUN MAX_DROP OUT
#
# MAX_DROP is in the unit of the first metric: 0.002 is two in a thousand answers. Writes OUT, a checkpoint, and next to
# it OUT.json, the comparison, also where the gate fails; in a GitHub job a line of it goes to its summary, too.
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: $0 RUN MAX_DROP OUT" >&2
  exit 2
fi
run=$1 max_drop=$2 out=$3

code=0
trainctl quantize "$run" --max-drop "$max_drop" --output-dir "$out" --force --json "$out.json" || code=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ "$code" -eq 0 ]; then
  echo "int8 of \`$run\` holds a drop of $max_drop: \`$out\`" >>"$GITHUB_STEP_SUMMARY"
elif [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ "$code" -eq 3 ]; then
  echo "int8 of \`$run\` does **not** hold a drop of $max_drop" >>"$GITHUB_STEP_SUMMARY"
fi
if [ "$code" -ne 0 ]; then
  exit "$code"
fi

# What was written is measured again, as whoever ships it would do it.
trainctl eval "$out" --baseline "$run" --max-drop "$max_drop" --quiet
