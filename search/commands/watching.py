"""Prints a text again and again while it changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

LOOK_EVERY = 1.0
"""Seconds between two looks."""

CLEAR = "\033[H\033[J"


def watch(look: Callable[[], tuple[str, bool]]) -> None:
    """Prints what a look returns, until it is the last one or the user interrupts.

    A terminal shows the last text alone. A file or a pipe gets each text that differs.

    Args:
        look: Returns a text, and whether more may follow.
    """
    screen = sys.stdout.isatty()
    before = None
    while True:
        text, goes_on = look()
        if text != before:
            click.echo(f"{CLEAR}{text}" if screen else text)
        before = text
        if not goes_on:
            return
        time.sleep(LOOK_EVERY)
