"""The calls of one exported file in a log, as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretune.search.errors import UserError
from paretune.search.export.log_script import MONITORING
from paretune.search.export.manifest import MANIFEST, Manifest
from paretune.search.monitoring.call_lines import LogLines, read_lines


@dataclass(frozen=True)
class CallRecords:
    """The calls of one exported file in a log.

    Attributes:
        artifact: The file's entry in the manifest.
        headers: Process -> its header: host and versions.
        process: Process of each call [C].
        time: Seconds since 1970 of each call [C].
        seconds: Duration of each call [C].
        batch: Examples of each call [C].
        statistics: Name -> a number for each example [N], in order; NaN where there is none.
        number: Number of each example in its process [N].
        example_process: Process of each example [N].
        ids: Name of each example [N]; empty for one without a name.
        notes: What a reader must know: lines that were skipped, a clock that went back.
        files: The log's files.
    """

    artifact: Mapping[str, Any]
    headers: Mapping[str, Mapping[str, Any]]
    process: Sequence[str]
    time: np.ndarray
    seconds: np.ndarray
    batch: np.ndarray
    statistics: Mapping[str, np.ndarray]
    number: np.ndarray
    example_process: Sequence[str]
    ids: Sequence[str]
    notes: Sequence[str]
    files: Sequence[Path]

    @property
    def examples(self) -> int:
        """Number of examples with statistics."""
        return len(self.number)


def read_calls(file: Path, manifest: Manifest, last: int | None = None) -> CallRecords:
    """Reads the calls of an export's model from a log.

    Args:
        file: The log.
        manifest: Manifest of the export.
        last: Number of examples to keep, the latest ones; None keeps all.

    Raises:
        UserError: The log is empty, has no header, or is that of another model.
    """
    lines = read_lines(file)
    if not lines.headers:
        raise UserError(
            f"--log {file}: there is no header, the line that names the model; the log was cut at "
            "its begin: give the complete file, or its FILE.1, too"
        )
    artifact, others = _artifact(file, manifest, lines)
    headers = {
        name: header
        for name, header in lines.headers.items()
        if header.get("model") == artifact["sha256"]
    }
    _check_summary(file, manifest, headers)
    calls = [call for call in lines.calls if call["process"] in headers]
    if not calls:
        raise UserError(
            f"--log {file}: there is a header, but no call; run the model on examples, then type "
            "the command again"
        )
    orphans = sum(call["process"] not in lines.headers for call in lines.calls)
    notes = _notes(lines, calls, others, orphans)
    return _records(artifact, headers, _latest(calls, last), notes, lines.files)


def _artifact(file: Path, manifest: Manifest, lines: LogLines) -> tuple[Mapping[str, Any], int]:
    """Returns the exported file that has the most calls, and the number of the other calls.

    Raises:
        UserError: The log is that of another model.
    """
    models = {name: header.get("model") for name, header in lines.headers.items()}
    counts = Counter(models[c["process"]] for c in lines.calls if c["process"] in models)
    entries = {entry["sha256"]: entry for entry in manifest.artifacts}
    mine = {sha: counts.get(sha, 0) for sha in models.values() if sha in entries}
    if not mine:
        header = next(iter(lines.headers.values()))
        names = ", ".join(f"{e['file']} {e['sha256'][:12]}" for e in manifest.artifacts)
        raise UserError(
            f"--log {file}: this is the log of another model: its header names "
            f"{header.get('file')} with the SHA-256 {str(header.get('model'))[:12]}...; "
            f"{manifest.folder} has {names}; give the folder that this model was exported to"
        )
    chosen = max(mine, key=lambda sha: mine[sha])
    return entries[chosen], sum(counts.values()) - mine[chosen]


def _check_summary(
    file: Path, manifest: Manifest, headers: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuses a log whose statistics are computed in another way than the reference's.

    Raises:
        UserError: The versions differ.
    """
    recorded = manifest.content[MONITORING]["summary"]
    for header in headers.values():
        if header.get("summary") != recorded:
            raise UserError(
                f"--log {file}: its statistics have version {header.get('summary')}, those of "
                f"{manifest.folder / MANIFEST} version {recorded}; use load.py and call_log.py of "
                "this folder"
            )


def _latest(calls: Sequence[Mapping[str, Any]], last: int | None) -> Sequence[Mapping[str, Any]]:
    """Returns the last calls with so many examples."""
    if last is None:
        return calls
    kept: list[Mapping[str, Any]] = []
    left = last
    for call in reversed(calls):
        if left <= 0:
            break
        kept.append(call)
        left -= len(_rows(call))
    return kept[::-1]


def _rows(call: Mapping[str, Any]) -> Sequence[int]:
    return call["rows"] if "rows" in call else range(call["batch"])


def _notes(
    lines: LogLines, calls: Sequence[Mapping[str, Any]], others: int, orphans: int
) -> list[str]:
    notes = []
    if len(lines.files) > 1:
        notes.append(f"{lines.files[0].name}, the older part of the log, was read first")
    if lines.broken:
        notes.append(f"{_counted(lines.broken, 'broken line')} skipped")
    if orphans:
        notes.append(f"{_counted(orphans, 'call')} skipped: their process has no header")
    if others:
        notes.append(f"{_counted(others, 'call')} of other models left out")
    skipped, dropped = _last_counts(calls, "skipped"), _last_counts(calls, "dropped")
    if skipped:
        notes.append(f"{_counted(skipped, 'call')} not logged, to save time or by the sample")
    if dropped:
        notes.append(f"{_counted(dropped, 'call')} could not be logged; see model.log.error")
    back = _clock_steps(calls)
    if back:
        notes.append(
            f"the clock went back {back} time{'s' * (back > 1)}; calls are taken in the order of "
            "the file"
        )
    return notes


def _last_counts(calls: Sequence[Mapping[str, Any]], key: str) -> int:
    """Returns the sum over processes of a count that each call repeats."""
    last: dict[str, int] = {}
    for call in calls:
        value = call.get(key, 0)
        if isinstance(value, int):
            last[call["process"]] = max(last.get(call["process"], 0), value)
    return sum(last.values())


def _clock_steps(calls: Sequence[Mapping[str, Any]]) -> int:
    """Returns how often a process's clock went back by more than a second."""
    last: dict[str, float] = {}
    steps = 0
    for call in calls:
        steps += call["time"] < last.get(call["process"], -1e300) - 1
        last[call["process"]] = call["time"]
    return steps


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _records(
    artifact: Mapping[str, Any],
    headers: Mapping[str, Mapping[str, Any]],
    calls: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    files: Sequence[Path],
) -> CallRecords:
    names: dict[str, None] = {}
    for call in calls:
        for side in ("inputs", "outputs"):
            names |= dict.fromkeys(f"{side}.{name}" for name in call[side])
    counts = [len(_rows(call)) for call in calls]
    statistics = {name: _column(name, calls, counts) for name in names}
    return CallRecords(
        artifact,
        headers,
        [call["process"] for call in calls],
        np.array([call["time"] for call in calls], dtype=float),
        np.array([call["seconds"] for call in calls], dtype=float),
        np.array([call["batch"] for call in calls]),
        statistics,
        np.array([call["first"] + row for call in calls for row in _rows(call)]),
        [call["process"] for call in calls for _ in _rows(call)],
        [name for call in calls for name in call.get("ids", [""] * len(_rows(call)))],
        notes,
        files,
    )


def _column(name: str, calls: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> np.ndarray:
    """Returns one statistic of all examples; NaN where a call lacks it."""
    side, _, key = name.partition(".")
    values: list[Any] = []
    for call, count in zip(calls, counts, strict=True):
        values.extend(call[side].get(key) or [None] * count)
    return np.array([np.nan if value is None else value for value in values], dtype=float)
