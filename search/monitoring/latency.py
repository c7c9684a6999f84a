"""Compares the durations of logged calls with the latency in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from paretune.search.monitoring.call_records import CallRecords

SLOWER = 1.5
"""Factor on the recorded latency that matters. A study times a warm network without pauses and on a
calm machine; calls of a service come with pauses, and share the machine."""

CALL_MS = 0.05
"""Milliseconds that a call may take beside: a study times a network without pauses, so that it is
in the processor's cache. This counts for networks of microseconds only."""

LEAST_CALLS = 20
"""Least calls of one batch size for a comparison."""

MOST_ROWS = 8
"""Batch sizes that are shown, those with most calls."""

Verdict = Literal["ok", "off", "not compared"]


@dataclass(frozen=True)
class Latency:
    """The durations of calls with one batch size on one host, in ms.

    Attributes:
        host: Name of the host.
        cpu: Its processor.
        batch: Examples of each call.
        calls: Number of calls.
        median: Median.
        low: Lower end of the median's 95 % interval.
        high: Upper end.
        p95: 95th percentile.
        recorded: Latency in the manifest; None if there is none for this batch size.
        recorded_low: Lower end of its 95 % interval.
        recorded_high: Upper end.
        ratio: Median / recorded; None on another host, where it would mean nothing.
        level: "off" if it is slower on the same host.
        reason: Why it is not compared; empty if it is.
    """

    host: str
    cpu: str
    batch: int
    calls: int
    median: float
    low: float
    high: float
    p95: float
    recorded: float | None
    recorded_low: float | None
    recorded_high: float | None
    ratio: float | None
    level: Verdict
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields."""
        return asdict(self)


@dataclass(frozen=True)
class RecordedLatency:
    """The latency of an exported file in its study, in ms.

    Attributes:
        value: Median of the runs.
        low: Lower end of its 95 % interval.
        high: Upper end.
        batch: Examples of one run.
        host: Name of the host.
        cpu: Its processor.
    """

    value: float
    low: float
    high: float
    batch: int
    host: str
    cpu: str


def recorded_latency(
    content: Mapping[str, Any], artifact: Mapping[str, Any]
) -> RecordedLatency | None:
    """Returns the latency of a file in the manifest; None if it was not measured.

    Args:
        content: Content of the manifest.
        artifact: The file's entry.
    """
    measured = content["measurements"]["validation"].get("latency")
    if not artifact["measured"] or not measured or not measured["value"]:
        return None
    conditions = measured["conditions"]
    scale = 1.0
    if conditions.get("statistic", "p50") != "p50":  # the study has another percentile
        scale = conditions.get("p50_ms", measured["value"]) / measured["value"]
    value, low, high = (scale * measured[key] for key in ("value", "low", "high"))
    batch, host, cpu = (conditions.get(key) for key in ("batch", "host", "cpu"))
    return RecordedLatency(value, low, high, int(batch or 1), str(host), str(cpu))


def latencies(records: CallRecords, recorded: RecordedLatency | None) -> list[Latency]:
    """Returns the durations by host and batch size; those with most calls first."""
    groups: dict[tuple[str, str, int], list[float]] = {}
    rows = zip(records.process, records.seconds, records.batch, strict=True)
    for process, seconds, batch in rows:
        host = records.headers[process]["host"]
        key = (str(host.get("host")), str(host.get("cpu")), int(batch))
        groups.setdefault(key, []).append(1000 * float(seconds))
    largest = sorted(groups.items(), key=lambda item: -len(item[1]))[:MOST_ROWS]
    return [_latency(key, np.array(ms), recorded) for key, ms in largest]


def _latency(
    key: tuple[str, str, int], ms: np.ndarray, recorded: RecordedLatency | None
) -> Latency:
    host, cpu, batch = key
    low, high = median_interval(ms)
    same_batch = recorded is not None and recorded.batch == batch
    reason = _reason(key, len(ms), recorded)
    ratio, level = None, "not compared"
    if recorded is not None and not reason:
        ratio = float(np.median(ms)) / recorded.value
        level = "off" if low > SLOWER * recorded.high + CALL_MS else "ok"
    return Latency(
        host,
        cpu,
        batch,
        len(ms),
        float(np.median(ms)),
        low,
        high,
        float(np.quantile(ms, 0.95)),
        recorded.value if recorded and same_batch else None,
        recorded.low if recorded and same_batch else None,
        recorded.high if recorded and same_batch else None,
        ratio,
        level,  # type: ignore[arg-type]
        reason,
    )


def _reason(key: tuple[str, str, int], calls: int, recorded: RecordedLatency | None) -> str:
    """Returns why calls are not compared with the manifest; empty if they are."""
    host, cpu, batch = key
    if recorded is None:
        return "the manifest has no latency of this file"
    if batch != recorded.batch:
        return f"the study measured batches of {recorded.batch}"
    if (host, cpu) != (recorded.host, recorded.cpu):
        machine = recorded.cpu if recorded.cpu != cpu else f"host {recorded.host}"
        return f"measured on another host ({machine})"
    if calls < LEAST_CALLS:
        return f"{calls} calls; {LEAST_CALLS} are needed"
    return ""


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % interval of a median: two order statistics, by the binomial distribution."""
    from scipy.stats import binom

    ordered, count = np.sort(values), len(values)
    rank = int(binom.ppf(0.025, count, 0.5))
    low = max(rank - 1, 0)
    return float(ordered[low]), float(ordered[count - 1 - low])
