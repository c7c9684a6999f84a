"""Image files in one folder per class: read, resized, streamed or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.image_dataset import ImageDataset
from paretune.search.errors import UserError

WriteImages = Callable[..., Path]


def load(folder: Path, seed: int = 0, **options: Any) -> ImageDataset:
    return load_data("images", {"folder": folder.name, **options}, folder.parent, seed)


def read_part(data: ImageDataset, part: str, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*data.batches(part, 7, **options), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_folder_is_split_into_three_parts(write_images: WriteImages) -> None:
    data = load(write_images("pictures", "abc", rows=10))

    assert data.info() == {
        "source": "pictures",
        "sizes": {"train": 18, "validation": 6, "test": 6},
        "shape": [3, 5, 7],
        "classes": 3,
        "streamed": False,
    }
    assert data.preprocessing()["class_names"] == ["a", "b", "c"]


def test_labels_follow_the_names_of_the_folders(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for grey, name in ((90, "b"), (30, "a"), (200, "c")):
        (folder / name).mkdir(parents=True)
        for row in range(5):
            Image.new("L", (4, 4), grey).save(folder / name / f"{row}.png")

    data = load(folder)

    for part in ("train", "validation", "test"):
        images, labels = read_part(data, part)
        greys = (images[:, 0, 0, 0] * data.std[0] + data.mean[0]) * 255
        assert greys.round().tolist() == [[30, 90, 200][label] for label in labels]
        assert set(labels.tolist()) == {0, 1, 2}


def test_images_are_resized_to_one_size(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=5, size=(6, 6))
    Image.new("L", (20, 30), 100).save(folder / "a" / "large.png")
    Image.new("RGBA", (2, 2)).save(folder / "b" / "small.png")

    assert load(folder).shape == (3, 6, 6)
    assert load(folder, size=4).shape == (3, 4, 4)


@pytest.mark.parametrize("ending", ["png", "JPG", "jpeg", "bmp", "gif", "ppm", "tiff", "webp"])
def test_file_formats_are_read(write_images: WriteImages, ending: str) -> None:
    folder = write_images("pictures", "ab", rows=4)
    Image.new("RGB", (7, 5), (10, 20, 30)).save(folder / "a" / f"more.{ending}")

    sizes = load(folder).info()["sizes"]

    assert sum(sizes.values()) == 9


@pytest.mark.parametrize("seed", [None, 3])
def test_streamed_images_equal_those_in_memory(write_images: WriteImages, seed: int | None) -> None:
    folder = write_images("pictures", "ab", rows=10)
    kept, streamed = load(folder, memory="ram"), load(folder, memory="stream")

    assert streamed.info() == {**kept.info(), "streamed": True}
    assert (streamed.mean, streamed.std) == (kept.mean, kept.std)
    for part in ("train", "validation", "test"):
        for a, b in zip(
            kept.batches(part, 4, seed=seed), streamed.batches(part, 4, seed=seed), strict=True
        ):
            assert torch.equal(a[0], b[0])
            assert torch.equal(a[1], b[1])
    for in_memory, streaming in zip(
        kept.calibration(8, 3), streamed.calibration(8, 3), strict=True
    ):
        assert (in_memory == streaming).all()


def test_training_on_a_stream_with_workers_gives_the_same_weights(
    write_images: WriteImages,
) -> None:
    """Dropout included, because reading draws nothing from the global generator."""
    from torch import nn

    from paretune.spaces.base import Candidate, Context
    from paretune.spaces.training.loop import train
    from paretune.spaces.training.recipe import Recipe

    folder = write_images("pictures", "ab", rows=10)
    recipe = Recipe.model_validate({"epochs": 2, "batch_size": 4, "augment": {"flip": True}})
    weights = []
    for options in ({"memory": "ram"}, {"memory": "stream", "workers": 2}):
        data = load(folder, **options)
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(105, data.classes))
        trained = train(Candidate(model, data.shape, 2), recipe, Context(data), stage="pretrain")
        weights.append(trained.model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_streamed_images_are_resized(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=5, size=(6, 6))
    Image.new("RGB", (20, 30)).save(folder / "a" / "large.png")

    data = load(folder, memory="stream", size=4)

    assert data.shape == (3, 4, 4)
    assert {tuple(x.shape[1:]) for p in ("train", "test") for x, _ in data.batches(p, 3)} == {
        (3, 4, 4)
    }


def empty(tmp_path: Path, write_images: WriteImages) -> None:
    (tmp_path / "pictures").mkdir()


def without_images(tmp_path: Path, write_images: WriteImages) -> None:
    (tmp_path / "pictures" / "a").mkdir(parents=True)


def one_class(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("pictures", "a")


def empty_class(tmp_path: Path, write_images: WriteImages) -> None:
    (write_images("pictures", "ab") / "c").mkdir()


def unknown_class(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("pictures/train", "ab")
    write_images("pictures/val", "ac")


def not_an_image(tmp_path: Path, write_images: WriteImages) -> None:
    (write_images("pictures", "ab") / "a" / "003.png").write_bytes(b"no image")


def cut_off(tmp_path: Path, write_images: WriteImages) -> None:
    file = write_images("pictures", "ab") / "a" / "003.png"
    file.write_bytes(file.read_bytes()[:60])


def bad_header(tmp_path: Path, write_images: WriteImages) -> None:
    (write_images("pictures", "ab") / "a" / "x.ppm").write_bytes(b"P6\n7 \xff 255\n")


def one_image(tmp_path: Path, write_images: WriteImages) -> None:
    write_images("pictures", "ab", rows=1)


@pytest.mark.parametrize("memory", ["ram", "stream"])
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda *_: None, "data: {folder}: there is no such folder"),
        (empty, "data: {folder} has no folders; put each class's images into one"),
        (without_images, "data: {folder} holds no images (.png, .jpg, .jpeg, .bmp, ...)"),
        (one_class, "data: pictures: the training part has one class only (0); there is nothing"),
        (empty_class, "data: {folder}/c holds no images"),
        (unknown_class, "data: {folder}/val has classes that the training part lacks: c"),
        (one_image, "pictures: no test part is given, and class 0 has 1 example; a split needs"),
    ],
)
def test_folder_is_refused_with_the_reason(
    tmp_path: Path, write_images: WriteImages, prepare: Any, message: str, memory: str
) -> None:
    prepare(tmp_path, write_images)
    folder = tmp_path / "pictures"

    with pytest.raises(UserError) as error:
        load(folder, memory=memory)

    assert str(error.value).startswith(message.replace("{folder}", str(folder)))


@pytest.mark.parametrize("memory", ["ram", "stream"])
@pytest.mark.parametrize(
    ("prepare", "file"),
    [(not_an_image, "a/003.png"), (cut_off, "a/003.png"), (bad_header, "a/x.ppm")],
)
def test_unreadable_image_is_named(
    tmp_path: Path, write_images: WriteImages, prepare: Any, file: str, memory: str
) -> None:
    prepare(tmp_path, write_images)
    folder = tmp_path / "pictures"

    # A stream finds it when it reads the file.
    with pytest.raises(UserError) as error:
        data = load(folder, memory=memory)
        for part in ("train", "validation", "test"):
            read_part(data, part)

    assert str(error.value).startswith(f"{folder / file}: cannot be read as an image: ")


def test_fingerprint_of_images_in_memory_depends_on_their_content(
    tmp_path: Path, write_images: WriteImages
) -> None:
    folder = write_images("pictures", "ab", rows=5)
    before = load(folder, memory="ram").fingerprint
    (folder / "a" / "000.png").touch()

    same = load(folder, memory="ram").fingerprint
    pixels = np.asarray(Image.open(folder / "a" / "000.png")).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(folder / "a" / "000.png")

    assert same == before
    assert load(folder, memory="ram").fingerprint != before


def test_fingerprint_of_streamed_images_changes_when_a_file_does(
    tmp_path: Path, write_images: WriteImages
) -> None:
    folder = write_images("pictures", "ab", rows=5)
    before = load(folder, memory="stream").fingerprint
    again = load(folder, memory="stream").fingerprint
    Image.new("RGB", (7, 5)).save(folder / "a" / "000.png")

    assert again == before
    assert load(folder, memory="stream").fingerprint != before
    assert load(folder, memory="stream", size=4).fingerprint != before
