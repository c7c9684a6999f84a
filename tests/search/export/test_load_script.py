"""load.py: the code that a user of an exported model runs."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data.image_decoding import decode_image
from paretune.search.data.image_preparation import Preparation
from paretune.search.errors import UserError
from paretune.search.export.load_script import MOST_NAMES, script_text

Code = dict[str, Any]


def image_code(folder: Path, preparation: Preparation, shape: tuple[int, int, int]) -> Code:
    """Returns the names that load.py of a model with this preparation defines."""
    preprocessing = {
        "shape": list(shape),
        "mean": [0.4] * shape[0],
        "std": [0.2] * shape[0],
        "class_names": ["a", "b"],
        **preparation.to_json(),
    }
    artifact = {"file": "model.onnx", "runtime": "onnxruntime", "options": {}}
    manifest = {"preprocessing": preprocessing, "artifacts": [artifact]}
    script = folder / "load.py"
    script.write_text(script_text(artifact, manifest), encoding="utf-8")
    return runpy.run_path(str(script), run_name="load")


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """One picture in every kind of file."""
    random = np.random.default_rng(0)
    rgb = Image.fromarray(random.integers(0, 256, (30, 41, 3), dtype=np.uint8))
    grey = np.asarray(rgb.convert("L"))
    rotated = Image.Exif()
    rotated[0x0112] = 6
    damaged = Image.Exif()
    damaged[0x0112] = 99
    kinds: dict[str, Callable[[Path], Any]] = {
        "rgb.png": rgb.save,
        "palette.png": rgb.convert("P").save,
        "grey_alpha.png": rgb.convert("LA").save,
        "alpha.png": rgb.convert("RGBA").save,
        "bits.png": rgb.convert("1").save,
        "cmyk.jpg": rgb.convert("CMYK").save,
        "grey.png": Image.fromarray(grey).save,
        "grey16.png": Image.fromarray(grey.astype(np.uint16) * 257).save,
        "grey16.tif": Image.fromarray(grey.astype(np.uint16) * 257).save,
        "grey12.tif": lambda path: _save_12_bit(grey, path),
        "float.tif": Image.fromarray((grey / 255).astype(np.float32)).save,
        "rotated.jpg": lambda path: rgb.save(path, exif=rotated),
        "odd_exif.jpg": lambda path: rgb.save(path, exif=damaged),
        "frames.gif": lambda path: rgb.save(path, save_all=True, append_images=[rgb.rotate(90)]),
        "tall.webp": lambda path: rgb.rotate(90, expand=True).save(path, lossless=True),
    }
    for name, save in kinds.items():
        save(tmp_path / name)
    return {name: tmp_path / name for name in kinds}


def _save_12_bit(grey: np.ndarray, path: Path) -> None:
    """Saves grey values as a 16-bit TIFF that declares 12 bits."""
    Image.fromarray(grey.astype(np.uint16) * 16).save(path)
    content = bytearray(path.read_bytes())
    entry = content.index((258).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    content[entry + 8 : entry + 10] = (12).to_bytes(2, "little")
    path.write_bytes(bytes(content))


PREPARATIONS = [
    Preparation(resize=(24, 20)),
    Preparation(resize=22, crop=(20, 20)),
    Preparation(resize=22, crop=(20, 20), interpolation="bicubic", exif=False),
    Preparation(crop=(50, 36)),
    Preparation(color="L", resize=(9, 17), interpolation="lanczos"),
    Preparation(color="RGBA", resize=25, crop=(31, 8), interpolation="nearest"),
]


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=lambda p: f"{p.color}-{p.resize}")
def test_files_become_the_inputs_of_the_study(
    pictures: dict[str, Path], tmp_path: Path, preparation: Preparation
) -> None:
    height, width = preparation.size(30, 41)
    code = image_code(tmp_path, preparation, (preparation.channels, height, width))
    for name, file in pictures.items():
        expected = decode_image(file, preparation)
        assert np.array_equal(code["read"](file), expected), name
    inputs = code["prepare"]([pictures["rgb.png"], str(pictures["cmyk.jpg"])])
    pixels = np.stack([decode_image(pictures[n], preparation) for n in ("rgb.png", "cmyk.jpg")])
    assert inputs.dtype == np.float32
    assert inputs == pytest.approx((pixels / 255 - 0.4) / 0.2, abs=1e-6)
    assert np.array_equal(code["prepare"](str(pictures["rgb.png"])), inputs[:1])
    with Image.open(pictures["rgb.png"]) as opened:
        assert np.array_equal(code["prepare"](opened), inputs[:1])


@pytest.mark.parametrize(
    "values",
    [
        np.array([[-0.5, 2.0]], dtype=np.float32),
        np.array([[np.nan, 0.5]], dtype=np.float32),
        np.array([[0, 70000]], dtype=np.int32),
    ],
    ids=["beyond", "nan", "integers"],
)
def test_files_without_a_range_are_refused_by_both(tmp_path: Path, values: np.ndarray) -> None:
    file = tmp_path / "odd.tif"
    Image.fromarray(values).save(file)
    preparation = Preparation(resize=(4, 4))
    with pytest.raises(UserError, match="8-bit or 16-bit PNG"):
        decode_image(file, preparation)
    code = image_code(tmp_path, preparation, (3, 4, 4))
    with pytest.raises(ValueError, match="8-bit or 16-bit PNG"):
        code["read"](file)


def test_arrays_are_taken_in_both_layouts(tmp_path: Path) -> None:
    code = image_code(tmp_path, Preparation(resize=(5, 6)), (3, 5, 6))
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    inputs = code["prepare"](images)
    for same in (
        images.transpose(0, 2, 3, 1),
        list(images),
        list(images.transpose(0, 2, 3, 1)),
        np.asfortranarray(images),
    ):
        assert np.array_equal(code["prepare"](same), inputs)
    for one in (images[0], images[0].transpose(1, 2, 0)):
        assert np.array_equal(code["prepare"](one), inputs[:1])


def test_grey_arrays_may_lack_their_channel(tmp_path: Path) -> None:
    code = image_code(tmp_path, Preparation(color="L", resize=(5, 6)), (1, 5, 6))
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6), dtype=np.uint8)
    inputs = code["prepare"](images)
    assert inputs.shape == (4, 1, 5, 6)
    assert np.array_equal(code["prepare"](images[:, None]), inputs)
    assert np.array_equal(code["prepare"](images[..., None]), inputs)
    assert np.array_equal(code["prepare"](images[0]), inputs[:1])


def test_channels_first_counts_where_both_layouts_fit(tmp_path: Path) -> None:
    code = image_code(tmp_path, Preparation(resize=(3, 3)), (3, 3, 3))
    images = np.arange(54, dtype=np.uint8).reshape(2, 3, 3, 3)
    assert np.array_equal(code["channels_first"](images), images)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 3, 5, 6), dtype=np.float32),
        np.zeros((2, 3, 5, 6), dtype=np.int64),
        np.zeros((2, 3, 6, 5), dtype=np.uint8),
        np.zeros((2, 1, 5, 6), dtype=np.uint8),
        np.zeros((6, 5), dtype=np.uint8),
        [],
    ],
    ids=["float", "int64", "sides", "channels", "flat", "empty"],
)
def test_other_arrays_are_refused_with_what_to_give(tmp_path: Path, images: Any) -> None:
    code = image_code(tmp_path, Preparation(resize=(5, 6)), (3, 5, 6))
    with pytest.raises(ValueError, match=r"give paths of image files, or an array uint8 \['B', 3"):
        code["prepare"](images)


def test_values_of_a_manifest_cannot_add_code(tmp_path: Path) -> None:
    bad = '"; import os; os.abort()  #'
    artifact = {"file": "model.onnx", "runtime": "onnxruntime", "options": {}}
    preprocessing = {
        "shape": [3, 4, 4],
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "class_names": [bad, "}{x}"],
        "color": bad,
        "exif": bad,
        "resize": None,
        "crop": None,
        "interpolation": bad,
    }
    manifest = {"preprocessing": preprocessing, "artifacts": [artifact]}
    script = tmp_path / "load.py"
    script.write_text(script_text(artifact, manifest), encoding="utf-8")
    code = runpy.run_path(str(script), run_name="load")
    assert code["CLASSES"] == [bad, "}{x}"]
    assert (code["COLOR"], code["EXIF"], code["FILTER"]) == (bad, True, bad)


def test_script_runs_files_from_the_command_line(exported: Path, tmp_path: Path) -> None:
    with np.load(exported / "probe.npz") as probe:
        examples = probe["examples"]
    for number, image in enumerate(examples[:3]):
        Image.fromarray(image[0]).save(tmp_path / f"digit {number}.png")
    files = [str(tmp_path / f"digit {number}.png") for number in range(3)]
    command = [sys.executable, "-I", str(exported / "load.py")]
    stored = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    printed = subprocess.run([*command, *files], capture_output=True, text=True, check=True).stdout
    assert len(stored.splitlines()) == len(examples)
    assert printed.splitlines() == stored.splitlines()[:3]


def test_arrays_need_no_pillow(exported: Path) -> None:
    block = (
        "import sys, runpy; sys.modules['PIL'] = None; file = sys.argv.pop(); "
        "runpy.run_path(file, run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", block, str(exported / "load.py")]
    subprocess.run(command, capture_output=True, check=True)


def test_many_class_names_are_left_to_the_manifest(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    [artifact] = manifest["artifacts"]
    preprocessing = {**manifest["preprocessing"], "class_names": ["x"] * (MOST_NAMES + 1)}
    code = script_text(artifact, {**manifest, "preprocessing": preprocessing})
    assert "print(logits.argmax())  # number of the class; names: class_names in man" in code
    compile(code, "load.py", "exec")
    assert "CLASSES" not in code
