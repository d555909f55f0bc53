#!/usr/bin/env bash
# Hold a run to a gate, and to a baseline where there is one. Exit 3 if it is not good enough.
#
#   examples/ci/gate.sh RUN 'accuracy<0.97' [BASELINE]
#
# Writes RUN/eval.json, RUN/eval.xml (JUnit) and RUN/eval.md, also where the gate fails; in a GitHub job the tables go
# to its summary, too.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: $0 RUN 'NAME<NUMBER' [BASELINE]" >&2
  exit 2
fi
run=$1 gate=$2 baseline=${3:-}

options=(--fail-if "$gate" --json "$run/eval.json" --junit "$run/eval.xml" --markdown "$run/eval.md")
if [ -n "$baseline" ]; then
  options+=(--baseline "$baseline" --max-drop "${MAX_DROP:-0}")
fi

code=0
trainctl eval "$run" "${options[@]}" || code=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -e "$run/eval.md" ]; then
  cat "$run/eval.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
