"""Structured pruning: whole channels, neurons and attention heads go, with what is coupled to them.

Torch-Pruning's graph says what is coupled; how much goes where is decided here. Its own `round_to`
skips a layer that would round to nothing, so that a higher ratio could leave a bigger network; here
at least one rounded group stays in each layer, and a higher ratio never keeps more.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from paretune.spaces.base import Candidate, Context, Step
from paretune.spaces.inputs import Shape
from paretune.spaces.params import Params
from paretune.spaces.pruning.criteria import GRADIENTS, Criterion
from paretune.spaces.pruning.layer_ratios import check_slots
from paretune.spaces.training.recipe import Recipe

if TYPE_CHECKING:
    import torch

Ratio = Annotated[float, Field(ge=0, lt=1)]


class Structured:
    """Removes whole channels, neurons and attention heads by importance (Torch-Pruning)."""

    name = "structured"
    version = 3  # 1 left the layer before the last one whole, 2 all attention heads

    class Params(Params):
        """Options of structured pruning."""

        criterion: Criterion = Field(
            "magnitude",
            description="what matters least: L2 or L1 norm, distance to other filters (fpgm), "
            "LAMP, batch norm scale, Taylor or Hessian of the loss",
        )
        ratio: float | None = Field(
            None, ge=0, lt=1, description="share of each layer's channels, or of all, that goes"
        )
        macs: float | None = Field(
            None, gt=0, le=1, description="share of the multiply-adds that stays, met within 2 %"
        )
        per_layer: dict[str, Ratio] = Field(
            {},
            description="ratio by layer name, or by place in the network (2/8); or one domain for "
            "every layer",
        )
        scope: Literal["uniform", "global", "sensitivity"] = Field(
            "uniform",
            description="the same ratio in each layer, one ranking over all layers, or first what "
            "raises the loss least (measured)",
        )
        round_to: int = Field(8, ge=1, description="channels that stay are a multiple of this")
        ignore: list[str] = Field([], description="modules to leave whole, by name")
        images: int = Field(
            256, ge=1, le=1_000_000, description="training images for gradients and sensitivity"
        )
        steps: int = Field(
            1, ge=1, le=100, description="prune little by little, with training between"
        )
        between: Recipe = Field(
            Recipe(epochs=1), description="how the network is trained between the steps"
        )

        @model_validator(mode="after")
        def _one_amount(self) -> Structured.Params:
            if self.macs is not None and self.ratio is not None:
                raise ValueError("give ratio or macs, not both: each says how much goes")
            if self.macs is not None and self.per_layer:
                raise ValueError("per_layer goes with ratio, not with macs")
            if self.macs is None and self.ratio is None and not self.per_layer:
                raise ValueError("say how much goes: give ratio, macs or per_layer")
            check_slots(self.per_layer)
            return self

    @staticmethod
    def trains(params: Params) -> bool:
        """Whether the network is trained between steps."""
        return params.steps > 1 and params.between.epochs > 0

    @staticmethod
    def epochs(params: Params) -> int:
        """Of the training between steps."""
        return (params.steps - 1) * params.between.epochs

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The pruned candidate; `info` holds what went, layer by layer, and what that saved.

        Raises:
            InfeasibleCandidate: No layer can be pruned, an amount cannot be met, a name is unknown,
                or the network cannot run afterwards.
        """
        from paretune.spaces.pruning.rounds import PruningRounds

        model = copy.deepcopy(candidate.model).cpu().eval()
        rounds = PruningRounds(model, candidate, params, context)
        info = rounds.run()
        return candidate.with_step(rounds.model, Step("structured", params.model_dump(), info))

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """As `apply` at once, without gradients; None where the weights say how much goes where.

        With one ratio for all layers, or one for each, how many units stay follows from how many
        there are; so it does where multiply-adds are met in one step.

        Raises:
            InfeasibleCandidate: As `apply`.
        """
        if params.scope != "uniform" and not params.per_layer:
            return None
        if params.macs is not None and params.steps > 1:
            return None  # each step goes on from where training left the last one
        known = "magnitude" if params.criterion in GRADIENTS else params.criterion
        quick = params.model_copy(update={"steps": 1, "criterion": known})
        return Structured.apply(candidate, quick, context)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Removes from a fresh model the same channels and heads as `apply` did, without data."""
        from paretune.spaces.pruning.rounds import replay

        replay(model, info["removed"], shape)
        return model
