"""A schedule that answers to the loss."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from paretune.spaces.training.warmup import WarmupParams, split_warmup


class PlateauParams(WarmupParams):
    """Options of plateau."""

    patience: int = Field(
        3, ge=1, le=10_000, description="epochs without improvement, then it drops"
    )
    gamma: float = Field(0.1, gt=0, lt=1, description="factor of each drop")
    threshold: float = Field(
        1e-4, ge=0, lt=1, description="share of the best loss that counts as an improvement"
    )
    end: float = Field(0.0, ge=0, le=1, description="smallest factor")


class Plateau:
    """Drops when the monitored loss has not improved for some epochs (Recipe.monitor)."""

    Params = PlateauParams

    @staticmethod
    def factor(params: PlateauParams, progress: float) -> float:
        """The warm-up; everything after it comes from `answer`."""
        return split_warmup(progress, params.warmup)[0]

    @staticmethod
    def endless(params: PlateauParams) -> bool:
        """A warm-up takes a share of the whole."""
        return not params.warmup

    @staticmethod
    def answer(params: PlateauParams, losses: Sequence[float]) -> float:
        """A further factor: max(end, gamma ** drops), from the losses of all epochs so far.

        An epoch improves when its loss is below (1 - threshold) * the best one before it; after
        `patience` epochs in a row that do not, the rate drops and counting begins anew. (torch's
        ReduceLROnPlateau with a patience that is one smaller: it drops after the epoch that
        exceeds it.) A function of the losses alone, so nothing has to be kept between epochs.
        """
        best, waited, drops = float("inf"), 0, 0
        for loss in losses:
            if loss < best * (1 - params.threshold):
                best, waited = loss, 0
                continue
            waited += 1
            if waited == params.patience:
                waited, drops = 0, drops + 1
        return max(params.end, params.gamma**drops)
