"""Options of the trackers in a study file; search/tracking uses them."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from paretune.spaces.params import Params

_ARTIFACTS = "also send the report, and the deployed files and cards of the front"


class MlflowOptions(Params):
    """MLflow. Its user and password come from the environment, as MLflow itself reads them."""

    uri: str | None = Field(
        None,
        description="address of the tracking server, `http://HOST:PORT`, or `sqlite:///FILE`; that "
        "in the environment variable MLFLOW_TRACKING_URI if left out",
    )
    experiment: str | None = Field(
        None, min_length=1, description="name of the experiment; the study's name if left out"
    )
    artifacts: bool = Field(True, description=_ARTIFACTS)

    @field_validator("uri")
    @classmethod
    def _is_address(cls, uri: str | None) -> str | None:
        if uri is not None and not re.match(r"[a-z][\w+.-]*:", uri):
            raise ValueError("give an address such as http://localhost:5000 or sqlite:///FILE")
        return uri


class WandbOptions(Params):
    """Weights & Biases. Its key is that of `wandb login`, or of the variable WANDB_API_KEY."""

    project: str | None = Field(
        None, min_length=1, description="name of the project; the study's name if left out"
    )
    entity: str | None = Field(
        None, min_length=1, description="user or team; your default one if left out"
    )
    mode: Literal["online", "offline"] = Field(
        "online",
        description="offline: write files to `wandb/` in the study's folder, for `wandb sync`",
    )
    artifacts: bool = Field(True, description=_ARTIFACTS)


TRACKER_OPTIONS: dict[str, type[Params]] = {"mlflow": MlflowOptions, "wandb": WandbOptions}
"""Tracker -> its options."""
