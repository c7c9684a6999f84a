"""Where a plan is deployed: one runtime, or a runtime for each target of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.search.study.plan import Plan
from paretune.search.study.tables import RUNTIMES
from paretune.spaces.table import Slot

if TYPE_CHECKING:
    from paretune.spaces.base import Candidate


@dataclass(frozen=True)
class Deployment:
    """A runtime with its checked options.

    Attributes:
        target: The target's name, or None in a study of one runtime.
        name: Of the runtime.
        options: Its Params.
    """

    target: str | None
    name: str
    options: Any

    @property
    def runtime(self) -> Any:
        """The runtime."""
        return RUNTIMES.get(self.name)

    @property
    def suffix(self) -> str:
        """Of this place's file: `.onnx`, `.phone.pte`."""
        return (f".{self.target}" if self.target else "") + str(self.runtime.suffix)

    def lacks(self, quantization: Mapping[str, Any] | None) -> list[str]:
        """The quantization modes among these that the runtime does not have."""
        return [mode for mode in quantization or {} if mode not in self.runtime.quantizations]

    def unmarked(self, candidate: Candidate) -> Candidate:
        """The candidate, to be deployed in float where its number format is lacking here.

        Its layout is right; whose figures are to count, `Pipeline.suited` makes without that stage.
        """
        lacking = self.lacks(candidate.quantization)
        return replace(candidate, quantization=None) if lacking else candidate


def deployments(plan: Plan) -> tuple[Deployment, ...]:
    """Where a plan is deployed, the first target first."""
    stage = plan.stage("deploy")
    assert stage is not None
    given = stage.params.get("targets") or {None: stage.params["runtime"]}
    found = []
    for target, described in given.items():
        option = Slot(RUNTIMES).option(described)
        found.append(Deployment(target, option.name, option.params))
    return tuple(found)


def trained_for(where: Sequence[Deployment], quantization: Mapping[str, Any]) -> str:
    """The runtime whose rounding is trained in: of the first place that has the mode."""
    able = [deployment for deployment in where if not deployment.lacks(quantization)]
    return (able or where)[0].name


def rounding_runtime(plan: Plan) -> str | None:
    """The runtime whose int8 a plan trains for; None for a teacher's plan, which is not deployed.

    Of several targets it is the first that has the mode: there is one training for all.
    """
    if plan.stage("deploy") is None:
        return None
    stage = plan.stage("quantize")
    return trained_for(deployments(plan), stage.params["quantization"] if stage else {})


def placement(runtime: str | None) -> Any:
    """What says where a runtime's int8 rounds; None where it has none to train for."""
    return getattr(RUNTIMES.get(runtime), "placement", None) if runtime else None


def unquantized(plan: Plan) -> Plan:
    """The plan as it is before anything is quantized."""
    return Plan(tuple(stage for stage in plan.stages if stage.kind != "quantize"))
