"""The process that `memory` starts: it loads and runs one artifact and reports the memory it took.

It reads its task as JSON from standard input and writes its result as one line of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


def main() -> None:
    """Reads the task, does it and writes the result."""
    answers = os.dup(1)
    os.dup2(2, 1)  # a runtime's own prints go to standard error
    task = json.load(sys.stdin)
    # A user's own runtime may be in any folder that the parent process imports from.
    sys.path += [entry for entry in task["path"] if entry not in sys.path]
    import numpy as np

    module, _, name = task["runtime"].partition(":")
    runtime = getattr(import_module(module), name)
    options = runtime.Params.model_validate(task["options"])
    library = getattr(runtime, "library", None)
    if library:
        import_module(library)
    inputs = [np.load(file) for file in task["inputs"]]
    gc.collect()
    cuda = _cuda(options)
    empty, method = _reset_peak()

    session = runtime.load(Path(task["artifact"]), options)
    for _ in range(task["runs"]):
        session(*inputs)
    peak = _peak()
    added = max(0, peak - empty)
    if cuda is not None:
        added, method = int(cuda.max_memory_allocated()), "torch.cuda.max_memory_allocated"
    result = {"bytes": added, "empty": empty, "method": method}
    os.write(answers, json.dumps(result).encode() + b"\n")


def _reset_peak() -> tuple[int, str]:
    """Resets the peak; returns the bytes resident now, and the name of the method."""
    try:
        RESET.write_text("5")  # sets the high-water mark to the memory resident now
        return _status("VmRSS"), "VmHWM of /proc/self/status"
    except OSError:  # not Linux, or not allowed: use the peak until now instead
        return _peak(), "ru_maxrss"


def _peak() -> int:
    """Returns the peak of this process's resident memory, in bytes."""
    try:
        return _status("VmHWM")
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    """Returns a field of this process's status, in bytes."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in {STATUS}")


def _cuda(options: Any) -> Any:
    """Returns torch.cuda with its peak reset if the runtime uses torch on CUDA, else None."""
    torch = sys.modules.get("torch")
    if torch is None or not str(getattr(options, "device", "")).startswith("cuda"):
        return None
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda
