"""Any model of timm, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName, did_you_mean

if TYPE_CHECKING:
    import torch


class Timm:
    """Any timm model by name, built for the data's classes and channels (extra `timm`)."""

    version = 1
    primary = "name"

    class Params(ImageParams):
        """Options of timm."""

        name: str = Field(description="name of the model: resnet10t, convnext_atto, ...")
        pretrained: bool = Field(False, description="download and use the published weights")
        args: dict[str, Any] = Field({}, description="further arguments for timm.create_model")

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        Models with a parameter `img_size` get the image size.

        Raises:
            UnknownName: timm has no model of this name.
            InfeasibleCandidate: timm is not installed, the weights cannot be loaded, or the
                arguments do not fit.
        """
        try:
            import timm
        except ImportError as error:
            raise InfeasibleCandidate(
                'timm is not installed; type: pip install "paretune[timm]"'
            ) from error
        names = timm.list_models()
        name, _, _tag = params.name.partition(".")  # convnext_atto.d2_in1k: weights of that tag
        if name not in names:
            hint = did_you_mean(name, names) or "."
            raise UnknownName(f'timm has no model "{params.name}"{hint}')
        arguments = {"num_classes": classes, "in_chans": shape[0], **params.args}
        try:
            return _create(timm, params, shape, arguments)
        except (OSError, RuntimeError, TypeError, ValueError, AssertionError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise InfeasibleCandidate(f"timm {params.name}: {reason}") from error


def _create(
    timm: Any, params: Timm.Params, shape: tuple[int, int, int], arguments: dict[str, Any]
) -> torch.nn.Module:
    """Returns the model. Transformers need the image size, which convolutional models refuse."""
    if "img_size" not in arguments:
        try:
            return timm.create_model(  # type: ignore[no-any-return]
                params.name, pretrained=params.pretrained, **arguments, img_size=shape[1:]
            )
        except TypeError as error:
            if "img_size" not in str(error):
                raise
    return timm.create_model(  # type: ignore[no-any-return]
        params.name, pretrained=params.pretrained, **arguments
    )
