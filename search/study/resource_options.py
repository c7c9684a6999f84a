"""The section `resources`: what a cluster reserves for each kind of stage."""

from __future__ import annotations

from pydantic import Field

from paretune.spaces.params import Params


class TrainResources(Params):
    """What a worker reserves that trains."""

    cpu: int = Field(1, ge=1, le=1024, description="cores, which are also its training threads")
    gpu: float = Field(
        0.0, ge=0, le=64, description="GPUs; 0.5 lets two workers share one", allow_inf_nan=False
    )


class MeasureResources(Params):
    """What a worker reserves that measures, and where it runs."""

    cpu: int = Field(1, ge=1, le=1024, description="cores")
    gpu: float = Field(0.0, ge=0, le=64, description="GPUs", allow_inf_nan=False)
    host: str | None = Field(
        None,
        min_length=1,
        description="the only host that times are taken on: its host name, its address, or a "
        "resource of its Ray node; null: each worker measures what it trains",
    )


class ResourceParams(Params):
    """What a cluster reserves for each kind of stage."""

    train: TrainResources = TrainResources()
    measure: MeasureResources = MeasureResources()
