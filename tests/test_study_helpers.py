"""The Python files beside the shipped studies: what they generate, and what they read."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import wavfile

STUDIES = Path(__file__).parents[1] / "studies"


def helper(name: str) -> Any:
    """Returns a module of the studies folder."""
    spec = importlib.util.spec_from_file_location(f"studies_{name}", STUDIES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# -- generated data -------------------------------------------------------------------------------


def test_spoken_syllables_are_spectrograms_of_ten_words() -> None:
    spoken = helper("spoken")
    first, second = (list(m) for m in zip(*[(730, 1090), (270, 2290)], strict=True))
    wave = spoken.spoken(first, second, np.random.default_rng(0))
    spectrum = spoken.spectrogram(wave)
    assert spectrum.shape == (1, 40, 64) and spectrum.dtype == np.float32
    assert np.isfinite(spectrum).all()


def test_spectrogram_of_a_tone_is_loudest_in_its_band() -> None:
    spoken = helper("spoken")
    loudest = []
    for frequency in (300, 1000, 3000):
        tone = np.sin(2 * np.pi * frequency * np.arange(4000) / 8000)
        loudest.append(int(spoken.spectrogram(tone)[0, :, 5].argmax()))
    middles = 700 * (10 ** ((np.arange(40) + 1) * 2595 * np.log10(1 + 4000 / 700) / 41 / 2595) - 1)
    assert loudest == [int(np.abs(middles - f).argmin()) for f in (300, 1000, 3000)]


def test_vibrations_differ_by_their_class() -> None:
    arrays = helper("waves").series()
    assert arrays["x_train"].shape == (600, 3, 96) and arrays["x_test"].shape == (400, 3, 96)
    assert set(arrays["y_train"]) == {0, 1, 2, 3}
    spread = [arrays["x_train"][arrays["y_train"] == c, 0].std() for c in (0, 1)]
    assert spread[1] > 1.2 * spread[0]


def test_scenes_have_masks_with_unlabelled_edges() -> None:
    image, mask = helper("scenes").scene(48, 64, np.random.default_rng(0))
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert mask.shape == (48, 64) and mask[0, 0] == 0 and mask[-1, 0] != 0
    assert 0.005 < (mask == 4).mean() < 0.3


def test_rents_are_the_file_that_the_script_writes(tmp_path: Path) -> None:
    script = tmp_path / "rents.py"
    script.write_bytes((STUDIES / "rents.py").read_bytes())
    spec = importlib.util.spec_from_file_location("copied_rents", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main() == 0
    assert (tmp_path / "rents.csv").read_bytes() == (STUDIES / "rents.csv").read_bytes()


def test_patients_are_split_without_overlap() -> None:
    arrays = helper("diabetes").patients()
    assert [len(arrays[f"y_{part}"]) for part in ("train", "val", "test")] == [265, 88, 89]
    rows = np.concatenate([arrays[f"x_{part}"] for part in ("train", "val", "test")])
    assert len(np.unique(rows, axis=0)) == 442


def test_pages_are_pieces_of_the_docs() -> None:
    arrays = helper("characters").pages()
    assert set(arrays) == {"x_train", "x_val", "x_test"}
    assert arrays["x_train"].shape[1] == 96
    assert arrays["x_train"].min() >= 1 and arrays["x_train"].max() <= 96
    text = "".join(chr(c + 30) if c > 1 else "\n" for c in arrays["x_train"][:10].flatten())
    first = sorted((STUDIES.parent / "docs").glob("*.md"))[0].read_text(encoding="utf-8")
    assert text[:96] == first[:96]


# -- data of a folder -----------------------------------------------------------------------------


def test_recordings_are_split_by_their_numbers(tmp_path: Path) -> None:
    samples = (np.sin(np.arange(3000) / 3) * 9000).astype(np.int16)
    for digit in range(2):
        for number in (0, 4, 5, 6, 15, 27):
            wavfile.write(tmp_path / f"{digit}_ann_{number}.wav", 8000, samples)
    arrays = helper("spoken").digits(str(tmp_path))
    assert [len(arrays[f"y_{part}"]) for part in ("train", "val", "test")] == [4, 4, 4]
    assert arrays["y_test"].tolist() == [0, 0, 1, 1]
    with pytest.raises(FileNotFoundError, match=r"holds no files like 7_jackson_32\.wav"):
        helper("spoken").digits(str(tmp_path / "none"))


def test_archive_fills_shorter_series_with_zeros(tmp_path: Path) -> None:
    head = "#comment\n@problemName toy\n@classLabel true a b\n@data\n"
    (tmp_path / "Toy_TRAIN.ts").write_text(f"{head}1,2,3:4,5,6:b\n7,8:9,10:a\n")
    (tmp_path / "Toy_TEST.ts").write_text(f"{head}1,1,1,1:2,2,2,2:a\n")
    arrays = helper("waves").series(str(tmp_path))
    assert arrays["x_train"].tolist()[1] == [[7, 8, 0, 0], [9, 10, 0, 0]]
    assert arrays["x_test"].shape == (1, 2, 4)
    assert (arrays["y_train"].tolist(), arrays["y_test"].tolist()) == ([1, 0], [0])


def cells_folder(folder: Path) -> Path:
    (folder / "images").mkdir()
    numbers = np.random.default_rng(0)
    with (folder / "boxes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["part", "image", "xmin", "ymin", "xmax", "ymax", "label"])
        for part in ("train", "val", "test"):
            pixels = numbers.integers(0, 256, (96, 640, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{part}.png")
            writer.writerow([part, f"{part}.png", 20, 10, 60, 50, "WBC"])
    return folder


def test_photographs_and_boxes_are_reduced_to_320_pixels(tmp_path: Path) -> None:
    task = helper("cells").Cells(folder=str(cells_folder(tmp_path)))
    [(images, boxes)] = task.batches("test")
    assert images.shape == (1, 3, 48, 320)
    assert boxes[0].tolist() == [[10, 5, 30, 25, 1]]


# -- the task of the detector ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def task() -> Any:
    cells = helper("cells")
    made = cells.Cells(width=4)
    made.parts = {part: examples[:8] for part, examples in made.parts.items()}
    return made


def test_loss_of_the_detector_has_gradients_for_all_parameters(task: Any) -> None:
    network = task.model().train()
    inputs, targets = next(iter(task.batches("train")))
    loss = task.loss(network(inputs), targets)
    loss.backward()
    assert loss.ndim == 0 and loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_score_of_outputs_that_say_the_true_boxes_is_one(task: Any) -> None:
    """The exact outputs of each image: logarithms of the distances, and a sure kind."""
    answers = iter(list(task.batches("validation")))

    def exact(inputs: torch.Tensor) -> np.ndarray:
        _, targets = next(answers)
        outputs = torch.full((len(targets), 7, 12, 16), -20.0)
        for output, true in zip(outputs, targets, strict=True):
            for x1, y1, x2, y2, kind in true.tolist():
                column, row = int((x1 + x2) / 16), int((y1 + y2) / 16)
                x, y = 8 * column + 4, 8 * row + 4
                sides = torch.tensor([x - x1, y - y1, x2 - x, y2 - y]) / 8
                output[:4, row, column] = sides.clamp(min=0.01).log()
                output[4 + int(kind), row, column] = 9.0
        return outputs.numpy()

    images, summary = task.score(exact, "validation")["map50"]
    assert len(images) == 8
    assert summary(images) > 0.85  # overlapping drawings hide some boxes from each other


def test_metric_of_the_detector_equals_that_of_the_engine(task: Any) -> None:
    from paretune.objectives.metrics.detection import Boxes, detection_scores

    network = task.model().eval()

    def predict(inputs: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            outputs: np.ndarray = network(inputs).numpy()
        outputs[:, 4:] += 3.5  # more boxes pass the threshold
        return outputs

    cells = sys.modules["studies_cells"]
    images, summary = task.score(predict, "test")["map50"]
    detected, true = [], []
    for inputs, targets in task.batches("test"):
        for output, boxes in zip(torch.as_tensor(predict(inputs)), targets, strict=True):
            corners, scores, kinds = cells.detections(output)  # type: ignore[attr-defined]
            detected.append(Boxes(corners.numpy(), kinds.numpy(), scores.numpy()))
            true.append(Boxes(boxes[:, :4].numpy(), boxes[:, 4].long().numpy()))
    expected = detection_scores(detected, true)["map50"].value
    assert summary(images) == pytest.approx(expected, abs=1e-6)
