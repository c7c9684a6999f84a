"""Small networks of several tasks, as users write them, with what each takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from paretune.inputs import Input, Shape, Signature, Tokens

CLASSES = 5


class KeywordSpotter(nn.Module):
    """Convolutions over the time of a log-mel spectrogram [B, 20, 32], with a dilated residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(20, 24, 5, padding=2), nn.BatchNorm1d(24), nn.ReLU())
        self.down = nn.Conv1d(24, 32, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(32)
        self.depthwise = nn.Conv1d(32, 32, 3, padding=2, dilation=2, groups=32)
        self.pointwise = nn.Conv1d(32, 32, 1)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.down(self.stem(x))))
        x = x + self.pointwise(functional.relu(self.depthwise(x)))
        logits: torch.Tensor = self.head(x.mean(-1))
        return logits


class FlatSeries(nn.Module):
    """Convolutions over time, flattened into a linear layer, as for ECG windows."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(3, 16, 7, padding=3),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(16, 24, 5, padding=2),
            nn.BatchNorm1d(24),
            nn.ReLU(),
            nn.MaxPool1d(2),
        )
        self.hidden, self.head = nn.Linear(24 * 8, 32), nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(functional.relu(self.hidden(self.features(x).flatten(1))))
        return logits


class Wave(nn.Module):
    """An encoder and a decoder over time with a skip connection: a denoiser of [B, 1, 32]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 12, 5, padding=2)
        self.down = nn.Conv1d(12, 16, 4, stride=2, padding=1)
        self.gated = nn.Conv1d(16, 32, 3, padding=1)
        self.up = nn.ConvTranspose1d(16, 12, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm1d(24)
        self.last = nn.Conv1d(24, 1, 5, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = functional.elu(self.first(x))
        y = functional.elu(self.down(skip))
        y = functional.glu(self.gated(y), 1)
        y = torch.cat([skip, functional.elu(self.up(y))], 1)
        denoised: torch.Tensor = self.last(self.norm(y))
        return denoised


class Table(nn.Module):
    """A residual MLP on 12 features for 3 target values."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(12, 32), nn.BatchNorm1d(32)
        self.inner, self.outer = nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.first(x)))
        x = x + self.outer(functional.relu(self.inner(x)))
        values: torch.Tensor = self.head(x)
        return values


class Positions(nn.Module):
    """Linear layers on each step of a series [B, T, F], for a value at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 24), nn.Linear(24, 32)
        self.third, self.head = nn.Linear(32, 16), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.first(x))
        x = functional.gelu(self.third(functional.relu(self.second(x))))
        values: torch.Tensor = self.head(x)
        return values


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Returns two convolutions with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Masks of 4 classes [B, 4, H, W]: skip connections, enlarged by weights or without them."""

    def __init__(self, transposed: bool = True) -> None:
        super().__init__()
        self.enter, self.middle, self.bottom = (
            double_conv(3, 8),
            double_conv(8, 16),
            double_conv(16, 24),
        )
        self.pool = nn.MaxPool2d(2)
        if transposed:
            self.up2: nn.Module = nn.ConvTranspose2d(24, 16, 2, stride=2)
            self.up1: nn.Module = nn.ConvTranspose2d(16, 8, 2, stride=2)
        else:
            self.up2 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(24, 16, 1))
            self.up1 = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(16, 8, 1)
            )
        self.after2, self.after1 = double_conv(32, 16), double_conv(16, 8)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.enter(x)
        b = self.middle(self.pool(a))
        y = self.up2(self.bottom(self.pool(b)))
        y = self.after2(torch.cat([b, y], 1))
        y = self.after1(torch.cat([a, self.up1(y)], dim=1))
        mask: torch.Tensor = self.last(y)
        return mask


class LiteSegmenter(nn.Module):
    """Two resolutions of a backbone, a gate and the sum of two classifiers, as LR-ASPP has them."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.Hardswish())
        self.high = nn.Sequential(nn.Conv2d(12, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.Hardswish())
        self.cbr = nn.Sequential(
            nn.Conv2d(24, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 16, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier, self.high_classifier = nn.Conv2d(12, 4, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        low = self.low(x)
        high = self.high(low)
        y = self.cbr(high) * self.scale(high)
        y = functional.interpolate(y, size=low.shape[-2:], mode="bilinear", align_corners=False)
        y = self.low_classifier(low) + self.high_classifier(y)
        y = functional.interpolate(y, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return OrderedDict(out=y)


class Detector(nn.Module):
    """A one-stage detector: a backbone, an FPN on two levels, heads for classes, boxes, centers.

    Args:
        form: "tuple" of maps for each level, "dict" of lists, or "flat": boxes and scores of all
            levels as [B, N, 4] and [B, N, classes].
        shared: Whether both levels have the same heads.
    """

    def __init__(self, form: str = "tuple", shared: bool = True) -> None:
        super().__init__()
        self.form = form

        def stage(inputs: int, outputs: int) -> nn.Module:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
            )

        self.c1, self.c2, self.c3 = stage(3, 12), stage(12, 16), stage(16, 24)
        self.lateral2, self.lateral3 = nn.Conv2d(16, 16, 1), nn.Conv2d(24, 16, 1)
        self.smooth = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(2))
        one = nn.ModuleDict(
            {
                "tower": nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
                "classes": nn.Conv2d(16, 3, 3, padding=1),
                "boxes": nn.Conv2d(16, 4, 3, padding=1),
                "center": nn.Conv2d(16, 1, 3, padding=1),
            }
        )
        other = nn.ModuleDict(
            {
                "tower": nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
                "classes": nn.Conv2d(16, 3, 1),
                "boxes": nn.Conv2d(16, 4, 1),
                "center": nn.Conv2d(16, 1, 1),
            }
        )
        self.heads = nn.ModuleList([one, one if shared else other])

    def forward(self, x: torch.Tensor) -> Any:
        c2 = self.c2(self.c1(x))
        c3 = self.c3(c2)
        p3 = self.lateral3(c3)
        p2 = self.lateral2(c2) + functional.interpolate(p3, scale_factor=2.0)
        levels = []
        for head, smooth, level in zip(self.heads, self.smooth, (p2, p3), strict=True):
            y = head["tower"](smooth(level))
            levels.append((head["classes"](y), head["boxes"](y).exp(), head["center"](y)))
        if self.form == "tuple":
            return tuple(levels)
        if self.form == "dict":
            names = ("classes", "boxes", "centers")
            return {
                name: list(maps)
                for name, maps in zip(names, zip(*levels, strict=True), strict=True)
            }
        flat = [[m.permute(0, 2, 3, 1).flatten(1, 2) for m in level] for level in levels]
        classes, boxes, centers = (torch.cat(maps, 1) for maps in zip(*flat, strict=True))
        return boxes, classes.sigmoid() * centers.sigmoid()


class YoloHead(nn.Module):
    """A detector whose one convolution gives all values of 3 anchors: [B, 3, H, W, 5 + classes]."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(12, 16, 3, 2, 1),
            nn.LeakyReLU(0.1),
        )
        self.head = nn.Conv2d(16, 3 * 7, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.head(self.backbone(x))
        b, _, h, w = y.shape
        y = y.view(b, 3, 7, h, w).permute(0, 1, 3, 4, 2)
        return torch.cat([y[..., :2].sigmoid(), y[..., 2:4].exp(), y[..., 4:].sigmoid()], -1)


class TwoInputs(nn.Module):
    """An image and 6 features, for a class and a value."""

    def __init__(self, form: str = "tuple") -> None:
        super().__init__()
        self.form = form
        self.image = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.features = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
        self.mixed = nn.Linear(32, 24)
        self.kind, self.value = nn.Linear(24, CLASSES), nn.Linear(24, 1)

    def forward(self, image: torch.Tensor, features: torch.Tensor, scale: float = 1.0) -> Any:
        y = torch.cat([self.image(image).mean((2, 3)), self.features(features) * scale], 1)
        y = functional.relu(self.mixed(y))
        kind, value = self.kind(y), self.value(y)
        return (kind, value) if self.form == "tuple" else {"kind": kind, "value": value}


class Ratings(nn.Module):
    """Two ids and features, for one value, as a recommender has them."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(30, 8), nn.Embedding(40, 8)
        self.dense = nn.Linear(3, 8)
        self.mlp = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.out = nn.Linear(16, 1)

    def forward(self, user: torch.Tensor, item: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        parts = [self.users(user), self.items(item), functional.relu(self.dense(extra))]
        value: torch.Tensor = self.out(self.mlp(torch.cat(parts, -1))).squeeze(-1)
        return value


class DecoderBlock(nn.Module):
    """A causal attention with separate projections, and an MLP."""

    def __init__(self, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.head_dim = width // heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 32), nn.Linear(32, width)

    @property
    def num_heads(self) -> int:
        return self.query.out_features // self.head_dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        y = self.norm1(x)
        q, k, v = (
            part(y).view(b, t, -1, self.head_dim).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(y.transpose(1, 2).reshape(b, t, -1))
        y = self.down(functional.gelu(self.up(self.norm2(x))))
        return x + y


class Decoder(nn.Module):
    """A causal language model [B, T] -> [B, T, vocabulary].

    Args:
        tied: Whether the embedding and the head have one weight.
        form: "tensor", or "output" for a mapping with other leaves, as Hugging Face returns it.
    """

    def __init__(self, tied: bool = True, form: str = "tensor") -> None:
        super().__init__()
        self.form = form
        self.embed, self.positions = nn.Embedding(20, 16), nn.Embedding(12, 16)
        self.blocks = nn.ModuleList(DecoderBlock() for _ in range(3))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 20, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, input_ids: torch.Tensor) -> Any:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.embed(input_ids) + self.positions(positions)
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        if self.form == "tensor":
            return logits
        return OrderedDict(loss=None, logits=logits, past_key_values=_Cache())


class _Cache:
    """An object among the outputs that is no tensor."""


class GruTagger(nn.Module):
    """A recurrent network on characters, with a value for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = nn.GRU(8, 12, batch_first=True)
        self.hidden, self.head = nn.Linear(12, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.rnn(self.embed(x))
        tags: torch.Tensor = self.head(functional.relu(self.hidden(y)))
        return tags


class FeaturesToo(nn.Module):
    """Logits, and the features before them: a layer in the middle is an output."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Conv2d(8, 12, 3, padding=1)
        self.neck, self.head = nn.Linear(12, 16), nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features = functional.relu(self.body(functional.relu(self.stem(x)))).mean((2, 3))
        features = self.neck(features)
        return {"features": features, "logits": self.head(functional.relu(features))}


@dataclass(frozen=True)
class Example:
    """A network, what it takes, and what its pruning must do.

    Attributes:
        make: Returns the network.
        shape: What it takes.
        outputs: Names of its output layers.
        cut: Names of layers that must lose channels at a ratio of 0.5.
    """

    make: Callable[[], nn.Module]
    shape: Shape
    outputs: tuple[str, ...]
    cut: tuple[str, ...]


IMAGE = (3, 16, 16)

PAIR = (Input("image", (1, 8, 8)), Input("features", (6,)))

IDS = Signature(
    (
        Input("user", (), "int64", 30),
        Input("item", (), "int64", 40),
        Input("extra", (3,)),
    ),
    "dict",
)

TEXT = Tokens(12, 20)

HEADS = ("heads.0.classes", "heads.0.boxes", "heads.0.center")

FPN = ("c1.0", "c2.0", "c3.0", "smooth.0", "smooth.1", "heads.0.tower.0")

USER_NETWORKS: Mapping[str, Example] = {
    "keywords": Example(KeywordSpotter, (20, 32), ("head",), ("stem.0", "down")),
    "series": Example(FlatSeries, (3, 32), ("head",), ("features.0", "features.4", "hidden")),
    "wave": Example(Wave, (1, 32), ("last",), ("first", "down", "gated", "up")),
    "table": Example(Table, (12,), ("head",), ("first", "inner")),
    "positions": Example(Positions, (10, 6), ("head",), ("first", "second", "third")),
    "unet": Example(
        UNet, IMAGE, ("last",), ("enter.0", "enter.3", "bottom.3", "up2", "up1", "after1.3")
    ),
    "upsampled_unet": Example(
        lambda: UNet(transposed=False), IMAGE, ("last",), ("enter.3", "up2.1", "up1.1", "after1.3")
    ),
    "lraspp": Example(
        LiteSegmenter, IMAGE, ("low_classifier", "high_classifier"), ("low.0", "high.0", "cbr.0")
    ),
    "detector_tuple": Example(Detector, IMAGE, HEADS, FPN),
    "detector_dict": Example(
        lambda: Detector("dict", False),
        IMAGE,
        (*HEADS, *(f"heads.1.{n}" for n in ("classes", "boxes", "center"))),
        (*FPN, "heads.1.tower.0"),
    ),
    "detector_flat": Example(lambda: Detector("flat"), IMAGE, HEADS, FPN),
    "yolo": Example(YoloHead, IMAGE, ("head",), ("backbone.0", "backbone.2")),
    "two_inputs": Example(
        TwoInputs,
        Signature(PAIR, "tuple"),
        ("kind", "value"),
        ("image.0", "image.3", "features.0", "mixed"),
    ),
    "two_named_inputs": Example(
        lambda: TwoInputs("dict"),
        Signature(PAIR, "dict"),
        ("kind", "value"),
        ("image.0", "image.3", "features.0", "mixed"),
    ),
    "ratings": Example(Ratings, IDS, ("out",), ("dense", "mlp.0", "mlp.2")),
    "decoder": Example(
        Decoder, TEXT, ("embed", "head"), ("blocks.0", "blocks.0.up", "blocks.2", "blocks.2.up")
    ),
    "untied_decoder": Example(
        lambda: Decoder(False, "output"), TEXT, ("head",), ("blocks.0", "blocks.1.up")
    ),
    "tagger": Example(GruTagger, TEXT, ("head",), ("hidden",)),
    "features_too": Example(FeaturesToo, IMAGE, ("neck", "head"), ("stem", "body")),
}


def build(name: str) -> nn.Module:
    """Returns a network of the table; `{python: {factory: "support.user_networks:build"}}`."""
    return USER_NETWORKS[name].make()
