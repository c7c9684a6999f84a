"""A model with its user's own transforms gives the same logits and accuracy on the study's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets, models, transforms

from paretune.search.data import load_data

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def write_photos(root: Path, size: tuple[int, int] | None = None) -> Path:
    """Writes photos of three classes in odd sizes, or in one size."""
    rng = np.random.default_rng(0)
    for part, rows in (("train", 4), ("val", 6)):
        for label, name in enumerate(("ant", "Bee", "cow")):
            (root / part / name).mkdir(parents=True)
            for row in range(rows):
                height, width = size or (int(n) for n in rng.integers(30, 90, 2))
                coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
                coarse[..., label] //= 3
                image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
                image.save(root / part / name / f"{row}.{'jpg' if row % 2 else 'png'}")
    return root


PIPELINES: list[tuple[list[Any], dict[str, Any]]] = [
    ([transforms.Resize(41), transforms.CenterCrop(32)], {"resize": 41, "crop": 32}),
    (
        [
            transforms.Resize(37, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop((32, 36)),
        ],
        {"resize": 37, "crop": [32, 36], "interpolation": "bicubic"},
    ),
    ([transforms.Resize((33, 47))], {"resize": [33, 47]}),
    ([transforms.Resize((32, 32))], {"size": 32}),
    ([transforms.CenterCrop(48)], {"crop": 48}),
    (
        [transforms.Resize(41), transforms.CenterCrop(32), transforms.Grayscale(3)],
        {"resize": 41, "crop": 32, "color": "L"},
    ),
]


@pytest.mark.parametrize("memory", ["ram", "stream"])
@pytest.mark.parametrize(("steps", "options"), PIPELINES)
def test_logits_and_accuracy_are_those_of_the_users_pipeline(
    tmp_path: Path, steps: list[Any], options: dict[str, Any], memory: str
) -> None:
    root = write_photos(tmp_path / "photos")
    grey = options.get("color") == "L"
    mean, std = ([0.5], [0.2]) if grey else (MEAN, STD)
    steps = [transforms.Grayscale(), *steps[:-1]] if grey else steps
    compose = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])
    folder = datasets.ImageFolder(str(root / "val"), compose)
    theirs = torch.stack([image for image, _ in folder])

    data = load_data(
        "images",
        {"folder": "photos", "mean": mean, "std": std, "memory": memory, **options},
        tmp_path,
        seen=False,
    )
    [(ours, labels)] = data.batches("validation", 100)

    torch.manual_seed(0)
    model = models.mobilenet_v2(num_classes=3, width_mult=0.25).eval()
    if grey:
        model.features[0][0] = torch.nn.Conv2d(1, 8, 3, 2, 1, bias=False)
    with torch.no_grad():
        expected, logits = model(theirs), model(ours)
    # ImageFolder sorts classes as strings: "Bee" before "ant", as the study does.
    assert data.class_names == folder.classes
    order = [folder.samples.index((str(path), label)) for path, label in _files(root, data)]
    assert labels.tolist() == [folder.targets[row] for row in order]
    assert torch.equal(ours, theirs[order])
    assert torch.allclose(logits, expected[order], atol=1e-5)
    right = (expected.argmax(1) == torch.tensor(folder.targets)).sum()
    assert right == (logits.argmax(1) == labels).sum()


def _files(root: Path, data: Any) -> list[tuple[Path, int]]:
    """Returns the validation files and their labels in the order of the data set."""
    return [
        (path, label)
        for label, name in enumerate(data.class_names)
        for path in sorted((root / "val" / name).iterdir())
    ]


def test_images_that_differ_after_the_resize_are_refused(tmp_path: Path) -> None:
    from paretune.search.errors import UserError

    write_photos(tmp_path / "photos")

    with pytest.raises(UserError, match=r"resize: 40 keeps the aspect .* give crop: 40 too, or"):
        load_data("images", {"folder": "photos", "resize": 40}, tmp_path)


def test_shorter_side_without_a_crop_is_enough_for_images_of_one_size(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", (40, 60))

    data = load_data("images", {"folder": "photos", "resize": 20}, tmp_path)

    assert data.shape == (3, 20, 30)


def test_images_of_several_sizes_are_told_when_no_option_is_given(tmp_path: Path) -> None:
    data = load_data("images", {"folder": str(write_photos(tmp_path / "photos"))}, tmp_path)

    [note] = data.notes
    assert note.endswith("which distorts them. Give resize and crop, or size.")
    assert load_data("images", {"folder": "photos", "size": 30}, tmp_path).notes == ()


def test_images_below_the_crop_are_counted(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", (40, 60))
    Image.new("RGB", (60, 30)).save(root / "val" / "ant" / "small.png")

    data = load_data("images", {"folder": "photos", "crop": 40}, tmp_path)

    assert data.notes == (
        "1 image is smaller than the crop of 40 x 40; black was added at the edges.",
    )


def test_mean_for_other_channels_is_refused_when_arrays_are_read(tmp_path: Path) -> None:
    from paretune.search.errors import UserError

    with pytest.raises(UserError, match=r"data: mean has 3 values, but the images have 1 channel"):
        load_data("digits", {"mean": MEAN, "std": STD}, tmp_path)
