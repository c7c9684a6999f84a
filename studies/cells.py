"""A task of one's own, for detection.yaml: finds blood cells of three kinds, with boxes.

Network, loss, non-maximum suppression and metric are below; nothing in this file is Paretune's.
Without a folder it draws cells. A folder with photographs has images/ and boxes.csv with the
columns part (train, val, test), image, xmin, ymin, xmax, ymax, label. The figures in docs are those
of BCCD_Dataset (364 photographs, MIT licence) in that form.
"""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import batched_nms, box_iou, generalized_box_iou_loss, sigmoid_focal_loss

KINDS = ("RBC", "WBC", "Platelets")
STRIDE = 8  # pixels of a cell of the output's grid
PARTS = {"train": "train", "validation": "val", "test": "test"}

Example = tuple[torch.Tensor, torch.Tensor]  # image [3, H, W]; boxes [n, 5] with the kind last


class Detector(nn.Module):
    """Residual blocks at strides 4 to 32, merged at stride 8: [B, 3, H, W] -> [B, 7, H/8, W/8]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        sizes = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.stem = layer(3, sizes[0], stride=2)
        self.stages = nn.ModuleList(Block(a, b) for a, b in pairwise(sizes))
        self.sides = nn.ModuleList(nn.Conv2d(size, 4 * width, 1) for size in sizes[2:])
        self.merge = layer(4 * width, 4 * width)
        self.head = nn.Conv2d(4 * width, 4 + len(KINDS), 1)
        nn.init.constant_(self.head.bias[4:], -4.0)  # at first no cell is sure of anything

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns four distances to a box's sides, and a logit of each kind, for each cell."""
        x = self.stem(images)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        eighth, sixteenth, last = (side(x) for side, x in zip(self.sides, maps[1:], strict=True))
        sixteenth = sixteenth + functional.interpolate(last, size=sixteenth.shape[2:])
        eighth = eighth + functional.interpolate(sixteenth, size=eighth.shape[2:])
        return self.head(self.merge(eighth))


class Block(nn.Module):
    """Two convolutions and a shortcut; halves the image."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = layer(before, after, stride=2)
        self.second = nn.Sequential(
            nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(before, after, 1, 2, bias=False), nn.BatchNorm2d(after)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, before, H, W] -> [B, after, H/2, W/2]."""
        return (self.second(self.first(x)) + self.shortcut(x)).relu()


def layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """Returns a 3x3 convolution with batch normalization and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class Cells:
    """The task: what Paretune trains, measures and exports."""

    version = 1
    keep = ("head",)  # stays in float32: its outputs are coordinates

    def __init__(self, folder: str | None = None, width: int = 16, batch: int = 8) -> None:
        self.width, self.batch = width, batch
        self.parts = {
            part: photographs(Path(folder), name) if folder else drawings(part)
            for part, name in PARTS.items()
        }

    def model(self) -> nn.Module:
        """Returns a fresh network."""
        return Detector(self.width)

    def batches(self, part: str) -> DataLoader:
        """Returns batches of images [B, 3, H, W] and, for each image, boxes [n, 5]."""
        train = part == "train"
        examples = Flipped(self.parts[part]) if train else self.parts[part]
        return DataLoader(examples, self.batch, shuffle=train, collate_fn=stacked)

    def loss(self, outputs: torch.Tensor, targets: list[torch.Tensor]) -> torch.Tensor:
        """Focal loss of the kinds, and generalized IoU of the boxes in the cells that learn one."""
        boxes, logits = boxes_of(outputs), outputs[:, 4:].flatten(2).transpose(1, 2)
        kinds = torch.zeros_like(logits)
        learned, wanted = [], []
        for image, true in enumerate(targets):
            cells, rows = cells_of(true, outputs.shape[2:])
            kinds[image, cells, true[rows, 4].long()] = 1.0
            learned.append(boxes[image, cells])
            wanted.append(true[rows, :4])
        count = max(1, sum(map(len, wanted)))
        scores = sigmoid_focal_loss(logits, kinds, reduction="sum")
        sides = generalized_box_iou_loss(torch.cat(learned), torch.cat(wanted), reduction="sum")
        return (scores + sides) / count

    def score(self, predict: Any, part: str) -> dict[str, Any]:
        """Mean average precision at IoU 0.5; its interval follows from the single images."""
        images = []
        for inputs, targets in self.batches(part):
            outputs = torch.as_tensor(predict(inputs))
            for output, true in zip(outputs, targets, strict=True):
                images.append(matches(*detections(output), true))
        return {"map50": (images, mean_average_precision)}


# -- boxes ----------------------------------------------------------------------------------------


def boxes_of(outputs: torch.Tensor) -> torch.Tensor:
    """[B, 4 + kinds, h, w], distances to the four sides -> corners in pixels, [B, h * w, 4]."""
    height, width = outputs.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = (torch.stack([x, y]).flatten(1).to(outputs) + 0.5) * STRIDE
    sides = outputs[:, :4].flatten(2).clamp(max=6).exp() * STRIDE
    return torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], 1).transpose(1, 2)


def cells_of(true: torch.Tensor, grid: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the cells near the middle of a box, and the box of each; the smaller box wins."""
    height, width = grid
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = (torch.stack([x, y]).flatten(1).T.to(true) + 0.5) * STRIDE
    middle = (true[:, :2] + true[:, 2:4]) / 2
    inside = ((centres[:, None] - middle).abs() <= STRIDE).all(2)
    area = (true[:, 2:4] - true[:, :2]).prod(1)
    rows = torch.where(inside, area, torch.inf).min(1) if len(true) else None
    if rows is None:
        return (torch.zeros(0, dtype=torch.int64),) * 2
    cells = inside.any(1).nonzero()[:, 0]
    return cells, rows.indices[cells]


def detections(output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns boxes, scores and kinds of one image after non-maximum suppression."""
    scores = output[4:].flatten(1).sigmoid()
    kinds, cells = (scores > 0.02).nonzero(as_tuple=True)
    boxes, scores = boxes_of(output[None])[0, cells], scores[kinds, cells]
    kept = batched_nms(boxes, scores, kinds, iou_threshold=0.5)[:100]
    return boxes[kept], scores[kept], kinds[kept]


# -- metric ---------------------------------------------------------------------------------------


def matches(
    boxes: torch.Tensor, scores: torch.Tensor, kinds: torch.Tensor, true: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (kind, score, hit) of each detection in an image, and the true boxes of each kind."""
    free = torch.ones(len(true), dtype=torch.bool)
    rows = []
    for box, score, kind in zip(boxes, scores, kinds, strict=True):  # the surest first
        overlap = box_iou(box[None], true[:, :4])[0] * (free & (true[:, 4] == kind))
        hit = len(true) > 0 and float(overlap.max()) >= 0.5
        if hit:
            free[overlap.argmax()] = False
        rows.append((int(kind), float(score), hit))
    counts = np.bincount(true[:, 4].long().numpy(), minlength=len(KINDS))
    return np.array(rows, dtype=float).reshape(-1, 3), counts


def mean_average_precision(images: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """COCO's average precision at 101 recalls, the mean over the kinds that occur."""
    rows = np.concatenate([rows for rows, _ in images])
    counts = np.sum([counts for _, counts in images], axis=0)
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    values = []
    for kind in np.flatnonzero(counts):
        hits = np.cumsum(rows[rows[:, 0] == kind, 2])
        recall = hits / counts[kind]
        precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        points = np.searchsorted(recall, np.linspace(0, 1, 101))
        values.append(np.append(precision, 0.0)[points].mean())
    return float(np.mean(values))


# -- data -----------------------------------------------------------------------------------------


class Flipped(Dataset):
    """Mirrors half of the images left to right, and half upside down."""

    def __init__(self, examples: list[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        image, boxes = self.examples[index]
        boxes = boxes.clone()
        for axis, (low, high) in ((2, (0, 2)), (1, (1, 3))):
            if torch.rand(()) < 0.5:
                image = image.flip(axis)
                boxes[:, [low, high]] = image.shape[axis] - boxes[:, [high, low]]
        return image, boxes


def stacked(examples: list[Example]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Returns a batch of images, and a list of their boxes."""
    images, boxes = zip(*examples, strict=True)
    return torch.stack(images), list(boxes)


def photographs(folder: Path, part: str, longest: int = 320) -> list[Example]:
    """Returns the photographs of a part, with a longer side of at most 320 pixels."""
    boxes: dict[str, list[list[float]]] = {}
    with (folder / "boxes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["part"] == part:
                corners = [float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax")]
                boxes.setdefault(row["image"], []).append([*corners, KINDS.index(row["label"])])
    examples = []
    for name, listed in sorted(boxes.items()):
        with Image.open(folder / "images" / name) as opened:
            image = opened.convert("RGB")
        scale = min(1.0, longest / max(image.size))
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        true = torch.tensor(listed, dtype=torch.float32)
        true[:, :4] *= scale
        examples.append((pixels(image), true))
    return examples


def drawings(part: str, width: int = 128, height: int = 96) -> list[Example]:
    """Returns drawn images: pale red cells, dark white cells with a nucleus, small platelets."""
    seed, count = {"train": (0, 96), "validation": (1, 48), "test": (2, 72)}[part]
    numbers = np.random.default_rng(seed)
    examples = []
    for _ in range(count):
        image = Image.new("RGB", (width, height), tuple(numbers.integers(205, 235, 3).tolist()))
        draw, listed = ImageDraw.Draw(image), []
        for kind, most, radius in ((0, 9, 11), (1, 1, 16), (2, 2, 4)):
            for _ in range(numbers.integers(1, most + 1)):
                size = radius * numbers.uniform(0.8, 1.2, 2)
                x, y = numbers.uniform(size, np.array([width, height]) - size)
                box = [x - size[0], y - size[1], x + size[0], y + size[1]]
                shade = numbers.integers(-20, 21)
                color = ((215, 150, 150), (190, 160, 200), (130, 90, 160))[kind]
                draw.ellipse(box, tuple(int(c + shade) for c in color), outline=(150, 110, 130))
                if kind == 1:
                    draw.ellipse([x - 9, y - 8, x + 7, y + 9], (90, 60, 130))
                listed.append([*box, kind])
        image = image.filter(ImageFilter.GaussianBlur(0.7))
        noise = numbers.normal(0, 6, (height, width, 3))
        image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
        examples.append((pixels(image), torch.tensor(listed, dtype=torch.float32)))
    return examples


def pixels(image: Image.Image) -> torch.Tensor:
    """Returns an image as float32 [3, H, W] around 0."""
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 - 0.7) / 0.2
