"""Options of images in a study file: mistakes are refused with their line, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from support.study_texts import SMALL

PUBLISHED = "{torchvision: mobilenet_v2, weights: DEFAULT}"


def write(folder: Path, options: str, architecture: str = "simple_cnn") -> Path:
    """Writes SMALL with photos and these options."""
    file = folder / "photos.yaml"
    text = SMALL.replace("data: digits", f"data: {{images: photos, {options}}}")
    file.write_text(text.replace("architecture: simple_cnn", f"architecture: {architecture}", 1))
    return file


@pytest.mark.parametrize(
    "options",
    [
        "size: 8",
        "resize: 9, crop: 8",
        "resize: [8, 9], crop: [4, 6], interpolation: lanczos",
        "mean: 0.5, std: 1",
        "mean: [0.5], std: [0.5, 0.4, 0.3]",
        "mean: [0.5, 0, 1], std: [0.004, 0.4, 0.3]",
        "color: L, mean: 0.5, std: 0.2, exif: false",
    ],
)
def test_options_of_ones_own_pipeline_are_read(tmp_path: Path, options: str) -> None:
    assert load_study(write(tmp_path, options)).data.name == "images"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("resize: 0", "data.resize: give pixels from 1 to 4096, or [height, width], got 0"),
        ("resize: [8]", "data.resize: give pixels from 1 to 4096, or [height, width], got [8]"),
        ("crop: x", "data.crop: give pixels from 1 to 4096, or [height, width], got 'x'"),
        ("crop: [8, 0]", "data.crop.1: must be greater than or equal to 1, got 0"),
        ("mean: 0.5", "data: std is missing; give mean and std, or neither of them"),
        ("std: 0.5", "data: mean is missing; give mean and std, or neither of them"),
        ("mean: 0.5, std: 0", "data.std: must be greater than 0, got 0"),
        ("mean: -0.1, std: 0.5", "data.mean: must be greater than or equal to 0, got -0.1"),
        (
            "mean: 123.7, std: 0.2",
            "data.mean: give it for pixels from 0 to 1; divide numbers for 0 to 255 by 255, got ",
        ),
        (
            "mean: [0.5, 0.5], std: 0.2",
            "data: mean has 2 values, but the images have 3 channels (color: RGB)",
        ),
        (
            "color: L, mean: 0.5, std: [0.2, 0.2, 0.2]",
            "data: std has 3 values, but the images have 1 channel (color: L)",
        ),
        ("size: 8, resize: 9", "data: size cannot stand beside resize; size: N means resize: [N"),
        ("size: 8, crop: 8", "data: size cannot stand beside crop; size: N means resize: [N, N]"),
        ("size: 8, preset: weights", "data: size cannot stand beside preset; size: N means"),
        ("interpolation: cubic", "data.interpolation: must be 'bilinear', 'bicubic', 'nearest' or"),
        ("color: BGR", "data.color: must be 'RGB' or 'L', got 'BGR'"),
        ("preset: imagenet", "data.preset: must be 'weights', got 'imagenet'"),
        (
            "preset: weights",
            "data.preset: weights needs a baseline with published weights of torchvision or timm, "
            "not simple_cnn; give resize, crop, mean and std",
        ),
    ],
)
def test_option_is_refused_with_its_line(tmp_path: Path, options: str, message: str) -> None:
    with pytest.raises(StudyFileError) as error:
        load_study(write(tmp_path, options))

    [problem] = error.value.problems
    assert problem.partition("photos.yaml:2: ")[2].startswith(message)


def test_preset_without_published_weights_prints_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"resize: 232, crop: 224, interpolation: bilinear, "):
        load_study(write(tmp_path, "preset: weights", "{torchvision: mobilenet_v2}"))


def test_preset_of_published_weights_is_checked_without_torch(tmp_path: Path) -> None:
    file = write(tmp_path, "preset: weights", PUBLISHED)
    code = (
        "import sys; from paretune.search.study_file.loading import load_study; "
        "load_study(sys.argv[1]); assert not {'torch', 'torchvision'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code, str(file)], check=True)
