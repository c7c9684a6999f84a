"""Structured pruning: removes whole channels, neurons and attention heads with all coupled weights.

Torch-Pruning's graph finds the coupled weights. How many units each layer loses is decided here:
Torch-Pruning's own `round_to` skips a layer that would round to nothing, so a higher ratio could
leave a larger network. Here at least one rounded group stays in each layer, and a higher ratio
never keeps more.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context, Step
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
    version = 3  # 1 did not prune the layer before the last one, 2 no heads

    class Params(Params):
        """Options of structured pruning."""

        criterion: Criterion = Field(
            "magnitude",
            description="importance of a channel; the least important go first: L2 norm "
            "(magnitude) or L1 norm of its weights, distance to other filters (fpgm), LAMP, batch "
            "norm scale, Taylor or Hessian of the loss, or random",
        )
        ratio: float | None = Field(
            None, ge=0, lt=1, description="share of each layer's channels, or of all, to remove"
        )
        macs: float | None = Field(
            None, gt=0, le=1, description="share of the multiply-adds that remains, within 2 %"
        )
        per_layer: dict[str, Ratio] = Field(
            {},
            description="ratio of single layers, by name or by position in the network (2/8 is the "
            "second eighth); or one domain for every layer",
        )
        scope: Literal["uniform", "global", "sensitivity"] = Field(
            "uniform",
            description="how the amount is spread: the same ratio in each layer (uniform), one "
            "ranking of all channels (global), or first where the measured loss rises least "
            "(sensitivity)",
        )
        round_to: int = Field(
            8, ge=1, description="a pruned layer keeps a multiple of this many channels"
        )
        ignore: list[str] = Field([], description="names of modules that are not pruned")
        images: int = Field(
            256, ge=1, le=1_000_000, description="training images for gradients and sensitivity"
        )
        steps: int = Field(
            1, ge=1, le=100, description="number of pruning rounds, with training between them"
        )
        between: Recipe = Field(
            Recipe(epochs=1), description="recipe of the training between two rounds"
        )

        @model_validator(mode="after")
        def _one_amount(self) -> Structured.Params:
            if self.macs is not None and self.ratio is not None:
                raise ValueError("give ratio or macs, not both: each sets how much to remove")
            if self.macs is not None and self.per_layer:
                raise ValueError("give per_layer with ratio, not with macs")
            if self.macs is None and self.ratio is None and not self.per_layer:
                raise ValueError("give ratio, macs or per_layer: how much to remove")
            check_slots(self.per_layer)
            return self

    @staticmethod
    def trains(params: Params) -> bool:
        """Returns whether the network is trained between rounds."""
        return params.steps > 1 and params.between.epochs > 0

    @staticmethod
    def epochs(params: Params) -> int:
        """Returns the epochs of the training between rounds, in total."""
        return (params.steps - 1) * params.between.epochs

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the pruned candidate; `info` has the removed units of each layer and the savings.

        Raises:
            InfeasibleCandidate: No layer can be pruned, a target cannot be met, a name is unknown,
                or the pruned network cannot run.
        """
        from paretune.spaces.pruning.rounds import PruningRounds

        model = copy.deepcopy(candidate.model).cpu().eval()
        rounds = PruningRounds(model, candidate, params, context)
        info = rounds.run()
        return candidate.with_step(rounds.model, Step("structured", params.model_dump(), info))

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """Returns a candidate in the shape of `apply`'s result, without training or gradients.

        Returns None if the shape depends on trained weights. It does not if all layers have one
        ratio, if each has its own, or if a target in multiply-adds is met in one round.

        Raises:
            InfeasibleCandidate: As for `apply`.
        """
        if params.scope != "uniform" and not params.per_layer:
            return None
        if params.macs is not None and params.steps > 1:
            return None  # each round starts from the weights that the last training left
        criterion = "magnitude" if params.criterion in GRADIENTS else params.criterion
        quick = params.model_copy(update={"steps": 1, "criterion": criterion})
        return Structured.apply(candidate, quick, context)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Removes the same channels and heads from a fresh model as `apply` did, without data."""
        from paretune.spaces.pruning.rounds import replay

        replay(model, info["removed"], info.get("rounds", ()), shape)
        return model
