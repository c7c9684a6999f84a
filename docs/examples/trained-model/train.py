"""Trains the network of net.py on 8x8 digits, and writes net.pt and digits.npz.

    python train.py

It stands for your own training script, and does not use Paretune.
"""

from __future__ import annotations

import numpy as np
import torch
from net import Net
from sklearn.datasets import load_digits

EPOCHS, BATCH = 8, 32


def arrays() -> dict[str, np.ndarray]:
    """Returns 1,797 digits in three parts: images uint8 [N, 8, 8] and labels."""
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    parts = {"train": order[:1000], "val": order[1000:1400], "test": order[1400:]}
    return {
        **{f"x_{part}": images[rows] for part, rows in parts.items()},
        **{f"y_{part}": labels[rows] for part, rows in parts.items()},
    }


def tensors(data: dict[str, np.ndarray], part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns images float32 [N, 1, 8, 8] in [0, 1] and labels."""
    images = torch.from_numpy(data[f"x_{part}"])[:, None].float() / 255
    return images, torch.from_numpy(data[f"y_{part}"]).long()


def main() -> None:
    """Trains, prints the validation accuracy, and writes both files."""
    torch.manual_seed(0)
    data = arrays()
    images, labels = tensors(data, "train")
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(EPOCHS):
        net.train()
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(net(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
    validation, truth = tensors(data, "val")
    with torch.no_grad():
        correct = (net(validation).argmax(1) == truth).float().mean().item()
    print(f"accuracy on the validation part: {100 * correct:.2f} %")
    print(f"MEAN, STD = {images.mean():.6f}, {images.std(correction=0):.6f}")
    torch.save({"epoch": EPOCHS, "model_state_dict": net.state_dict()}, "net.pt")
    np.savez_compressed("digits.npz", **data)


if __name__ == "__main__":
    main()
