#!/usr/bin/env bash
# The headline's study with all 50,000 images of CIFAR-10; 10 minutes at most on one GPU.
#
#   PYTHON=.venv/bin/python bash tests/gpu/headline.sh cifar10.npz
#
# It trains on the GPU. Latencies are those of one CPU core with ONNX Runtime, as in the README.
set -euo pipefail
data=$(realpath "$1")
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}

"$python" -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "no GPU: nothing was run")'
timeout -s INT -k 20 600 "$python" tests/benchmarks/bench_headline.py \
  --data "$data" --time "${SECONDS_EACH:-150}s"
