"""The progress of a run in a notebook: one output that is updated in place."""

from __future__ import annotations

import sys
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from io import StringIO
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from paretune.search.interface.shown import PRE
from paretune.search.running.progress import LiveProgress, make_progress
from paretune.search.trial.events import Event, RunEnded, TrialEnded

if TYPE_CHECKING:
    from paretune.search.trial.events import Reporter

BETWEEN = 0.5
"""Seconds between two updates, except after a trial."""

MOST_LINES = 12
"""Last lines that stay above the live view."""

WIDTH = 110


class NotebookProgress(LiveProgress):
    """The live view of a terminal, in an output of a notebook.

    Args:
        display: IPython's function that shows an object and returns its handle.
    """

    def __init__(self, display: Any) -> None:
        super().__init__(_console())
        self._display = display
        self._handle: Any = None
        self._lines: list[Text] = []
        self._shown = 0.0

    def __enter__(self) -> NotebookProgress:
        """Shows the output."""
        self._handle = self._display(_Output(self._html()), display_id=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the lines, without the live view below them."""
        self._handle.update(_Output(self._html(live=False)))

    def __call__(self, event: Event) -> None:
        """Updates the output."""
        super().__call__(event)
        now = time.monotonic()
        if isinstance(event, TrialEnded | RunEnded) or now - self._shown > BETWEEN:
            self._shown = now
            self._handle.update(_Output(self._html()))

    def _line(self, text: str) -> None:
        self._lines += [Text(line) for line in (*self._repeats.taken_lines(), text)]

    def _html(self, live: bool = True) -> str:
        """Returns the last lines and the live view as HTML."""
        console = _console()
        hidden = len(self._lines) - MOST_LINES
        if hidden > 0:
            console.print(Text(f"... {hidden} lines before", style="dim"))
        for line in self._lines[-MOST_LINES:]:
            console.print(line, soft_wrap=True)
        if live:
            console.print(self._view())
        code = f'<div style="{PRE}">{{code}}</div>'
        return console.export_html(code_format=code, inline_styles=True)


def _console() -> Console:
    """Returns a console that keeps what is printed, and shows nothing itself."""
    return Console(file=StringIO(), width=WIDTH, highlight=False, record=True, force_jupyter=False)


class _Output:
    """HTML with a text for frontends that show no HTML."""

    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "<progress of a study>"


def shown_progress(progress: bool) -> AbstractContextManager[Reporter | None]:
    """Returns the view of a run: in a notebook, on a terminal, or as plain lines.

    Args:
        progress: False shows nothing.
    """
    if not progress:
        return nullcontext()
    display = _notebook_display()
    if display is None:
        return make_progress(Console(highlight=False))
    # tqdm, which Optuna imports, asks for widgets that nothing here uses.
    warnings.filterwarnings("ignore", message="IProgress not found")
    return NotebookProgress(display)


def _notebook_display() -> Any:
    """Returns IPython's `display` if this process is the kernel of a notebook, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display
