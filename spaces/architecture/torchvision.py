"""Any classification model of torchvision, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName, did_you_mean

if TYPE_CHECKING:
    import torch


class Torchvision:
    """Any torchvision classification model by name, with a head for the data's classes."""

    version = 1
    primary = "name"

    class Params(ImageParams):
        """Options of torchvision."""

        name: str = Field(description="name of the model: resnet18, mobilenet_v3_small, ...")
        weights: str | None = Field(
            None,
            description="published weights to download: DEFAULT, IMAGENET1K_V1, ...; default: "
            "random weights",
        )
        args: dict[str, Any] = Field({}, description="further arguments for the model's function")

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        Raises:
            UnknownName: torchvision has no classification model of this name.
            InfeasibleCandidate: The weights cannot be loaded, or the arguments do not fit.
        """
        from torchvision import models

        from paretune.spaces.architecture.fitting import fit_channels, fit_classes

        names = models.list_models(module=models)
        if params.name not in names:
            hint = did_you_mean(params.name, names) or "."
            raise UnknownName(f'torchvision has no classification model "{params.name}"{hint}')
        arguments = dict(params.args)
        if params.name in ("googlenet", "inception_v3") and params.weights is None:
            arguments.setdefault("init_weights", True)  # torchvision warns if it is missing
        try:
            network = models.get_model(params.name, weights=params.weights, **arguments)
        except (OSError, KeyError, TypeError, ValueError, AssertionError) as error:
            raise InfeasibleCandidate(
                f"torchvision {params.name} with weights={params.weights}: {error}"
            ) from error
        if hasattr(network, "aux_logits"):  # GoogLeNet and Inception return a tuple in training
            network.aux_logits = False
            for name in [n for n, _ in network.named_children() if n.lower().startswith("aux")]:
                setattr(network, name, None)
        fit_classes(network, classes)
        fit_channels(network, shape[0], keep=params.weights is not None)
        return network  # type: ignore[no-any-return]
