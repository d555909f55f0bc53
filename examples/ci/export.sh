#!/usr/bin/env bash
# Write a run or a quantized checkpoint as ONNX, and hold what was written to the same gate. Exit 3 if it is not the model.
#
#   examples/ci/export.sh RUN|CHECKPOINT FILE.onnx 'accuracy<0.97'
#
# The file is compared with the model on several batches before it is there; then ONNX Runtime measures the whole test
# split. Needs the extra `onnx`.
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: $0 RUN|CHECKPOINT FILE.onnx 'NAME<NUMBER'" >&2
  exit 2
fi
model=$1 file=$2 gate=$3

trainctl export "$model" --format onnx --output "$file" --force --json "$file.json"
trainctl eval "$model" --runtime onnxruntime --fail-if "$gate" --quiet
