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
    """Any timm model by name, made for the number of classes and channels (extra `timm`)."""

    version = 1
    primary = "name"

    class Params(ImageParams):
        """Options of timm."""

        name: str = Field(description="of the model: resnet10t, convnext_atto, ...")
        pretrained: bool = Field(False, description="with its published weights, downloaded")
        args: dict[str, Any] = Field({}, description="more arguments of timm.create_model")

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """[B, C, H, W] -> [B, classes]; `img_size` is given to the models that ask for it.

        Raises:
            UnknownName: timm has no model of this name.
            InfeasibleCandidate: timm is not installed, the weights cannot be had, or the arguments
                do not fit.
        """
        try:
            import timm
        except ImportError as error:
            raise InfeasibleCandidate(
                'timm is not installed; type: pip install "paretune[timm]"'
            ) from error
        known = timm.list_models()
        name, _, _tag = params.name.partition(".")  # convnext_atto.d2_in1k: weights of that tag
        if name not in known:
            hint = did_you_mean(name, known) or "."
            raise UnknownName(f'timm has no model "{params.name}"{hint}')
        arguments = {"num_classes": classes, "in_chans": shape[0], **params.args}
        try:
            return _created(timm, params, shape, arguments)
        except (OSError, RuntimeError, TypeError, ValueError, AssertionError) as error:
            said = str(error).partition("\n")[0] or type(error).__name__
            raise InfeasibleCandidate(f"timm {params.name}: {said}") from error


def _created(
    timm: Any, params: Timm.Params, shape: tuple[int, int, int], arguments: dict[str, Any]
) -> torch.nn.Module:
    """The model; a transformer is told the images' size, which a convolutional one refuses."""
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
