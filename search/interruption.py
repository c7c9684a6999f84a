"""Interruptions of a command: Ctrl-C, and SIGTERM for a command that runs trials.

A signal handler raises KeyboardInterrupt wherever Python is at that moment: while a module is
imported, in a callback from C++, in a destructor. Such code may turn it into another error, or
ignore it. So the handler notes the signal first, and others ask `interrupted`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_signals: list[int] = []
"""The signals that have arrived during this command."""

_deferring = 0
"""How many blocks are open that no interrupt may end."""


def watch_interrupts() -> None:
    """Forgets earlier signals, and notes Ctrl-C from now on, unless the process ignores it."""
    _signals.clear()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _handle(signal.SIGINT)


def stop_on_terminate() -> None:
    """Makes SIGTERM end a run like Ctrl-C, so that other processes can take over its trial."""
    _handle(signal.SIGTERM)


@contextmanager
def noted_interrupts() -> Iterator[None]:
    """Notes Ctrl-C until the end of the block, and puts the earlier handler back.

    In any other thread than the main one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    watch_interrupts()
    try:
        yield
    finally:
        if before is not None:  # a handler of C code cannot be put back
            signal.signal(signal.SIGINT, before)
        _signals.clear()


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Lets a short block end before an interrupt is raised, such as one that closes connections.

    Raises:
        KeyboardInterrupt: A signal to stop has arrived meanwhile.
    """
    global _deferring
    before = len(_signals)
    _deferring += 1
    try:
        yield
    finally:
        _deferring -= 1
    if len(_signals) > before:
        raise KeyboardInterrupt


def exit_on_signals(code: int) -> None:
    """Makes Ctrl-C and SIGTERM end the process at once, when its work is done.

    While Python exits, it runs code of libraries, which an interrupt would only end with a
    traceback.

    Args:
        code: The exit code of the command.
    """

    def exit_now(_number: int, _frame: FrameType | None) -> None:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, exit_now)


def interrupted() -> bool:
    """Returns whether a signal to stop has arrived."""
    return bool(_signals)


def stop_if_interrupted() -> None:
    """Raises KeyboardInterrupt if a signal has arrived, although other code has ignored it."""
    if _signals:
        raise KeyboardInterrupt


def _handle(number: int) -> None:
    with suppress(ValueError):  # only the main thread may set a handler
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _signals.append(number)
    if not _deferring:
        raise KeyboardInterrupt
