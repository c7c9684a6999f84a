"""The ratio of an exported file's latency to that of the baseline, measured as in the study.

It is measured by Paretune's own `latency` in this process, not in the clean process: interrupted
runs do not count, other workers of this host pause (it waits a second for that), and the
interval includes the machine's drift. So it can be compared with the ratio in the study. The checks
of digest and outputs have already shown that bytes and runtime are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretune.inputs import Shape, signature_of
from paretune.objectives.base import Measurement, Subject
from paretune.objectives.calm import QUICK_CHECK, calm
from paretune.objectives.runtimes.base import Artifact
from paretune.search.measuring.gauge import mark_alone
from paretune.search.measuring.host_lock import host_lock
from paretune.search.measuring.targets import NO_MODEL
from paretune.search.study.tables import OBJECTIVES, RUNTIMES
from paretune.search.tasks.classification import classification

LATENCY = "latency"


@dataclass(frozen=True)
class LatencyRatio:
    """A latency divided by that of the baseline, with its 95 % interval, host and processor."""

    value: float
    low: float
    high: float
    host: str | None = None
    cpu: str | None = None

    @staticmethod
    def of(measured: Measurement, reference: Measurement) -> LatencyRatio:
        """Returns the ratio behind a latency that was measured in turn with the baseline.

        Args:
            measured: Latency in ms: its ratio to the baseline, times `reference`. The interval is
                scaled in the same way.
            reference: The baseline's own latency.
        """
        scale = reference.value
        return LatencyRatio(
            measured.value / scale,
            measured.low / scale,
            measured.high / scale,
            measured.conditions.get("host"),
            measured.conditions.get("cpu"),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns all fields."""
        return asdict(self)

    def text(self) -> str:
        """Returns `0.226 times (0.21-0.24)`."""
        return f"{self.value:.3g} times ({self.low:.3g}-{self.high:.3g})"


class ProbeData:
    """The inputs of an export's probe, as data for a timing.

    Args:
        inputs: Model inputs [B, ...], in order.
        shape: What the model takes.
    """

    def __init__(self, inputs: Sequence[np.ndarray], shape: Shape) -> None:
        self._inputs = inputs
        self.shape: Any = shape
        self.task = classification(2)  # a timing asks for inputs only

    def size(self, part: str) -> int:
        """Returns the number of examples."""
        return len(self._inputs[0])

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields one ordered pass as (inputs in the network's form, zeros)."""
        signature = signature_of(self.shape)
        for start in range(0, self.size(part), batch_size):
            rows = slice(start, start + batch_size)
            inputs = signature.nest([each[rows] for each in self._inputs])
            yield inputs, np.zeros(len(self._inputs[0][rows]), dtype=np.int64)


def measure_latency(
    folder: Path,
    artifact: Mapping[str, Any],
    baseline: Mapping[str, Any],
    data: ProbeData,
    times: float = 1.0,
) -> Measurement:
    """Measures the latency of an exported file, in turn with the file of the baseline.

    Args:
        folder: Folder of the export.
        artifact: The file's entry in the manifest; `expected.latency` has the options.
        baseline: The entry of the baseline's file.
        data: Inputs.
        times: Factor on the time that the study took for it.

    Raises:
        Unmeasurable: A file cannot be run here.
    """
    objective = OBJECTIVES.get(LATENCY)
    expected = artifact["expected"][LATENCY]
    params = objective.Params.model_validate(dict(expected["options"]))
    # A study may spread its blocks over hours; here, a person waits for the result.
    params = params.model_copy(update={"seconds": times * params.seconds, "spread": 0.0})
    runtime = RUNTIMES.get(artifact["runtime"])
    subject = Subject(
        _artifact(folder, artifact),
        runtime,
        runtime.Params.model_validate(artifact["options"]),
        NO_MODEL,
        data,
        _artifact(folder, baseline),
        {LATENCY: Measurement(**expected["reference"])},
    )
    with calm.at_most(QUICK_CHECK), host_lock.measuring() as solitude:
        measured: Measurement = mark_alone(
            objective.measure(subject, params, "validation"), solitude.value
        )
    return measured


def _artifact(folder: Path, entry: Mapping[str, Any]) -> Artifact:
    return Artifact(folder / entry["file"], entry["runtime"], entry["sha256"], entry["bytes"], {})
