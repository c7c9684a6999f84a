"""Targets: the deployments of a study's candidates, and the quantities measured on them.

A study with one runtime has one target without a name. Quantities of the model alone (parameters,
MACs) are measured with the first target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from paretune.objectives.base import Measurement, Subject
from paretune.search.measuring.gauge import Gauge
from paretune.search.study.deployment import Deployment
from paretune.search.study.quantity import Quantity, depends_on_artifact, local_values
from paretune.search.study.tables import OBJECTIVES

if TYPE_CHECKING:
    from paretune.objectives.device_use import DeviceUse
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.spec import StudySpec

NO_MODEL = cast(Any, None)
"""Model of a subject if no quantity needs one: a timing runs the artifact alone."""

NO_ARTIFACT = cast(Any, None)
"""Artifact of a subject if every quantity follows from the model."""

DEPLOYING = 0.4
"""Seconds that a small network takes to become a file, and to be checked and scored."""

TIMED = 0.25
"""Share of the seconds of a timing that it usually takes."""


@dataclass(frozen=True)
class Target:
    """A deployment of a study, with what is measured there.

    Attributes:
        deployment: Runtime and options.
        gauge: What is measured.
        device: The device that its files are measured on; None for this host.
    """

    deployment: Deployment
    gauge: Gauge
    device: DeviceUse | None = None

    @property
    def name(self) -> str | None:
        """Target name; None for a study with one runtime."""
        return self.deployment.target

    @property
    def trial_seconds(self) -> float:
        """Seconds that a trial takes to deploy and to measure, on a common processor."""
        return DEPLOYING + TIMED * self.gauge.timing_seconds

    def subject(
        self,
        artifact: Artifact,
        model: Any,
        data: Dataset,
        baseline: Artifact | None = None,
        reference: Mapping[str, Measurement] | None = None,
        stage_seconds: Mapping[str, float] | None = None,
    ) -> Subject:
        """Returns an artifact of this target, ready to be measured.

        Args:
            artifact: File for this target.
            model: Float model behind it; `NO_MODEL` if no quantity needs it.
            data: The study's data.
            baseline: The baseline's artifact for this target; None for the baseline itself.
            reference: The baseline's measurements, as the study names them.
            stage_seconds: As in Subject.
        """
        return Subject(
            artifact,
            self.deployment.runtime,
            self.deployment.options,
            model,
            data,
            baseline,
            local_values(reference or {}, self.name),
            stage_seconds or {},
            self.device,
        )

    def host(self, host: str) -> str:
        """Returns what timings of this target hold for: this host, or the target's device.

        The study refuses another device under the name of a target.

        Args:
            host: Digest of this host's fingerprint.
        """
        return host if self.device is None else f"device of {self.name or 'the study'}"

    def without_load(self) -> Target:
        """Returns the target without the sustained latency, which takes minutes of load."""
        if self.device is None or self.device.sustained is None:
            return self
        device = replace(self.device, sustained=None)
        return replace(self, gauge=self.gauge.without_load(), device=device)

    def measure(self, subject: Subject) -> list[Measurement]:
        """Measures everything on the validation part, under the names of the study.

        Raises:
            Unmeasurable: A quantity cannot be measured.
        """
        return self.named(self.gauge.measure(subject))

    def test(self, artifact: Artifact, data: Dataset) -> list[Measurement]:
        """Measures what depends on data on the test part; empty if there is no test part."""
        return self.named(self.gauge.test(self.subject(artifact, NO_MODEL, data)))

    def tested_names(self) -> set[str]:
        """Returns the names of what `test` measures at least."""
        return {self._name(name) for name in self.gauge.tested_names()}

    def named(self, measurements: Sequence[Measurement]) -> list[Measurement]:
        """Returns measurements of this target's artifact under the names of the study."""
        return [replace(m, name=self._name(m.name)) for m in measurements]

    def _name(self, local: str) -> str:
        quantity = Quantity.of(local)
        differs = depends_on_artifact(OBJECTIVES.get(quantity.objective))
        return quantity.at(self.name).name if differs else local


def targets_of(
    spec: StudySpec,
    deployments: Sequence[Deployment],
    devices: Mapping[str | None, DeviceUse] | None = None,
) -> tuple[Target, ...]:
    """Returns the targets of a study.

    Args:
        spec: The study.
        deployments: Deployments of its plans, in order.
        devices: Target -> its device, of those that are not measured on this host.
    """
    first = deployments[0].target
    return tuple(
        Target(
            each,
            Gauge.of(spec, each.target, each.target == first),
            (devices or {}).get(each.target),
        )
        for each in deployments
    )
