"""The parts of a study's data depend on where its networks start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paretune.search.study_file.loading import load_study
from paretune.search.trial.study_data import load_study_data

CNN = "{architecture: {simple_cnn: {width: 0.25}}, pretrain: {epochs: 1}}"
PUBLISHED = "architecture: {torchvision: {name: resnet18, weights: DEFAULT}}"
OWN = 'architecture: {python: {factory: "study_data_net:Net"'

STUDY = """\
data: {npz: data.npz}
baseline: BASELINE
teachers: {big: TEACHER}
space:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {epochs: 1}
objectives: {accuracy: maximize}
search: {trials: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A study file beside its data, with a training and a validation part, and weights."""
    random = np.random.default_rng(0)
    parts = {"train": 40, "val": 20}
    arrays = {
        f"x_{p}": random.integers(0, 256, (n, 8, 8), dtype=np.uint8) for p, n in parts.items()
    }
    labels = {f"y_{p}": np.arange(n) % 2 for p, n in parts.items()}
    np.savez(tmp_path / "data.npz", **arrays, **labels)
    (tmp_path / "w.pt").write_bytes(b"")
    (tmp_path / "study_data_net.py").write_text("class Net: ...\n")
    return tmp_path / "study.yaml"


@pytest.mark.parametrize(
    ("baseline", "teacher", "seen"),
    [
        (CNN, CNN, False),
        (CNN.replace("pretrain: {epochs: 1}", "checkpoint: w.pt"), CNN, True),
        (CNN.replace("pretrain", "checkpoint: w.pt, pretrain"), CNN, True),
        (CNN, CNN.replace("pretrain: {epochs: 1}", "checkpoint: w.pt"), True),
        (f"{{{OWN}}}}}}}", CNN, True),
        (f"{{{OWN}}}}}, pretrain: {{epochs: 1}}}}", CNN, False),
        (f"{{{OWN}, args: {{weights: w.pt}}}}}}, pretrain: {{epochs: 1}}}}", CNN, True),
        (f"{{{PUBLISHED}, pretrain: {{epochs: 1}}}}", CNN, False),
    ],
    ids=[
        "trained",
        "checkpoint",
        "checkpoint and training",
        "teacher",
        "own code",
        "own code, trained",
        "own code with weights, trained",
        "published weights",
    ],
)
def test_test_part_comes_from_what_no_weights_have_seen(
    file: Path, baseline: str, teacher: str, seen: bool
) -> None:
    file.write_text(STUDY.replace("BASELINE", baseline).replace("TEACHER", teacher))
    data = load_study_data(load_study(file))

    sizes = {"train": 40, "validation": 10, "test": 10} if seen else {"train": 32, "validation": 20}
    assert data.info()["sizes"] == {"test": 8, **sizes}
    assert bool(data.info().get("seen")) == seen
    usual = load_study_data(load_study(file, ["data.unseen=[test]"]))
    assert usual.info()["sizes"] == {"train": 32, "validation": 20, "test": 8}
