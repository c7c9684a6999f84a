"""torchvision's data sets by name, without a network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets, transforms

from paretune.search.data import load_data
from paretune.search.errors import UserError


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every connection fail at once."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("there is no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def write_mnist(folder: Path, train: int, test: int) -> None:
    """Writes files in MNIST's format (idx) with made-up images."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, rows in (("train", train), ("t10k", test)):
        images = np.random.default_rng(rows).integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        labels = (np.arange(rows) % 10).astype(np.uint8)
        for kind, array, magic in (("images-idx3", images, 2051), ("labels-idx1", labels, 2049)):
            header = np.array([magic, *array.shape], dtype=">i4").tobytes()
            (raw / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())


def test_downloaded_data_set_is_read(tmp_path: Path) -> None:
    write_mnist(tmp_path / "data", train=100, test=30)

    data = load_data("torchvision", {"name": "MNIST", "download": False}, tmp_path)

    assert data.info() == {
        "source": "MNIST",
        "sizes": {"train": 80, "validation": 20, "test": 30},
        "shape": [1, 28, 28],
        "classes": 10,
        "streamed": False,
    }
    assert data.preprocessing()["class_names"][3] == "3 - three"
    expected = datasets.MNIST(str(tmp_path / "data"), train=False).data
    images = torch.cat([images for images, _ in data.batches("test", 16)])[:, 0]
    assert torch.allclose((images * data.std[0] + data.mean[0]) * 255, expected.float(), atol=1e-2)


def test_data_set_with_a_validation_part_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Parted:
        """Has splits, as many data sets of torchvision do, and yields images one by one."""

        def __init__(self, root: str, split: str = "train", download: bool = False) -> None:
            if split not in ("train", "val"):
                raise ValueError(f"Unknown value '{split}' for argument split.")
            self.rows = {"train": 20, "val": 6}[split]

        def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
            if row >= self.rows:
                raise IndexError
            return np.full((4, 4, 3), row, dtype=np.uint8), row % 2

    monkeypatch.setattr(datasets, "SVHN", Parted)

    data = load_data("torchvision", {"name": "SVHN"}, tmp_path)

    assert data.info()["sizes"] == {"train": 16, "validation": 6, "test": 4}


def test_images_of_several_sizes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Uneven:
        def __init__(self, root: str, train: bool = True) -> None: ...

        def __iter__(self) -> Any:
            return iter([(np.zeros((4, 4, 3)), 0), (np.zeros((5, 4, 3)), 1)])

    monkeypatch.setattr(datasets, "MNIST", Uneven)

    with pytest.raises(
        UserError, match=r"data: MNIST: train: its images differ in size; give resize"
    ):
        load_data("torchvision", {"name": "MNIST"}, tmp_path)


def test_images_of_several_sizes_are_prepared_as_torchvision_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    shapes = [(40, 30), (33, 50), (36, 36), (64, 31)]
    pictures = [Image.fromarray(rng.integers(0, 256, (*s, 3), dtype=np.uint8)) for s in shapes]
    pictures[1] = pictures[1].convert("P")

    class Uneven:
        def __init__(self, root: str, train: bool = True) -> None: ...

        def __iter__(self) -> Any:
            return iter([(picture, row % 2) for row, picture in enumerate(pictures * 3)])

    monkeypatch.setattr(datasets, "MNIST", Uneven)
    options = {"name": "MNIST", "resize": 28, "crop": [24, 20], "mean": 0.5, "std": 0.25}

    data = load_data("torchvision", options, tmp_path)

    compose = transforms.Compose(
        [
            transforms.Resize(28),
            transforms.CenterCrop((24, 20)),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.25] * 3),
        ]
    )
    expected = torch.stack([compose(picture.convert("RGB")) for picture in pictures * 3])
    assert torch.allclose(next(data.batches("test", 20))[0], expected, atol=1e-6)
    assert data.preprocessing()["crop"] == [24, 20]


def test_arrays_are_resized(tmp_path: Path) -> None:
    write_mnist(tmp_path / "data", train=100, test=30)
    options = {"name": "MNIST", "download": False, "resize": 32, "crop": 30}

    data = load_data("torchvision", options, tmp_path)

    compose = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(30)])
    expected = [np.asarray(compose(image)) for image, _ in datasets.MNIST(tmp_path / "data", False)]
    assert (next(data.examples("test", 30))[0][:, 0] == np.stack(expected)).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CIFAR", 'data: torchvision has no data set "CIFAR"; did you mean "CIFAR10"?'),
        ("nonsense", 'data: torchvision has no data set "nonsense".'),
        ("wrap_dataset_for_transforms_v2", "data: torchvision has no data set "),
        ("FakeData", "data: torchvision FakeData has no training and test part"),
        ("Caltech101", "data: torchvision Caltech101 has no training and test part"),
        ("EMNIST", "data: torchvision EMNIST in {root}: Unknown value 'train' for argument split."),
        ("Places365", "data: torchvision Places365 in {root}: Unknown value 'train' for argument"),
        (
            "Kinetics",
            "data: torchvision Kinetics in {root}: Kinetics.__init__() missing 1 required",
        ),
    ],
)
def test_name_is_refused_with_the_reason(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load_data("torchvision", {"name": name, "download": False}, tmp_path)

    assert str(error.value).startswith(message.replace("{root}", str(tmp_path / "data")))


@pytest.mark.parametrize("name", ["CIFAR10", "MNIST", "SVHN", "Flowers102"])
def test_data_set_is_refused_when_its_files_are_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as error:
        load_data("torchvision", {"name": name, "download": False, "root": "here"}, tmp_path)

    text = str(error.value)
    assert text.startswith(f"data: torchvision {name} in {tmp_path / 'here'}: Dataset not found")
    assert text.endswith(
        "Put its files there, let it download (download: true), or use other data: "
        "--set data={npz: FILE}"
    )


def test_data_set_is_refused_when_the_download_fails(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data: torchvision CIFAR10 in .*Put its files there"):
        load_data("torchvision", {"name": "CIFAR10"}, tmp_path)
