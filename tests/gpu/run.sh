#!/usr/bin/env bash
# The contract of the runtimes on an NVIDIA GPU, with figures; 10 minutes at most.
#
#   PYTHON=.venv/bin/python bash tests/gpu/run.sh
#
# It installs nothing and skips what is not installed. For everything:
#   uv pip install -e ".[dev,tensorrt]" && uv pip install onnxruntime-gpu   (in place of onnxruntime)
set -uo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}

"$python" - <<'END' || exit 1
import sys
import torch
if not torch.cuda.is_available():
    sys.exit("no GPU that this torch can use: nothing was tested")
print(torch.cuda.get_device_name(0), "torch", torch.__version__)
END

# Ctrl-C in place of a kill: pytest then prints what it has.
timeout -s INT -k 20 240 "$python" -m pytest -q -n 0 -m "" -s tests/gpu
first=$?
timeout -s INT -k 20 300 "$python" -m pytest -q -n 0 -m "" tests/objectives/runtimes -k tensorrt
second=$?
[ "$second" -eq 5 ] && second=0  # no test was left
exit $((first > second ? first : second))
