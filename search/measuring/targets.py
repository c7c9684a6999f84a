"""Targets: where a study's candidates are deployed, each with what is measured there.

A study of one runtime has one target without a name. What the model alone decides (parameters,
MACs) is measured with the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.search.measuring.gauge import Gauge
from paretune.search.study.deployment import Deployment
from paretune.search.study.quantity import Quantity, local_of, of_artifact
from paretune.search.study.tables import OBJECTIVES

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.labelled import Labelled
    from paretune.search.study.spec import StudySpec


@dataclass(frozen=True)
class Target:
    """A place of deployment.

    Attributes:
        place: Runtime and options.
        gauge: What is measured there.
    """

    deployment: Deployment
    gauge: Gauge

    @property
    def name(self) -> str | None:
        """Its name; None in a study of one runtime."""
        return self.deployment.target

    def measure(
        self,
        artifact: Artifact,
        model: Any,
        data: Labelled,
        baseline: Artifact | None,
        reference: Mapping[str, Measurement],
        made: Mapping[str, float] | None = None,
    ) -> list[Measurement]:
        """Everything that is measured here, on the validation part.

        Args:
            artifact: For this target.
            model: The float model it was made from.
            data: The study's.
            baseline: The baseline's artifact for this target; None for the baseline itself.
            reference: The baseline's measurements, as the study names them.
            made: As in Subject.

        Raises:
            Unmeasurable: A quantity cannot be measured.
        """
        known = local_of(reference, self.name)
        runtime, options = self.deployment.runtime, self.deployment.options
        found = self.gauge.measure(artifact, runtime, options, model, data, baseline, known, made)
        return self.named(found)

    def test(self, artifact: Artifact, data: Labelled) -> list[Measurement]:
        """What depends on data, on the test part; empty when there is none."""
        runtime, options = self.deployment.runtime, self.deployment.options
        return self.named(self.gauge.test(artifact, runtime, options, None, data))

    def named(self, found: Sequence[Measurement]) -> list[Measurement]:
        """Measurements of this target's artifact, as the study names them."""
        return [replace(m, name=self._name(m.name)) for m in found]

    def _name(self, local: str) -> str:
        quantity = Quantity.of(local)
        here = of_artifact(OBJECTIVES.get(quantity.objective))
        return quantity.at(self.name).name if here else local


def targets_of(spec: StudySpec, where: Sequence[Deployment]) -> tuple[Target, ...]:
    """The targets of a study.

    Args:
        spec: The study.
        where: Where its plans are deployed.
    """
    first = where[0].target
    return tuple(Target(p, Gauge.of(spec, p.target, p.target == first)) for p in where)
