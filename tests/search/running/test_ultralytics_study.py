"""A detector of Ultralytics, from its YAML without weights: trained, pruned, quantized and scored.

The package is under AGPL-3.0 and no dependency. PARETUNE_ULTRALYTICS_PYTHON names an interpreter
that has it; without that variable, the tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from paretune.search.tasks.ultralytics import ultralytics_task
from paretune.search.user_code import add_import_folders
from support.studies import record_of

PYTHON = os.environ.get("PARETUNE_ULTRALYTICS_PYTHON")
VAL = Path(__file__).parents[2] / "support" / "ultralytics_val.py"
SIZE = 64

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        PYTHON is None,
        reason="needs PARETUNE_ULTRALYTICS_PYTHON, an interpreter with ultralytics (AGPL-3.0)",
    ),
]

STUDY = """\
task:
  ultralytics:
    {{model: yolo11n.yaml, data: disks.yaml, imgsz: {size}, batch: 8, python: {python},
      args: {{mosaic: 0.0}}}}
baseline: {{pretrain: {{epochs: 2, optimizer: {{adamw: {{lr: 2e-3}}}}}}}}
space:
  pruning: {{structured: {{ratio: 0.3}}}}
  finetune: {{epochs: 1, optimizer: {{adamw: {{lr: 1e-3}}}}}}
  quantization: {{choice: [none, static]}}
objectives: {{map50: maximize, size: minimize}}
search: {{trials: 2, sampler: grid, format_variants: false}}
"""


def write_disks(folder: Path) -> None:
    """Writes pictures of one or two bright disks in the format of Ultralytics."""
    random = np.random.default_rng(0)
    for part, count in (("train", 48), ("val", 24), ("test", 16)):
        (folder / "images" / part).mkdir(parents=True)
        (folder / "labels" / part).mkdir(parents=True)
        for number in range(count):
            image = Image.fromarray(random.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8))
            lines = []
            for side in range(int(random.integers(1, 3))):
                kind, radius = int(random.integers(2)), float(random.uniform(7, 13))
                x = 16 + 32 * side + float(random.uniform(-2, 2))
                y = float(random.uniform(15, 49))
                box = (x - radius, y - radius, x + radius, y + radius)
                ImageDraw.Draw(image).ellipse(box, fill=("red", "white")[kind])
                numbers = (x / SIZE, y / SIZE, 2 * radius / SIZE, 2 * radius / SIZE)
                lines.append(f"{kind} " + " ".join(f"{each:.6f}" for each in numbers))
            image.save(folder / "images" / part / f"{number}.png")
            (folder / "labels" / part / f"{number}.txt").write_text("\n".join(lines))
    (folder / "disks.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnames: {0: red, 1: white}\n"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disks")
    write_disks(folder)
    os.environ["YOLO_CONFIG_DIR"] = str(tmp_path_factory.mktemp("settings"))
    return folder


def task(folder: Path, **options: Any) -> Any:
    add_import_folders(folder)
    return ultralytics_task(
        **{
            "model": "yolo11n.yaml",
            "data": "disks.yaml",
            "imgsz": SIZE,
            "batch": 8,
            "python": PYTHON,
            "args": {"mosaic": 0.0},
            **options,
        }
    )


def test_scores_equal_those_of_ultralytics_for_the_same_weights(folder: Path) -> None:
    torch.manual_seed(0)
    made = task(folder)
    network = made.model()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(25):
        for images, boxes in made.batches("train"):
            loss = made.loss(network(images), boxes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {k: v.numpy() for k, v in network(torch.from_numpy(images)).items()}

    scores = {
        k: function(rows) for k, (rows, function) in made.score(predict, "validation").items()
    }
    weights = folder / "trained.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, str(weights))
    done = subprocess.run(
        [
            str(PYTHON),
            str(VAL),
            "yolo11n.yaml",
            str(folder / "disks.yaml"),
            str(SIZE),
            str(weights),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = json.loads(done.stdout.strip().splitlines()[-1])

    assert scores["map50"] > 0.2
    assert scores["map50"] == pytest.approx(expected["map50"], abs=2e-3)
    assert scores["map50_95"] == pytest.approx(expected["map50_95"], abs=2e-3)
    assert "ultralytics" not in sys.modules


def test_loss_and_gradients_have_the_closed_form_where_there_are_no_boxes(folder: Path) -> None:
    """Without boxes, the loss is the binary cross-entropy of all scores, times the gain `cls`."""
    torch.manual_seed(1)
    made = task(folder, args={"cls": 0.5})
    with torch.no_grad():
        outputs = made.model()(torch.rand(2, 3, SIZE, SIZE))
    outputs = {name: each.requires_grad_() for name, each in outputs.items()}

    loss = made.loss(outputs, [torch.zeros(0, 5)] * 2)
    (3 * loss).backward()

    scores = [each for name, each in outputs.items() if name.startswith("scores")]
    expected = sum(0.5 * torch.nn.functional.softplus(each).sum().item() for each in scores)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    for each in scores:
        assert each.grad is not None
        torch.testing.assert_close(each.grad, 3 * 0.5 * each.detach().sigmoid())


def test_training_batches_are_augmented_and_follow_the_seed(folder: Path) -> None:
    made = task(folder)
    firsts = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        images, boxes = next(made.batches("train"))
        firsts.append(images)
        assert images.shape == (8, 3, SIZE, SIZE) and len(boxes) == 8
        assert float(images.min()) >= 0 and float(images.max()) <= 1
    assert torch.equal(firsts[0], firsts[1]) and not torch.equal(firsts[0], firsts[2])
    sizes = [len(images) for images, _ in made.batches("validation")]
    assert sum(sizes) == 24


def test_study_prunes_quantizes_and_scores_the_files(folder: Path) -> None:
    file = folder / "study.yaml"
    file.write_text(STUDY.format(size=SIZE, python=PYTHON))
    Runner(load_study(file), lambda event: None).run()
    record = record_of(file)

    assert {trial.state for trial in record.trials} == {"complete"}, [
        (trial.state, trial.reason) for trial in record.trials
    ]
    assert record.baseline is not None
    sizes = {
        t.params.get("quantization", "base"): t.measurements["size"].value for t in record.trials
    }
    assert sizes["static"] < sizes["none"] < sizes["base"]
    for trial in record.trials:
        assert 0 <= trial.measurements["map50"].value <= 1
        assert trial.measurements["map50"].count == 24
        assert trial.artifact is not None
        session = onnxruntime.InferenceSession(str(folder / "study" / trial.artifact["path"]))
        shapes = {each.name: each.shape[1:] for each in session.get_outputs()}
        assert sorted(map(tuple, shapes.values())) == sorted(
            (channels, SIZE // s, SIZE // s) for s in (8, 16, 32) for channels in (64, 2)
        )
    assert "ultralytics" not in sys.modules


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": "yolo11n.pt"}, "there is no file yolo11n.pt; nothing is downloaded"),
        ({"data": "nowhere.yaml"}, "nowhere.yaml"),
        ({"args": {"mosiac": 0.5}}, "mosiac"),
        ({"model": "yolo11n-seg.yaml"}, "detector"),
    ],
)
def test_what_cannot_be_used_is_refused(folder: Path, options: dict[str, Any], text: str) -> None:
    from paretune.search.errors import UserError

    with pytest.raises(UserError, match=text):
        task(folder, **options).model()
