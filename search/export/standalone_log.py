"""Writes the log of an exported model's calls, with Python's standard library alone.

`call_log_text` copies the part below the marker into call_log.py, after `standalone_summary`. So
that part imports nothing of Paretune.
"""

import hashlib
import json
import logging
import os
import platform
import random
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from paretune.search.export.standalone_summary import SUMMARY_VERSION, rows_of, summarize

# -- copied from here ------------------------------------------------------------------------------

LOG_VERSION = 1

LIMIT = 64e6
"""Bytes of a log. A full one becomes FILE.1, and the FILE.1 before it is removed."""

SHARE = 0.02
"""Share of the time that writing may take, unless the user gives a share of the calls. It slows the
next call as much again, whose data is then out of the processor's cache."""

CREDIT = 1.0
"""Seconds of writing that are free at the begin, and saved up while the model is idle."""

LEAST_LIMIT = 10_000

STALE_LOCK = 10
"""Seconds after which the lock of a process that renames a log is that of a killed one."""

ENVIRONMENT = {
    "sample": "PARETUNE_LOG_SAMPLE",
    "limit": "PARETUNE_LOG_BYTES",
    "inputs": "PARETUNE_LOG_INPUTS",
}
"""Option of `CallLog` -> the variable that sets it if the caller does not."""


def call_log(path: str, log: Any, about: Any, options: Any) -> Any:
    """Returns the log of a model, as load.py asks for it.

    Raises:
        ValueError: An option is unknown or has a wrong value.
    """
    unknown = sorted(set(options) - {*ENVIRONMENT, "summary"})
    if unknown:
        raise ValueError(f"unknown option {unknown[0]}; known: sample, limit, inputs, summary")
    values = {name: options.get(name, os.environ.get(key)) for name, key in ENVIRONMENT.items()}
    sample = number_in(values["sample"], "sample", 0.0, 1.0, None)
    limit = number_in(values["limit"], "limit", LEAST_LIMIT, 1e15, LIMIT)
    inputs = str(values["inputs"]).lower() not in ("0", "false", "no", "off")
    return CallLog(path, log, about, sample, limit, inputs, options.get("summary"))


def number_in(value: Any, name: str, low: float, high: float, default: Any) -> Any:
    """Returns an option as a number.

    Raises:
        ValueError: It is no number between the two ends.
    """
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        where = f"{name} ({ENVIRONMENT[name]})"
        raise ValueError(f"{where}: {value!r}; give a number from {low:g} to {high:g}")
    return number


class CallLog:
    """The log of one loaded model. Whatever fails, the model's call goes on.

    Args:
        path: The model's file.
        log: The log's file; it is appended to.
        about: What the model takes and gives, as CALLS in load.py.
        sample: Share of the calls that are written; None writes all of them, as long as that takes
            at most SHARE of the time.
        limit: Bytes of the file.
        inputs: Whether statistics of the inputs are written.
        summary: The user's own function: outputs -> {name: a number for each example}.

    Attributes:
        written: Number of lines of calls.
        skipped: Calls that were not written, because of `sample` or the time.
        dropped: Calls that could not be written.
        error: The last reason.
    """

    def __init__(
        self,
        path: str,
        log: Any,
        about: Any,
        sample: Any = None,
        limit: float = LIMIT,
        inputs: bool = True,
        summary: Any = None,
    ) -> None:
        self._model, self._about = Path(path), about
        self._file = Path(log).absolute()
        self._sample, self._limit, self._inputs = sample, limit, inputs
        self._summary = summary
        self._known: Any = None
        self._lock = threading.Lock()
        self.written = self.skipped = self.dropped = 0
        self.error = ""
        self._begin()

    def _begin(self) -> None:
        """Starts the count of this process; a forked one begins anew."""
        self._pid, self._handle = os.getpid(), -1
        self._inode: Any = None
        self._process = f"{self._pid}-{random.SystemRandom().getrandbits(48):012x}"
        self._random = random.Random()
        self._first = 0
        self._credit, self._seen = CREDIT, time.perf_counter()

    def __call__(self, seconds: float, inputs: Any, outputs: Any, nest: Any, ids: Any) -> None:
        """Writes one call.

        Args:
            seconds: Seconds of the call.
            inputs: Arrays [B, ...] in order.
            outputs: Arrays [B, ...] in order.
            nest: The outputs in the network's form.
            ids: Name of each example, or None.
        """
        try:
            self._add(seconds, inputs, outputs, nest, ids)
        except Exception as error:  # a full disk, a wrong shape, a user's summary
            self._drop(error)

    def _add(self, seconds: float, inputs: Any, outputs: Any, nest: Any, ids: Any) -> None:
        self._facts()  # once; before the clock, so that a large model's digest costs no calls
        begun, batch = time.perf_counter(), len(inputs[0])
        if os.getpid() != self._pid:
            self._lock = threading.Lock()  # another thread may have held it at the fork
            self._begin()
        with self._lock:
            first = self._first
            self._first += batch
            if not self._wanted(begun):
                self.skipped += 1
                return
        rows = rows_of(batch)
        line = {
            "process": self._process,
            "time": round(time.time(), 3),
            "seconds": float(f"{seconds:.4g}"),
            "batch": batch,
            "first": first,
            **({"rows": rows.tolist()} if len(rows) < batch else {}),
            **({} if ids is None else {"ids": self._names(ids, batch, rows)}),
            **self._summed_up(inputs, outputs, nest, rows),
            **({"skipped": self.skipped} if self.skipped else {}),
            **({"dropped": self.dropped} if self.dropped else {}),
        }
        text = json.dumps(line, separators=(",", ":"), allow_nan=False)
        with self._lock:
            self._write(text.encode() + b"\n")
            self.written += 1
            self._credit -= time.perf_counter() - begun

    def _wanted(self, now: float) -> bool:
        """Returns whether a call is written: by the sample, or by the time that it took so far."""
        if self._sample is not None:
            return bool(self._sample >= 1 or self._random.random() < self._sample)
        self._credit = min(CREDIT, self._credit + SHARE * (now - self._seen))
        self._seen = now
        return self._credit > 0

    def _names(self, ids: Any, batch: int, rows: Any) -> list[str]:
        ids = [ids] if isinstance(ids, (str, int)) else list(ids)
        if len(ids) != batch:
            raise ValueError(f"log_ids has {len(ids)} names; the call has {batch} examples")
        return [str(ids[row]) for row in rows.tolist()]

    def _summed_up(self, inputs: Any, outputs: Any, nest: Any, rows: Any) -> dict[str, Any]:
        """Returns the statistics of inputs and outputs; with those of the user's own function."""
        statistics = summarize(self._about, inputs, outputs, rows)
        if self._summary is not None:
            statistics["outputs"].update(own_statistics(self._summary(nest), rows))
        if not self._inputs:
            statistics["inputs"] = {}
        return dict(statistics)

    def _write(self, data: bytes) -> None:
        """Appends lines in one write, so that those of several processes do not mix."""
        self._open(len(data))
        done = os.write(self._handle, data)
        if done < len(data):  # a full disk: a half line is ended, and counts as dropped
            os.write(self._handle, b"\n")
            raise OSError(f"{done} of {len(data)} bytes were written")

    def _open(self, more: int) -> None:
        """Opens the file with a header, if it is new, full, or was renamed by another process."""
        try:
            state = os.stat(self._file)
        except FileNotFoundError:
            state = None
        if state is not None and state.st_size + more > self._limit and self._rotate():
            state = None
        if self._handle >= 0 and state is not None and state.st_ino == self._inode:
            return
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._handle = os.open(self._file, flags, 0o644)
        self._inode = os.fstat(self._handle).st_ino
        os.write(self._handle, self._unfinished() + self._header())

    def _unfinished(self) -> bytes:
        """Returns a line break if a killed process left half a line at the end."""
        with open(self._file, "rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return b""
            file.seek(-1, os.SEEK_END)
            return b"" if file.read(1) == b"\n" else b"\n"

    def _rotate(self) -> bool:
        """Renames a full log to FILE.1; returns False while another process does it.

        Raises:
            OSError: It cannot be renamed. Then nothing more is written, as the file is full.
        """
        lock = Path(f"{self._file}.lock")
        try:
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            if time.time() - os.stat(lock).st_mtime > STALE_LOCK:
                lock.unlink()
            return False
        try:
            if os.stat(self._file).st_size > self._limit / 2:  # another process may have done it
                self.close()  # Windows renames no open file
                os.replace(self._file, f"{self._file}.1")
        finally:
            os.close(handle)
            lock.unlink()
        return True

    def _header(self) -> bytes:
        """Returns the line that each process begins with."""
        header = {
            "paretune_log": LOG_VERSION,
            "summary": SUMMARY_VERSION,
            "process": self._process,
            "time": round(time.time(), 3),
            **self._facts(),
            "sample": self._sample,
        }
        return json.dumps(header, separators=(",", ":")).encode() + b"\n"

    def _facts(self) -> dict[str, Any]:
        """Returns what stays the same in each header: the model, versions and host."""
        if self._known is None:
            with open(self._model, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            names = self._about["packages"]
            self._known = {
                "model": digest,
                "file": self._model.name,
                "runtime": self._about["runtime"],
                "versions": {"python": platform.python_version(), **versions_of(names)},
                "host": host(),
            }
        known: dict[str, Any] = self._known
        return known

    def _drop(self, error: Exception) -> None:
        self.dropped += 1
        if not self.error:
            # Once: a service that cannot write its log must not fill another one.
            warn = logging.getLogger("paretune.log").warning
            warn("%s: a call is not logged: %s", self._file, error)
        self.error = f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Closes the file; the next call opens it again."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._inode = -1, None


def versions_of(packages: Any) -> dict[str, Any]:
    """Returns name -> version of packages; None for one that is not installed."""
    versions: dict[str, Any] = {}
    for name in packages:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def own_statistics(summary: Any, rows: Any) -> dict[str, list[Any]]:
    """Returns the statistics of a user's own function: name -> a number for each row."""
    statistics = {}
    for name, values in dict(summary).items():
        numbers = [float(value) for value in values]
        if len(numbers) <= max(rows):
            raise ValueError(f"summary: {name} has {len(numbers)} numbers; give one per example")
        chosen = [numbers[row] for row in rows]
        statistics[f"summary.{name}"] = [
            float(f"{x:.4g}") if abs(x) < float("inf") else None for x in chosen
        ]
    return statistics


def host() -> dict[str, Any]:
    """Returns name, processor and system of this machine, as a manifest has them."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "host": platform.node(),
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1,
        "system": platform.platform(),
        "machine": platform.machine(),
    }


def processor() -> str:
    """Returns the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
