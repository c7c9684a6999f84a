"""Reads the lines of a log: headers of processes and calls, past lines that are broken."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError

HEADER = "paretune_log"
"""First key of a header."""

BEGINS = ('{"process":', f'{{"{HEADER}":')
"""How a line begins; behind half a line of a killed process, too."""


@dataclass
class LogLines:
    """The lines of a log.

    Attributes:
        headers: Process -> its header.
        calls: The calls in the order of the file.
        broken: Number of lines that could not be read.
        files: The files that were read, the oldest first.
    """

    headers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    broken: int = 0
    files: list[Path] = field(default_factory=list)


def read_lines(file: Path) -> LogLines:
    """Reads a log, and the older part FILE.1 if there is one.

    Raises:
        UserError: It cannot be read, is empty, or holds no line of a log.
    """
    older = file.with_name(file.name + ".1")
    lines = LogLines(files=[each for each in (older, file) if each == file or each.is_file()])
    for each in lines.files:
        for text in _text_lines(each):
            _add(lines, text)
    if not lines.headers and not lines.calls:
        if lines.broken:
            raise UserError(
                f"--log {file}: none of its {lines.broken} lines is a line of a log; give the file "
                'that load("...", log=FILE) wrote'
            )
        raise UserError(f"--log {file}: the log is empty; run the model with PARETUNE_LOG={file}")
    return lines


def _text_lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            yield from stream
    except FileNotFoundError as error:
        raise UserError(
            f"--log {file}: there is no such file; run the model with PARETUNE_LOG={file}"
        ) from error
    except OSError as error:
        raise UserError(f"--log {file}: cannot be read: {error.strerror}") from error


def _add(lines: LogLines, text: str) -> None:
    if not text.strip():
        return
    value = _parsed(text)
    if value is None:
        lines.broken += 1
        behind = max(text.rfind(begin) for begin in BEGINS)
        value = _parsed(text[behind:]) if behind > 0 else None
    if value is None:
        return
    if HEADER in value:
        lines.headers.setdefault(value["process"], value)
    else:
        lines.calls.append(value)


def _parsed(text: str) -> Mapping[str, Any] | None:
    """Returns a line, or None if it is no line of a log."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("process"), str):
        return None
    return value if (_is_header if HEADER in value else _is_call)(value) else None


def _is_header(value: Mapping[str, Any]) -> bool:
    host, versions = value.get("host"), value.get("versions")
    return isinstance(host, dict) and isinstance(versions, dict)


def _is_call(value: Mapping[str, Any]) -> bool:
    """Returns whether a call has its numbers, and lists of one length."""
    batch, first = value.get("batch"), value.get("first")
    if not _is_count(batch, 1) or not _is_count(first, 0):
        return False
    assert isinstance(batch, int)
    if not all(_finite(value.get(key)) for key in ("time", "seconds")):
        return False
    rows = value.get("rows", list(range(min(batch, MOST_ROWS))))
    if not isinstance(rows, list) or not all(_is_count(row, 0) and row < batch for row in rows):
        return False
    ids = value.get("ids", [""] * len(rows))
    if not isinstance(ids, list) or len(ids) != len(rows):
        return False
    return all(_is_side(value.get(side), len(rows)) for side in ("inputs", "outputs"))


MOST_ROWS = 100_000


def _is_side(statistics: Any, count: int) -> bool:
    return isinstance(statistics, dict) and all(
        isinstance(values, list)
        and len(values) == count
        and all(each is None or _finite(each) for each in values)
        for values in statistics.values()
    )


def _finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1e300 and math.isfinite(value)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**53
