"""Families of networks, and how a network is built from its name and parameters."""

from spaces.table import Table

ARCHITECTURES = Table(
    "architecture",
    {
        "simple_cnn": "spaces.architecture.simple_cnn:SimpleCnn",
        "separable_cnn": "spaces.architecture.separable_cnn:SeparableCnn",
        "resnet": "spaces.architecture.resnet:ResNet",
        "mobilenet_v2": "spaces.architecture.mobilenet_v2:MobileNetV2",
        "torchvision": "spaces.architecture.torchvision:Torchvision",
        "python": "spaces.architecture.python:Python",
    },
)
