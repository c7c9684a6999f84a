"""The command line, run in this process."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandResult:
    """The exit code of a command and the text it printed."""

    code: int
    out: str
    err: str


Cli = Callable[..., CommandResult]


def invoke(*arguments: object) -> CommandResult:
    """Runs a command of paretune in this process."""
    from paretune.search.cli import main

    out, err = io.StringIO(), io.StringIO()
    terminate = signal.getsignal(signal.SIGTERM)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main([str(a) for a in arguments])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        signal.signal(signal.SIGTERM, terminate)
    return CommandResult(code, out.getvalue(), err.getvalue())
