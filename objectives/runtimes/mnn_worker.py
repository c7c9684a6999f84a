"""Converts an .onnx file to a .mnn file, in a process of its own, and runs the result once.

MNN's converter ends the process on some networks. So does its runtime on a few that it converts.
The process does not import Paretune. It reads its task as JSON from standard input:

- path: folders to import MNN and NumPy from;
- source, target: the .onnx file and the .mnn file;
- options: arguments of the converter;
- settings: how a session will run the file: MNN's precision and memory modes;
- inputs, outputs: their names, in order;
- trials: .npz files of inputs to run the result on.

It writes the outputs for trial.npz to trial.out.npz. What MNN prints goes to standard error.
MNN.tools is never imported: that module installs a package, and sends a log to its authors.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    """Reads the task and does it."""
    os.dup2(2, 1)
    task = json.load(sys.stdin)
    sys.path += [entry for entry in task["path"] if entry not in sys.path]
    begin("convert")
    convert(task["source"], task["target"], task["options"])
    begin("run")
    for trial in task["trials"]:
        run(task, trial)


def begin(step: str) -> None:
    """Writes the step to standard error, so that the caller knows it if MNN ends the process."""
    sys.stderr.write(f"\nstep: {step}\n")
    sys.stderr.flush()


def convert(source: str, target: str, options: list[str]) -> None:
    """Converts the network, or ends the process."""
    tools = import_module("_tools")  # a module of MNN's package that has no types
    files = ["--modelFile", source, "--MNNModel", target]
    tools.mnnconvert(["mnnconvert", "-f", "ONNX", *files, *options])
    if not os.path.exists(target):
        sys.exit(1)


def run(task: dict[str, Any], trial: str) -> None:
    """Runs the file on inputs and writes its outputs."""
    import MNN
    import numpy as np
    from MNN import expr

    types = {"float32": expr.float, "int32": expr.int, "uint8": expr.uint8}
    settings = {"backend": "CPU", "numThread": 1, **task["settings"]}
    manager = MNN.nn.create_runtime_manager((settings,))
    names = task["inputs"], task["outputs"]
    module = MNN.nn.load_module_from_file(task["target"], *names, runtime_manager=manager)
    with np.load(trial) as file:
        arrays = [file[name] for name in task["inputs"]]
    inputs = [expr.const(x, list(x.shape), expr.NCHW, types[str(x.dtype)]) for x in arrays]
    outputs = [expr.convert(each, expr.NCHW) for each in module.forward(inputs)]
    # `read` returns the memory of a variable, so these must live until it is written.
    np.savez(trial.removesuffix(".npz") + ".out.npz", *(each.read() for each in outputs))


if __name__ == "__main__":
    main()
