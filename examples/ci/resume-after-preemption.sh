#!/usr/bin/env bash
# Train on a machine that may be taken away. Stopped by SIGTERM, trainctl saves and ends with 143 (130 by SIGINT); started
# again, it goes on to the same weights, bit for bit, as a run that nobody stopped. A killed one goes on, too.
#
#   examples/ci/resume-after-preemption.sh CONFIG RUN [ATTEMPTS]
#
# Here it starts itself again, up to ATTEMPTS times (by default 5). Where the machine goes away, let the queue start
# the job again, with RUN on a disk that stays.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: $0 CONFIG RUN [ATTEMPTS]" >&2
  exit 2
fi
config=$1 run=$2 attempts=${3:-5}
here=$(cd "$(dirname "$0")" && pwd)

child="" stopped=""
# shellcheck disable=SC2317 # the trap calls it
pass_on() { # a signal to this shell is one to the training, and the end of the attempts
  stopped=yes
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
}
trap pass_on TERM INT

for ((attempt = 1; attempt <= attempts; attempt++)); do
  "$here/train.sh" "$config" "$run" &
  child=$!
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do # a signal interrupted the waiting
    code=0
    wait "$child" || code=$?
  done
  case $code in
    143 | 137) [ -z "$stopped" ] || exit "$code" ;;
    *) exit "$code" ;; # done, or nothing that another attempt would mend
  esac
  echo "attempt $attempt of $attempts was stopped ($code)" >&2
done
echo "start this again and it goes on" >&2
exit "$code"
