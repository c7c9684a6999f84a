"""Trains the network of net.py on image files, and writes photos/ and net.pt.

    python train.py

It stands for your own training script, and does not use Paretune.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from net import Net
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

PHOTOS = Path("photos")
PARTS = {"train": slice(0, 1000), "val": slice(1000, 1400), "test": slice(1400, None)}
EPOCHS, BATCH = 6, 32

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPARE = transforms.Compose(
    [
        transforms.Resize(20),
        transforms.CenterCrop(16),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)


def write_photos() -> None:
    """Writes 1,797 digits as image files: photos/PART/CLASS/NUMBER.png."""
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    for part, rows in PARTS.items():
        for row in order[rows]:
            folder = PHOTOS / part / str(labels[row])
            folder.mkdir(parents=True, exist_ok=True)
            photo = Image.fromarray(images[row]).resize((30, 24), Image.Resampling.BICUBIC)
            photo.save(folder / f"{row}.png")


def loader(part: str, shuffle: bool = False) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Returns batches of a part, prepared for the network."""
    return DataLoader(ImageFolder(str(PHOTOS / part), PREPARE), BATCH, shuffle=shuffle)


def accuracy(net: Net, part: str) -> float:
    """Returns the accuracy on a part, in percent."""
    net.eval()
    with torch.no_grad():
        correct = [
            (net(images).argmax(1) == labels).sum().item() for images, labels in loader(part)
        ]
    return 100 * sum(correct) / len(loader(part).dataset)  # type: ignore[arg-type]


def main() -> None:
    """Trains, prints the validation accuracy, and writes the checkpoint."""
    torch.manual_seed(0)
    write_photos()
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(EPOCHS):
        net.train()
        for images, labels in loader("train", shuffle=True):
            loss = torch.nn.functional.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(f"accuracy on the validation part: {accuracy(net, 'val'):.2f} %")
    torch.save({"epoch": EPOCHS, "model_state_dict": net.state_dict()}, "net.pt")


if __name__ == "__main__":
    main()
