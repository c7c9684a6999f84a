"""The latency of an exported file beside the baseline's, measured as the study measured it.

By our own `latency` in this process, rather than by the clean process: interrupted runs do not
count, other workers of this host hold still, and its interval knows the machine's drift, so that it
can be compared with the study's. What a clean process could add, other bytes or another runtime,
the digest and the outputs have told before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.runtimes.base import Artifact
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.tables import OBJECTIVES, RUNTIMES

LATENCY = "latency"


@dataclass(frozen=True)
class Ratio:
    """A latency over the baseline's, with its 95 % interval and where it was measured."""

    value: float
    low: float
    high: float
    host: str | None = None
    cpu: str | None = None

    @staticmethod
    def of(measured: Measurement, reference: Measurement) -> Ratio:
        """Of a measurement that was taken beside the baseline.

        Args:
            measured: Its milliseconds are its ratio to the baseline, times the reference's; so is
                its interval.
            reference: The baseline's own latency.
        """
        scale = reference.value
        said = measured.conditions
        return Ratio(
            measured.value / scale,
            measured.low / scale,
            measured.high / scale,
            said.get("host"),
            said.get("cpu"),
        )

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def text(self) -> str:
        """`0.226 times (0.21-0.24)`."""
        return f"{self.value:.3g} times ({self.low:.3g}-{self.high:.3g})"


class ProbeData:
    """Prepared inputs as data to time with.

    Args:
        inputs: [B, ...], as the model takes them.
        labels: int64 [B].
        shape: Of one input: (C, H, W), or (length, vocabulary).
        classes: Their number.
    """

    def __init__(
        self, inputs: np.ndarray, labels: np.ndarray, shape: tuple[int, ...], classes: int
    ) -> None:
        self._inputs, self._labels = inputs, labels
        self.shape: Any = shape
        self.classes = classes

    def size(self, part: str) -> int:
        """Number of examples."""
        return len(self._labels)

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One pass in order."""
        for start in range(0, len(self._labels), batch_size):
            rows = slice(start, start + batch_size)
            yield self._inputs[rows], self._labels[rows]


def beside_baseline(
    folder: Path,
    artifact: Mapping[str, Any],
    baseline: Mapping[str, Any],
    data: ProbeData,
    times: float = 1.0,
) -> Measurement:
    """The latency of an export's file, run in turn with the baseline's.

    Args:
        folder: Of the export.
        artifact: The file's entry in the manifest; `expected.latency` says how it was measured.
        baseline: The entry of the baseline's file.
        data: Inputs.
        times: The study's time for it, so many times.

    Raises:
        Unmeasurable: A file cannot be run here.
    """
    objective = OBJECTIVES.get(LATENCY)
    expected = artifact["expected"][LATENCY]
    params = objective.Params.model_validate(dict(expected["options"]))
    # A study may spread its blocks over hours; who waits for this is at the keyboard.
    params = params.model_copy(update={"seconds": times * params.seconds, "spread": 0.0})
    entry = RUNTIMES.get(artifact["runtime"])
    subject = Subject(
        _artifact(folder, artifact),
        entry,
        entry.Params.model_validate(artifact["options"]),
        None,  # type: ignore[arg-type]  # a clock looks at the artifact alone
        data,
        _artifact(folder, baseline),
        {LATENCY: Measurement(**expected["reference"])},
    )
    with host_lock.measuring():
        measured: Measurement = objective.measure(subject, params, "validation")
    return measured


def _artifact(folder: Path, entry: Mapping[str, Any]) -> Artifact:
    return Artifact(folder / entry["file"], entry["runtime"], entry["sha256"], entry["bytes"], {})
