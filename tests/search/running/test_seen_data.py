"""Studies of a checkpoint, end to end: what the weights may have seen is never called test.

The networks learn images with random classes by heart, so their accuracy is 100 % on what they have
seen, and about 10 % on the rest.
"""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from paretune.search.database.store import existing_store
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.study_data import load_study_data
from support.command_line import Cli
from support.studies import record_of, url_of

MODULE = """\
from torch import nn

class LearnsByHeart(nn.Sequential):
    def __init__(self, classes=10):
        super().__init__(nn.Flatten(), nn.Linear(192, 256), nn.ReLU(), nn.Linear(256, classes))
"""

STUDY = """\
data: {images: FOLDER, size: 8, mean: 0.5, std: 0.5}
baseline: {architecture: {python: "seen_networks:LearnsByHeart"}, checkpoint: net.pt}
space: {quantization: {choice: [none, dynamic]}}
objectives: {accuracy: maximize, size: minimize}
search: {trials: 1, sampler: grid}
"""

SIZES = {"train": 12, "val": 8, "test": 5}
"""Images of each class."""


def images_of(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns noise uint8 [N, 8, 8, 3] and classes in turn."""
    count = 10 * SIZES[part]
    random = np.random.default_rng(sorted(SIZES).index(part))
    return random.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), np.arange(count) % 10


def write_part(folder: Path, part: str) -> None:
    images, labels = images_of(part)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        of_class = folder / part / str(label)
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(of_class / f"{row}.png")


def write_checkpoint(file: Path) -> None:
    """Trains the network of MODULE on the training images until it knows them by heart."""
    images, labels = images_of("train")
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 256), nn.ReLU(), nn.Linear(256, 10))
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(60):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(inputs), torch.from_numpy(labels))
            loss.backward()
            optimizer.step()
    torch.save(network.state_dict(), file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network, its checkpoint, and photos with one, two and three parts."""
    folder = tmp_path_factory.mktemp("seen")
    (folder / "seen_networks.py").write_text(MODULE)
    write_checkpoint(folder / "net.pt")
    for parts in (("train",), ("train", "val"), ("train", "val", "test")):
        name = "-".join(parts)
        for part in parts:
            write_part(folder / name, part)
        (folder / f"on-{name}.yaml").write_text(STUDY.replace("FOLDER", name))
    return folder


def accuracy_by_hand(file: Path, part: str, *overrides: str) -> float:
    """Returns the share of a part's images that the checkpoint's network gets right."""
    spec = load_study(file, overrides)
    data = load_study_data(spec)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 256), nn.ReLU(), nn.Linear(256, 10))
    network.load_state_dict(torch.load(file.parent / "net.pt", weights_only=True))
    [(inputs, labels)] = data.batches(part, 1000)
    return float((network(inputs).argmax(1) == labels).float().mean())


def flat(text: str) -> str:
    """Returns a text, or the text of a page, without line breaks."""
    return " ".join(unescape(text).split())


def sizes(record: StudyRecord) -> Any:
    return record.info["data"]["sizes"]


NO_TEST = "There is no test part, because the study starts from trained weights"
SEEN_VALIDATION = "The validation part is split off the training part, which the study's trained"


@pytest.mark.slow
def test_test_part_is_half_of_the_validation_folder(folder: Path, cli: Cli) -> None:
    file = folder / "on-train-val.yaml"
    result = cli("run", file)

    assert result.code == 0, result.err
    record = record_of(file)
    assert sizes(record) == {"train": 120, "validation": 40, "test": 40}
    assert record.baseline is not None
    for part, measured in (
        ("validation", record.baseline.measurements),
        ("test", record.baseline.test),
    ):
        assert measured["accuracy"].value == pytest.approx(accuracy_by_hand(file, part))
        assert measured["accuracy"].value < 0.4
    assert accuracy_by_hand(file, "train") == 1.0
    half = "The test part is half of the validation part, because the study starts from trained"
    assert flat(result.out).count(half) == 2  # before the first trial, and below the front
    assert "on test" in result.out
    assert half in flat(cli("front", file).out)
    assert half in flat((folder / "on-train-val" / "report.html").read_text())


def test_study_of_training_images_alone_has_no_test_part(folder: Path, cli: Cli) -> None:
    file = folder / "on-train.yaml"
    result = cli("run", file)

    assert result.code == 0, result.err
    record = record_of(file)
    assert sizes(record) == {"train": 100, "validation": 20, "test": 0}
    assert not any(trial.test for trial in record.trials)
    assert record.baseline is not None
    assert record.baseline.values["accuracy"] == 1.0  # seen, so the run says that it is too high
    assert "on test" not in result.out
    assert "on the validation part" in flat(result.out)
    for text in (
        result.out,
        cli("front", file).out,
        (folder / "on-train" / "report.html").read_text(),
    ):
        assert NO_TEST in flat(text)
        assert SEEN_VALIDATION in flat(text)
    advice = "if the weights were not trained on these files, type data: {..., unseen: [test]}."
    for command in ("status", "front"):
        assert advice in flat(cli(command, file).out)
    assert NO_TEST in flat(cli("show", file, 0).out)
    shown = json.loads(cli("front", file, "--json").out)
    assert shown["no_test"].startswith(NO_TEST)
    assert shown["rows"][0]["test"] == {}
    assert json.loads(cli("status", file, "--json").out)["no_test"].startswith(NO_TEST)

    exported = folder / "exported"
    result = cli("export", file, "--pick", "smallest", "-o", exported)
    assert result.code == 0, result.out + result.err
    manifest = json.loads((exported / "manifest.json").read_text())
    assert manifest["data"]["no_test"].startswith(NO_TEST)
    assert manifest["data"]["seen"] is True
    card = (exported / "MODEL_CARD.md").read_text()
    assert "| | validation | baseline, validation | times better |\n|---|---|---|---|\n" in card
    assert f"- {NO_TEST}" in card and f"- {SEEN_VALIDATION}" in card
    assert "100 train, 20 validation examples" in card
    assert "Accuracy was measured on the validation part only" in card
    assert cli("verify", exported).code == 0

    result = cli("retarget", file, "--runtime", "torchscript", "--json")
    assert result.code == 0, result.err
    assert all(row["new"]["test"] == {} for row in json.loads(result.out)["rows"])

    again = cli("run", file, "--set", "data.unseen=[test]")
    assert again.code == 2
    assert "data.images.unseen: was [], now ['test']" in again.err


def test_user_may_say_that_no_part_was_seen(folder: Path, cli: Cli) -> None:
    file, unseen = folder / "on-train.yaml", "data.unseen=[test, validation]"
    elsewhere = f"sqlite:///{folder / 'unseen.db'}"
    result = cli("run", file, "--set", unseen, "--storage", elsewhere)

    assert result.code == 0, result.err
    with existing_store(elsewhere) as store:
        record = store.record()
    assert sizes(record) == {"train": 80, "validation": 20, "test": 20}
    assert record.no_test is None and record.data_notes == ()
    assert "trained weights" not in result.out
    assert accuracy_by_hand(file, "test", unseen) == 1.0  # the user was wrong


def test_test_folder_of_the_user_is_the_test_part(folder: Path, cli: Cli) -> None:
    file = folder / "on-train-val-test.yaml"
    result = cli("run", file)

    assert result.code == 0, result.err
    record = record_of(file)
    assert sizes(record) == {"train": 120, "validation": 80, "test": 50}
    assert record.no_test is None and record.data_notes == ()
    assert "trained weights" not in result.out
    assert record.baseline is not None
    expected = pytest.approx(accuracy_by_hand(file, "test"))
    assert record.baseline.test["accuracy"].value == expected


def test_run_is_refused_when_the_split_is_another_one(folder: Path, cli: Cli) -> None:
    """As in a study that began before its weights counted as trained on the data."""
    file = folder / "other.yaml"
    file.write_text((folder / "on-train-val-test.yaml").read_text())
    assert cli("run", file).code == 0
    with existing_store(url_of(file)) as store:
        info = store.record().info
        store.update_study(info={**info, "fingerprint": "that of an earlier split"})
    result = cli("run", file, "--trials", 2)

    assert result.code == 2
    assert "the data, or its split into parts, is not that of the study's earlier" in result.err
