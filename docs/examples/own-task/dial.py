"""Trains a network that reads an analog dial: a training script as you may have one.

python dial.py
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIDE = 32
WEIGHTS = Path(__file__).with_name("dial.pt")


class Dials(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Pictures of dials, and the angle of the needle in radians."""

    def __init__(self, count: int, seed: int, *, noise: bool) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.angles = torch.rand(count, generator=generator) * 2 * math.pi - math.pi
        lengths = 0.5 + 0.4 * torch.rand(count, generator=generator)
        self.pictures = [
            draw(float(a), float(n)) for a, n in zip(self.angles, lengths, strict=True)
        ]
        self.noise = noise

    def __len__(self) -> int:
        return len(self.angles)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        picture = self.pictures[index]
        if self.noise:  # the training's own augmentation
            picture = picture + 0.2 * torch.randn_like(picture)
        return picture, self.angles[index]


def draw(angle: float, length: float) -> torch.Tensor:
    """Returns a picture [1, 32, 32] of a needle."""
    axis = torch.linspace(-1, 1, SIDE)
    x, y = axis[None, :], axis[:, None]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = x * math.sin(angle) - y * math.cos(angle)
    needle = torch.exp(-80 * across**2) * ((along > 0) & (along < length))
    ring = torch.exp(-60 * ((x**2 + y**2).sqrt() - 0.95) ** 2)
    return (needle + 0.5 * ring)[None]


class Net(nn.Module):
    """Pictures [B, 1, 32, 32] -> cosine and sine of the angle, [B, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *block(1, 16), nn.MaxPool2d(2), *block(16, 32), nn.MaxPool2d(2), *block(32, 64)
        )
        self.head = nn.Linear(64 * 16, 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """[B, 1, 32, 32] -> [B, 2]."""
        features = nn.functional.adaptive_avg_pool2d(self.body(pictures), 4)
        return self.head(features.flatten(1))


def block(inside: int, outside: int) -> list[nn.Module]:
    """Returns the layers of a block."""
    return [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]


def angle_loss(outputs: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Returns the mean squared distance on the unit circle."""
    wanted = torch.stack([angles.cos(), angles.sin()], 1)
    return (outputs - wanted).square().sum(1).mean()


def degrees_off(outputs: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Returns the error of each reading in degrees, [B]."""
    read = torch.atan2(outputs[:, 1], outputs[:, 0])
    turn = torch.remainder(read - angles + math.pi, 2 * math.pi) - math.pi
    return turn.abs() * 180 / math.pi


def loader(part: str) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Returns the batches of a part."""
    count, seed = {"train": (1000, 0), "validation": (400, 1), "test": (400, 2)}[part]
    training = part == "train"
    return DataLoader(Dials(count, seed, noise=training), batch_size=64, shuffle=training)


def main() -> None:
    """Trains the network, and writes its weights."""
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(10):
        net.train()
        for pictures, angles in loader("train"):
            optimizer.zero_grad()
            angle_loss(net(pictures), angles).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        errors = torch.cat([degrees_off(net(x), angles) for x, angles in loader("validation")])
    torch.save(net.state_dict(), WEIGHTS)
    print(f"mean error on the validation part: {errors.mean():.2f} degrees")


if __name__ == "__main__":
    main()
