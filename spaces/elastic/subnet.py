"""The technique that cuts a subnet out of an elastic network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.elastic.space import RESOLUTION, Choice
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch

    from paretune.spaces.elastic.arrangement import Arrangement


class Subnet:
    """Cuts a subnet out of an elastic network, with weights of its own."""

    name = "subnet"
    version = 1

    class Params(Params):
        """Options of subnet."""

        choice: dict[str, float] = Field(
            {},
            description="width, depth and resolution of the subnet: name of a dimension -> value; "
            "a dimension that is left out is that of the full network",
        )
        calibration: int = Field(
            1024,
            ge=1,
            le=1_000_000,
            description="training examples for the statistics of batch normalizations",
        )

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the subnet with weights of its own and statistics of its own batches.

        The choice of the full network changes nothing.

        Raises:
            InfeasibleCandidate: The network has no arrangement, or the choice is not in its space.
        """
        from paretune.spaces.elastic.calibration import calibrate

        result = Subnet.outline(candidate, params, context)
        if result.history[-1].info["choice"] != result.history[-1].info["full"]:
            calibrate(result.model, context, params.calibration)
        return result

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the subnet before its statistics are measured.

        Raises:
            InfeasibleCandidate: As for `apply`.
        """
        from paretune.spaces.elastic.arrangement import arrangement_of
        from paretune.spaces.macs import count_macs
        from paretune.spaces.pruning.unit_count import unit_count

        arrangement = arrangement_of(candidate)
        space, shape = arrangement.space, candidate.shape
        try:
            choice = space.checked(params.choice)
        except ValueError as error:
            raise InfeasibleCandidate(str(error)) from None
        model = copy.deepcopy(candidate.model).cpu().eval()
        before = [_size(model), count_macs(model, shape), unit_count(model, shape)]
        blocks = space.blocks_left_out(choice)
        info: dict[str, Any] = {
            "choice": choice,
            "full": space.full,
            "removed": _narrowed(model, candidate, arrangement, choice),
            "left_out": [[name, arrangement.pairs[name]] for name in blocks],
            "resized": _resized(choice, space.full, candidate),
            "kept_whole": dict(arrangement.kept_whole),
        }
        model = _finished(model, info, shape)
        after = [_size(model), count_macs(model, shape), unit_count(model, shape)]
        for key, *values in zip(("parameters", "macs", "units"), before, after, strict=True):
            info[key] = values
        return candidate.with_step(model, Step("subnet", params.model_dump(), info))

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Cuts a fresh network as `apply` did."""
        from paretune.spaces.pruning.rounds import replay

        replay(model, info["removed"], (), shape)
        return _finished(model, info, shape)


def _narrowed(
    model: torch.nn.Module, candidate: Candidate, arrangement: Arrangement, choice: Choice
) -> list[Any]:
    """Removes units in place, and returns the entries for the history."""
    from paretune.spaces.elastic.cutting import cut_layers, prunable_layers
    from paretune.spaces.pruning.graph import unfrozen

    staying = arrangement.units(choice)
    if not staying:
        return []
    with unfrozen(model):
        layers = prunable_layers(model, candidate.shape)
        return cut_layers(layers, arrangement.orders, staying)


def _resized(choice: Choice, full: Choice, candidate: Candidate) -> list[Any] | None:
    """Returns [side in pixels, whether outputs return to the images' size]; None if not resized."""
    if choice.get(RESOLUTION) == full.get(RESOLUTION):
        return None
    return [int(choice[RESOLUTION]), candidate.outputs.per == "pixel"]


def _finished(model: torch.nn.Module, info: Mapping[str, Any], shape: Shape) -> torch.nn.Module:
    """Leaves blocks out of a narrowed network, and resizes its images first."""
    from paretune.spaces.elastic.resolutions import resized
    from paretune.spaces.pruning.blocks import leave_out

    for name, pair in info["left_out"]:
        leave_out(model, name, pair)
    return resized(model, shape, *info["resized"]) if info["resized"] else model


def _size(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
