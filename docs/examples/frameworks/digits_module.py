"""A LightningModule and a data module, as a script of Lightning has them."""

from __future__ import annotations

import lightning as L
import torch
import torchmetrics
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

Batch = tuple[torch.Tensor, torch.Tensor]


class Digits(L.LightningDataModule):
    """Images of digits [1, 8, 8] with their classes."""

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        """Splits the digits of scikit-learn."""
        images, labels = load_digits(return_X_y=True)
        x = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
        self.parts = [
            TensorDataset(x[rows], torch.tensor(labels)[rows])
            for rows in (slice(0, 1200), slice(1200, 1500), slice(1500, None))
        ]

    def train_dataloader(self) -> DataLoader[Batch]:
        """Returns 1,200 images, shuffled."""
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Returns 300 images."""
        return DataLoader(self.parts[1], self.batch_size)

    def test_dataloader(self) -> DataLoader[Batch]:
        """Returns 297 images."""
        return DataLoader(self.parts[2], self.batch_size)


class Net(L.LightningModule):
    """A small convolutional network."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, 10),
        )
        self.f1 = torchmetrics.classification.MulticlassF1Score(10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images [B, 1, 8, 8] -> logits [B, 10]."""
        return self.layers(images)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Returns the cross-entropy."""
        images, labels = batch
        loss = nn.functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs accuracy and F1 score."""
        images, labels = batch
        logits = self(images)
        self.f1(logits, labels)
        self.log("val_acc", (logits.argmax(1) == labels).float().mean())
        self.log("val_f1", self.f1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Returns the optimizer of a Trainer; Paretune's recipes have their own."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)
