"""Families of networks, and which kind of input each family takes."""

from paretune.inputs import Kind
from paretune.spaces.table import Table
from paretune.task import Per

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
        "mlp": "paretune.spaces.architecture.mlp:Mlp",
        "conv1d": "paretune.spaces.architecture.conv1d:Conv1d",
        "unet": "paretune.spaces.architecture.unet:UNet",
        "segmenter": "paretune.spaces.architecture.segmenter:Segmenter",
        "detector": "paretune.spaces.architecture.detector:Detector",
        "text_transformer": "paretune.spaces.architecture.text_transformer:TextTransformer",
        "text_decoder": "paretune.spaces.architecture.text_decoder:TextDecoder",
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
    taken = kinds_taken(name)
    return kind in taken or taken == ("any",)


def kinds_taken(name: str) -> tuple[str, ...]:
    """Returns the kinds of inputs that a family's networks take; ("any",) for all."""
    taken = getattr(ARCHITECTURES.get(name), "takes", "images")
    return (taken,) if isinstance(taken, str) else tuple(taken)


def gives(name: str, per: Per) -> bool:
    """Returns whether a family's networks give such outputs (class attribute `gives`).

    Raises:
        UnknownName: No family has this name.
    """
    vector = getattr(ARCHITECTURES.get(name), "gives", "example")
    return "any" in (per, vector) or per == vector


def refusal(name: str, kind: Kind) -> str:
    """Returns the error text for inputs that a family cannot take; it lists those that can."""
    suitable = ", ".join(other for other in ARCHITECTURES.names if takes(other, kind))
    taken = " or ".join(kinds_taken(name))
    return f"{name} takes {taken}, but the data is {kind}; architectures for {kind}: {suitable}"


def output_refusal(name: str, per: Per) -> str:
    """Returns the error text for outputs that a family does not give; it lists those that do."""
    suitable = ", ".join(other for other in ARCHITECTURES.names if gives(other, per))
    vector = getattr(ARCHITECTURES.get(name), "gives", "example")
    return (
        f"{name} gives one vector for each {vector}, but the task needs one for each {per}; "
        f"architectures that give it: {suitable}"
    )
