"""Captures what an exporter prints, also from C++, while other threads go on printing."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import IO, TextIO

STREAMS = {"stdout": 1, "stderr": 2}
"""Stream -> its file descriptor."""

MOST = 1_000_000
"""Characters that are kept."""


class CapturedOutput:
    """The output of a `with captured()` block; `text` is complete after the block."""

    text = ""


@contextlib.contextmanager
def captured() -> Iterator[CapturedOutput]:
    """Captures warnings, prints of this thread, and writes of C++ libraries to the terminal.

    Prints of other threads, such as a live view, still reach the terminal.
    """
    output = CapturedOutput()
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", newline="")
        )
        stack.callback(lambda: setattr(output, "text", _content(file)))
        for name, descriptor in STREAMS.items():
            stack.enter_context(_redirected(name, descriptor, file))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield output


@contextlib.contextmanager
def _redirected(name: str, descriptor: int, file: IO[str]) -> Iterator[None]:
    """Sends a stream of this thread and of C++ to the file."""
    before: TextIO = getattr(sys, name)
    _flush(before)
    try:
        saved = os.dup(descriptor)
    except OSError:  # the stream is closed
        with contextlib.redirect_stdout(file):
            yield
        return
    terminal = _terminal(before, descriptor, saved)
    os.dup2(file.fileno(), descriptor)
    setattr(sys, name, _ThreadStream(file, terminal or before))
    try:
        yield
    finally:
        setattr(sys, name, before)
        _flush(file)
        os.dup2(saved, descriptor)
        _flush(terminal)
        if terminal is not None:
            terminal.close()
        os.close(saved)


def _terminal(stream: TextIO, descriptor: int, saved: int) -> TextIO | None:
    """Returns a stream to the saved descriptor, if this stream writes to the redirected one."""
    try:
        if stream.fileno() != descriptor:
            return None
    except (OSError, ValueError, AttributeError):
        return None
    return open(saved, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)


def _flush(stream: IO[str] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read(MOST)


class _ThreadStream:
    """Writes of the thread that made it go to a file, those of other threads to the terminal."""

    def __init__(self, file: IO[str], terminal: TextIO) -> None:
        self._file = file
        self._terminal = terminal
        self._thread = threading.get_ident()

    def _stream(self) -> IO[str]:
        return self._file if threading.get_ident() == self._thread else self._terminal

    def write(self, text: str) -> int:
        """Writes a text; a live view of another thread sees it at once."""
        count = self._stream().write(text)
        self._stream().flush()
        return count

    def flush(self) -> None:
        """Flushes the stream of this thread."""
        _flush(self._stream())

    def isatty(self) -> bool:
        """Returns whether the stream of this thread is a terminal."""
        return self._stream().isatty()

    def fileno(self) -> int:
        """Returns the file descriptor of the stream of this thread."""
        return self._stream().fileno()

    def writable(self) -> bool:
        """Returns True."""
        return True

    @property
    def encoding(self) -> str:
        """Encoding of the terminal."""
        return self._terminal.encoding

    @property
    def errors(self) -> str | None:
        """What happens to characters that the encoding lacks."""
        return self._terminal.errors

    @property
    def closed(self) -> bool:
        """Whether the stream of this thread is closed."""
        return self._stream().closed
