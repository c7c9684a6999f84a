"""Families of networks, and how a network is built from its name and parameters."""

from spaces.inputs import Kind
from spaces.table import Table

ARCHITECTURES = Table(
    "architecture",
    {
        "simple_cnn": "spaces.architecture.simple_cnn:SimpleCnn",
        "separable_cnn": "spaces.architecture.separable_cnn:SeparableCnn",
        "resnet": "spaces.architecture.resnet:ResNet",
        "mobilenet_v1": "spaces.architecture.mobilenet_v1:MobileNetV1",
        "mobilenet_v2": "spaces.architecture.mobilenet_v2:MobileNetV2",
        "mobilenet_v3": "spaces.architecture.mobilenet_v3:MobileNetV3",
        "efficientnet": "spaces.architecture.efficientnet:EfficientNet",
        "shufflenet_v2": "spaces.architecture.shufflenet_v2:ShuffleNetV2",
        "squeezenet": "spaces.architecture.squeezenet:SqueezeNet",
        "regnet": "spaces.architecture.regnet:RegNet",
        "vit": "spaces.architecture.vit:ViT",
        "staged": "spaces.architecture.staged:Staged",
        "torchvision": "spaces.architecture.torchvision:Torchvision",
        "text_transformer": "spaces.architecture.text_transformer:TextTransformer",
        "timm": "spaces.architecture.timm:Timm",
        "transformers": "spaces.architecture.transformers:Transformers",
        "python": "spaces.architecture.python:Python",
    },
)


def takes(name: str, kind: Kind) -> bool:
    """Whether a family's networks take inputs of this kind; by its class attribute `takes`.

    Raises:
        UnknownName: There is no such family.
    """
    return getattr(ARCHITECTURES.get(name), "takes", "images") in (kind, "any")


def refusal(name: str, kind: Kind) -> str:
    """Why a family cannot take inputs of this kind, and which families do."""
    suitable = ", ".join(other for other in ARCHITECTURES.names if takes(other, kind))
    other = "text" if kind == "images" else "images"
    return f"{name} takes {other}, and the data is {kind}; for {kind} there are {suitable}"
