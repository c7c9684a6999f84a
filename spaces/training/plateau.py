"""A learning-rate schedule that depends on the loss."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from paretune.spaces.training.warmup import WarmupParams, split_warmup


class PlateauParams(WarmupParams):
    """Options of plateau."""

    patience: int = Field(
        3, ge=1, le=10_000, description="epochs without improvement before the rate drops"
    )
    gamma: float = Field(0.1, gt=0, lt=1, description="factor of the rate at each drop")
    threshold: float = Field(
        1e-4,
        ge=0,
        lt=1,
        description="smallest decrease of the loss that counts as an improvement, as a share of "
        "the best loss",
    )
    end: float = Field(0.0, ge=0, le=1, description="smallest factor of the rate after all drops")


class Plateau:
    """Lowers the rate when the monitored loss has not improved for some epochs."""

    Params = PlateauParams

    @staticmethod
    def factor(params: PlateauParams, progress: float) -> float:
        """Returns the factor of the warm-up; drops are the factor of `loss_factor`."""
        return split_warmup(progress, params.warmup)[0]

    @staticmethod
    def endless(params: PlateauParams) -> bool:
        """Returns True unless there is a warm-up, which is a share of the whole training."""
        return not params.warmup

    @staticmethod
    def loss_factor(params: PlateauParams, losses: Sequence[float]) -> float:
        """Returns a second factor, max(end, gamma ** drops), from the losses of all past epochs.

        An epoch is an improvement if its loss is below (1 - threshold) * the best one before. After
        `patience` other epochs in a row the rate drops and the count restarts. This equals torch's
        ReduceLROnPlateau with a patience smaller by one, which drops after the epoch that exceeds
        it. The factor depends on the losses alone, so no state is kept between epochs.
        """
        best, waiting, drops = float("inf"), 0, 0
        for loss in losses:
            if loss < best * (1 - params.threshold):
                best, waiting = loss, 0
                continue
            waiting += 1
            if waiting == params.patience:
                waiting, drops = 0, drops + 1
        return max(params.end, params.gamma**drops)
