"""Families of networks, and which kind of input each family takes."""

from paretune.inputs import Kind
from paretune.spaces.table import Table

ARCHITECTURES = Table(
    "architecture",
    {
        "simple_cnn": "paretune.spaces.architecture.simple_cnn:SimpleCnn",
        "separable_cnn": "paretune.spaces.architecture.separable_cnn:SeparableCnn",
        "resnet": "paretune.spaces.architecture.resnet:ResNet",
        "mobilenet_v1": "paretune.spaces.architecture.mobilenet_v1:MobileNetV1",
        "mobilenet_v2": "paretune.spaces.architecture.mobilenet_v2:MobileNetV2",
        "mobilenet_v3": "paretune.spaces.architecture.mobilenet_v3:MobileNetV3",
        "efficientnet": "paretune.spaces.architecture.efficientnet:EfficientNet",
        "shufflenet_v2": "paretune.spaces.architecture.shufflenet_v2:ShuffleNetV2",
        "squeezenet": "paretune.spaces.architecture.squeezenet:SqueezeNet",
        "regnet": "paretune.spaces.architecture.regnet:RegNet",
        "vit": "paretune.spaces.architecture.vit:ViT",
        "staged": "paretune.spaces.architecture.staged:Staged",
        "torchvision": "paretune.spaces.architecture.torchvision:Torchvision",
        "text_transformer": "paretune.spaces.architecture.text_transformer:TextTransformer",
        "timm": "paretune.spaces.architecture.timm:Timm",
        "transformers": "paretune.spaces.architecture.transformers:Transformers",
        "python": "paretune.spaces.architecture.python:Python",
    },
)

OWN_CODE = "python"
"""The family that a user's own code makes; the code may load weights."""


def takes(name: str, kind: Kind) -> bool:
    """Returns whether a family's networks take inputs of this kind (class attribute `takes`).

    Raises:
        UnknownName: No family has this name.
    """
    return getattr(ARCHITECTURES.get(name), "takes", "images") in (kind, "any")


def refusal(name: str, kind: Kind) -> str:
    """Returns the error text for inputs that a family cannot take; it lists those that can."""
    suitable = ", ".join(other for other in ARCHITECTURES.names if takes(other, kind))
    other = "text" if kind == "images" else "images"
    return f"{name} takes {other}, but the data is {kind}; architectures for {kind}: {suitable}"
