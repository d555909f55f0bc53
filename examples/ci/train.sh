#!/usr/bin/env bash
# Train a config and leave its figures where CI finds them.
#
#   examples/ci/train.sh CONFIG RUN [KEY=VALUE ...]
#
# A run that is there already goes on, so that a job that is started again wastes nothing. Exit codes are trainctl's:
# 2 a mistake in the config, 4 missing data, 5 a training that diverged, 143 stopped and saved.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: $0 CONFIG RUN [KEY=VALUE ...]" >&2
  exit 2
fi
config=$1 run=$2
shift 2

if [ -e "$run/config.resolved.yaml" ]; then
  place=(--resume "$run")
else
  place=(--output-dir "$run")
fi
# In place of this shell, so that a signal to the job reaches the training.
exec trainctl train "$config" "$@" "${place[@]}" --log-format "${LOG_FORMAT:-plain}"
