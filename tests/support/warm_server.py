"""Forks Python processes that have imported everything already; a program, run by `warm_process`.

An import of torch, ONNX Runtime and Optuna takes seconds, and every command of a test would repeat
it. A child of this program is like `python ARGUMENTS` otherwise: its own folder, environment and
output, the same exit code, the same handlers of signals, and the interpreter's own end.

This program has one thread, as a fork copies no other.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from typing import Any

import numpy

REAP_EVERY = 0.02
"""Seconds between two looks at the children."""

# Not onnxruntime, which starts a thread when it is imported.
IMPORTED = (
    "onnx",
    "plotly.graph_objects",
    "rich.progress",
    "scipy.stats",
    "sklearn.ensemble",
    "torch",
    "torch._dynamo",
    "torch.onnx",
    "torch_pruning",
    "paretune.search.cli",
    "paretune.search.commands.run",
    "paretune.search.export.exporter",
    "paretune.search.export.verifier",
    "paretune.search.preflight.preflight",
    "paretune.search.running.runner",
    "paretune.search.tracking.optuna_artifacts",
    "paretune.search.trial.stage_study",
    "paretune.search.views.report",
)


def import_all() -> None:
    """Imports what commands import; what is not installed is left out."""
    from paretune.objectives.idle_threads import let_idle_threads_sleep

    let_idle_threads_sleep()  # as the command line does before its first import of torch
    for name in IMPORTED:
        with suppress(ImportError):
            importlib.import_module(name)


def serve(channel: socket.socket) -> dict[str, Any]:
    """Forks a child for each request, and tells how the children end; returns in a child only."""
    children: set[int] = set()
    lines = channel.makefile("r")
    while True:
        if select.select([channel], [], [], REAP_EVERY if children else None)[0]:
            line = lines.readline()  # the client waits for the answer before its next request
            if not line:
                for child in children:
                    os.kill(child, signal.SIGKILL)
                os._exit(0)
            child = os.fork()
            if child == 0:
                lines.close()
                channel.close()
                request: dict[str, Any] = json.loads(line)
                return request
            children.add(child)
            _send(channel, {"began": child})
        while children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            children.discard(child)
            _send(channel, {"ended": child, "code": os.waitstatus_to_exitcode(status)})


def _send(channel: socket.socket, message: dict[str, int]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


def become(request: dict[str, Any]) -> None:
    """Gives this process the folder, environment, output and arguments of a request."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for stream, flags, file in (
        (0, os.O_RDONLY, os.devnull),
        (1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, request["out"]),
        (2, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, request["err"]),
    ):
        same = stream == 2 and request["err"] == request["out"]
        opened = os.dup(1) if same else os.open(file, flags, 0o600)
        os.dup2(opened, stream)
        os.close(opened)
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(write_through=True)  # type: ignore[union-attr]
    gc.unfreeze()  # the interpreter's end collects them, or libraries report leaks
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tempfile.tempdir = None
    numpy.random.seed()  # the fork has copied the state
    sys.argv = ["-c" if request["arguments"][0] == "-c" else ""]
    more = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [path for path in more if path and path not in sys.path]


def run(arguments: list[str]) -> None:
    """Does what `python ARGUMENTS` does: `-m MODULE ...`, `-c CODE ...`, or `FILE ...`."""
    first, *rest = arguments
    if first == "-m":
        sys.path[0], sys.argv = os.getcwd(), rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.path[0], sys.argv = "", ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path[0], sys.argv = os.path.dirname(os.path.abspath(first)), arguments
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    connection = socket.socket(fileno=int(sys.argv[1]))
    import_all()
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"{threads} threads after the imports; a fork would lose all but one"
    gc.collect()
    gc.freeze()
    wanted = serve(connection)
    become(wanted)
    run(wanted["arguments"])
