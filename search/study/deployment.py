"""Deployment: a runtime with its options; a plan has one, or one for each target."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
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
        target: Name of the target, or None in a study of one runtime.
        name: Name of the runtime.
        options: The runtime's Params.
    """

    target: str | None
    name: str
    options: Any

    @property
    def runtime(self) -> Any:
        """The runtime's class."""
        return RUNTIMES.get(self.name)

    @property
    def suffix(self) -> str:
        """End of the artifact's file name: `.onnx`, `.phone.pte`."""
        return (f".{self.target}" if self.target else "") + str(self.runtime.suffix)

    def unsupported(self, quantization: Mapping[str, Any] | None) -> list[str]:
        """Returns the quantization modes among these that the runtime does not support."""
        return [mode for mode in quantization or {} if mode not in self.runtime.quantizations]

    def in_supported_format(self, candidate: Candidate) -> Candidate:
        """Returns the candidate, marked for float if the runtime lacks its number format.

        Only its layout is right then. `Pipeline.suited` builds one that is right in accuracy, too.
        """
        unsupported = self.unsupported(candidate.quantization)
        return replace(candidate, quantization=None) if unsupported else candidate


def deployments(plan: Plan) -> tuple[Deployment, ...]:
    """Returns the deployments of a plan, the first target's first."""
    stage = plan.stage("deploy")
    assert stage is not None
    return _deployments(marshal.dumps(dict(stage.params), 2))


@lru_cache
def _deployments(content: bytes) -> tuple[Deployment, ...]:
    """Returns the same for the serialized parameters, which all plans of a study share."""
    params = marshal.loads(content)
    runtimes = params.get("targets") or {None: params["runtime"]}
    options = {target: Slot(RUNTIMES).option(value) for target, value in runtimes.items()}
    return tuple(
        Deployment(target, chosen.name, chosen.params) for target, chosen in options.items()
    )


def first_supporting(deployments: Sequence[Deployment], quantization: Mapping[str, Any]) -> str:
    """Returns the first runtime that supports a quantization; the very first if none does."""
    supporting = [
        deployment for deployment in deployments if not deployment.unsupported(quantization)
    ]
    return (supporting or deployments)[0].name


def rounding_runtime(plan: Plan) -> str | None:
    """Returns the runtime for which a plan trains int8 rounding.

    It is the first target's that supports the plan's quantization, as there is one training for all
    targets. None for a teacher's plan, which is not deployed.
    """
    if plan.stage("deploy") is None:
        return None
    stage = plan.stage("quantize")
    return first_supporting(deployments(plan), stage.params["quantization"] if stage else {})


def placement(runtime: str | None) -> Any:
    """Returns the function that finds the roundings of a runtime's int8; None if it has none."""
    return getattr(RUNTIMES.get(runtime), "placement", None) if runtime else None


def unquantized(plan: Plan) -> Plan:
    """Returns the plan without its quantization."""
    return Plan(tuple(stage for stage in plan.stages if stage.kind != "quantize"))
