"""LightningModules and a data module as users write them, on generated series of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

FEATURES, CLASSES = 6, 3


def points(count: int, seed: int) -> TensorDataset:
    """Returns points [count, FEATURES] in classes that a small network can tell apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    centers = torch.randn(CLASSES, FEATURES, generator=torch.Generator().manual_seed(7)) * 2
    return TensorDataset(
        centers[labels] + torch.randn(count, FEATURES, generator=generator), labels
    )


class Points(lightning.LightningDataModule):
    def __init__(self, count: int = 96, batch_size: int = 16) -> None:
        super().__init__()
        self.count, self.batch_size = count, batch_size
        self.calls: list[str] = []

    def prepare_data(self) -> None:
        self.calls.append("prepare")

    def setup(self, stage: str) -> None:
        self.calls.append(stage)
        for part in ("test",) if stage == "test" else ("train", "validation"):
            setattr(self, part, points(self.count, len(part)))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.validation, 40)  # the last batch is smaller

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test, 40)


class Net(lightning.LightningModule):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, CLASSES))
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(CLASSES, average="micro")
        self.f1 = torchmetrics.classification.MulticlassF1Score(CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        logits = self(x)
        self.accuracy(logits, y)
        self.f1(logits, y)
        loss = nn.functional.cross_entropy(logits, y)
        self.log_dict({"val/loss": loss, "val_acc": self.accuracy, "val_f1": self.f1})
        self.log("rmse", nn.functional.mse_loss(logits.softmax(1)[:, 0], y.float()).sqrt())
        self.log("worst", loss, reduce_fx="max")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


class CallsChild(Net):
    """Its steps call self.net instead of the module."""

    def training_step(self, batch: Any, batch_idx: int) -> Mapping[str, torch.Tensor]:
        return {"loss": nn.functional.cross_entropy(self.net(batch[0]), batch[1])}

    def validation_step(self, batch: Any) -> None:
        self.log("val_acc", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())


class Mixed(Net):
    """Mixes its inputs at random, and compares with the classes of both."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        order = torch.randperm(len(x))
        logits = self(0.7 * x + 0.3 * x[order])
        self.seen = order
        losses = [nn.functional.cross_entropy(logits, each) for each in (y, y[order])]
        return 0.7 * losses[0] + 0.3 * losses[1]


class Collects(Net):
    """Scores the outputs of the epoch in its hook."""

    def on_validation_epoch_start(self) -> None:
        self.outputs: list[torch.Tensor] = []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.outputs.append(self(batch[0]).argmax(1) == batch[1])

    def on_validation_epoch_end(self) -> None:
        self.log("val_acc", torch.cat(self.outputs).float().mean())


class Bounded(Net):
    """Predicts one number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[:, :1]

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return (self(batch[0])[:, 0] - batch[1]).square().mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("mse", (self(batch[0])[:, 0] - batch[1]).square().mean())


class Manual(Net):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


class Silent(Net):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self(batch[0])


class Twice(Net):
    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return (self(batch[0]) - self(batch[0] + 0.1)).square().mean()


class ReadsEpoch(Net):
    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return super().training_step(batch, batch_idx) * (1 + self.current_epoch)


class TrainsLoss(Net):
    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return super().training_step(batch, batch_idx) * self.log_scale.exp() - self.log_scale


class NoLoss(Net):
    def training_step(self, batch: Any, batch_idx: int) -> None:
        self(batch[0])


class Grouped(Net):
    def forward(self, batch: Any) -> torch.Tensor:
        return self.net(batch[0])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self(batch), batch[1])


class NoValidation(lightning.LightningDataModule):
    def train_dataloader(self) -> DataLoader:
        return DataLoader(points(32, 0), 16)


class TwoLoaders(Points):
    def val_dataloader(self) -> list[DataLoader]:
        return [DataLoader(self.validation, 40), DataLoader(self.validation, 40)]


def function() -> str:
    return "no module"
