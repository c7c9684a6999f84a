"""Any segmentation model of torchvision, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.inputs import Shape, image_shape
from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName, did_you_mean

if TYPE_CHECKING:
    import torch


class Segmenter:
    """Any torchvision segmentation model by name, with a mask of the data's classes."""

    version = 1
    primary = "name"
    gives = "pixel"

    class Params(ImageParams):
        """Options of segmenter."""

        name: str = Field(
            description="name of the model: lraspp_mobilenet_v3_large, fcn_resnet50, ..."
        )
        weights_backbone: str | None = Field(
            None,
            description="published weights of the backbone to download: DEFAULT, "
            "IMAGENET1K_V1, ...; default: random weights",
        )

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes, H, W], the output "out" of the model.

        Raises:
            UnknownName: torchvision has no segmentation model of this name.
            InfeasibleCandidate: The weights cannot be loaded.
        """
        from torchvision import models

        from paretune.spaces.architecture.fitting import fit_channels
        from paretune.spaces.architecture.mask_output import MaskOutput

        names = models.list_models(module=models.segmentation)
        if params.name not in names:
            hint = did_you_mean(params.name, names) or "."
            raise UnknownName(
                f'torchvision has no segmentation model "{params.name}"{hint} '
                f"Known: {', '.join(names)}."
            )
        try:
            network = models.get_model(
                params.name,
                weights=None,
                weights_backbone=params.weights_backbone,
                num_classes=classes,
            )
        except (OSError, KeyError, ValueError) as error:
            raise InfeasibleCandidate(
                f"torchvision {params.name} with weights_backbone={params.weights_backbone}: "
                f"{error}"
            ) from error
        fit_channels(network, image_shape(shape)[0], keep=params.weights_backbone is not None)
        return MaskOutput(network)
