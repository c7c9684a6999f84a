"""Every benchmark runs, with sizes too small for useful figures, and prints its ratios."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import paretune
from paretune.spaces.rebuild import initial_candidate

HERE = Path(__file__).parent
STUDIES = HERE.parents[1] / "studies"

SMALL = {
    "bench_beliefs.py": ["--data", "cifar10", "--seeds", "1", "--share", "0.7"],
    "bench_busy.py": [
        *("--busy", "1", "--set", "search.trials=1", "--set", "baseline.pretrain.epochs=1"),
        *("--set", "space.finetune.epochs=1", "--set", "search.format_variants=false"),
    ],
    "bench_data.py": ["--images", "256", "--repeats", "1"],
    "bench_distillation.py": ["--seeds", "1", "--epochs", "1"],
    "bench_commands.py": ["--trials", "20", "--repeats", "1", "--reading", "front", "status"],
    "bench_engine.py": ["--trials", "5"],
    "bench_headline.py": [
        *("--seeds", "1", "--trials", "2", "--study", str(STUDIES / "quickstart.yaml")),
        *("--set", "first=[{architecture: {simple_cnn: {width: 1.0}}, pruning: none}]"),
        *("--set", "baseline.pretrain.epochs=1", "--set", "space.pretrain.epochs=1"),
        *("--set", "space.finetune.epochs=1", "--set", "constraints=[]"),
    ],
    "bench_front.py": ["--trials", "40", "--every", "20"],
    "bench_int8.py": ["--images", "64", "--epochs", "1", "--calibration", "16", "--tests", "64"],
    "bench_latency.py": ["--repeats", "2", "--networks", "3", "--seconds", "0.1", "--truth", "1"],
    "bench_new_tables.py": [
        *("--tables", "cells", "--at", "12", "15", "--seeds", "1", "--sides", "auto", "tpe"),
    ],
    "bench_optimize.py": ["--seeds", "1", "--time", "45"],
    "bench_page.py": ["--trials", "50", "--repeats", "1"],
    "bench_pairs.py": ["--examples", "200", "--samples", "20"],
    "bench_python.py": ["--trials", "20", "--repeats", "1"],
    "bench_profile.py": ["--networks", "1", "--seconds", "0.2"],
    "bench_luck.py": ["--trials", "3", "--seeds", "1", "--fresh", "1"],
    "bench_measuring.py": ["--repeats", "1", "--seconds", "0.1"],
    "bench_monitoring.py": ["--blocks", "1", "--runs", "2"],
    "bench_pruning.py": ["--epochs", "1", "--images", "128"],
    "bench_search.py": [
        *("--trials", "2", "--seeds", "0", "--sides", "plain gp", "plain tpe, cached", "elastic"),
        *("--set", "baseline.pretrain.epochs=1", "--set", "space.pretrain.epochs=1"),
        *("--set", "space.finetune.epochs=1"),
    ],
    "bench_ray.py": ["2", "6", "0.1"],
    "bench_real_size.py": [
        *("--models", "mobilenet_v3_small", "--ratios", "0.5", "--size", "32", "--repeats", "2"),
    ],
    "bench_racing.py": [
        "--seeds",
        "1",
        "--epochs",
        "60",
        "--trials",
        "4",
        "--sides",
        "random",
        "random, racing",
    ],
    "bench_seed_noise.py": ["--seeds", "1", "--trials", "12", "--deviations", "0.02"],
    "bench_serve.py": ["--trials", "50", "--run", "20", "--pages", "2", "--repeats", "1"],
    "bench_tables.py": ["--data", "cifar10", "--at", "12", "15", "--seeds", "1"],
    "bench_training.py": ["--images", "128", "--repeats", "1"],
    "bench_workers.py": [
        *("--parts", "throughput", "engine", "locks", "--databases", "sqlite", "--workers", "2"),
        *("--each", "4", "--sleep", "0.1", "--trials", "8", "--seconds", "0.5"),
    ],
}


def noise_and_random_weights(folder: Path) -> list[str]:
    """Writes an .npz like CIFAR-10 and weights of a small network with the published keys."""
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (64, 32, 32, 3), np.uint8), draw.integers(0, 10, 64)
    np.savez(folder / "c.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    network = initial_candidate(
        {"resnet": {"blocks": 1, "shortcut": "padding"}}, (3, 32, 32), 10, seed=0
    )
    prefixes = {"0": "conv1", "1": "bn1", "3": "layer1.0", "4": "layer2.0", "5": "layer3.0"}
    weights = {}
    for key, value in network.model.state_dict().items():
        index, _, rest = key.partition(".")
        weights[f"{prefixes.get(index, 'linear')}.{rest}"] = value
    kept = {name: tensor for name, tensor in weights.items() if "num_batches" not in name}
    save_file(kept, folder / "w.safetensors")
    return [str(folder / "c.npz"), str(folder / "w.safetensors")]


def output_of(script: Path, *options: str) -> str:
    """Runs a script beside these modules, and returns what it prints."""
    done = subprocess.run(
        [sys.executable, str(script), *options],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.benchmark
@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("bench_*.py")))
def test_benchmark_prints_its_ratio(script: str, tmp_path: Path) -> None:
    files = noise_and_random_weights(tmp_path) if script == "bench_int8.py" else []
    printed = output_of(HERE / script, *files, *SMALL[script])
    assert re.search(r"^  RATIO .*: \d+\.\d+", printed, re.MULTILINE), printed


@pytest.mark.benchmark
def test_benchmark_for_a_gpu_prunes_to_its_multiply_adds_on_a_cpu() -> None:
    script = HERE.parent / "gpu" / "bench_resnet56.py"
    settings = ("space.pruning.structured.round_to=1", "space.pruning.structured.images=64")
    options = [word for setting in settings for word in ("--set", setting)]
    printed = output_of(script, "--tests", "100", "--seconds", "0", *options)
    rows = [line.split("|") for line in printed.splitlines() if "distilled" in line]
    fewer = [float(row[4].split("x")[0]) for row in rows if len(row) > 4]
    assert fewer == pytest.approx([1 / 0.47] * 2, rel=0.05), printed
    assert re.search(r"^  RATIO accuracy, .*static int8 / unpruned: \d+\.\d+", printed, re.M)


@pytest.mark.benchmark
def test_blood_cells_are_cut_as_their_study_reads_them(tmp_path: Path) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (640, 480)).save(photo, "JPEG")
    rows = ["part,image,xmin,ymin,xmax,ymax,label"]
    for part in ("train", "val", "test"):
        rows.append(f"{part},{part}.jpg,7,9,7,9,RBC")  # an empty box
        for label in ("Platelets", "RBC", "WBC"):
            rows += [f"{part},{part}.jpg,0,0,{left + 20},30,{label}" for left in range(5)]
    with zipfile.ZipFile(tmp_path / "bccd.zip", "w") as file:
        file.writestr("boxes.csv", "\n".join(rows))
        for part in ("train", "val", "test"):
            file.writestr(f"images/{part}.jpg", photo.getvalue())
    printed = output_of(
        HERE / "blood_cells.py", str(tmp_path / "bccd.zip"), str(tmp_path / "cells")
    )
    assert [line.split()[-1] for line in printed.splitlines()] == ["3"] * 9
    study = paretune.Study(shutil.copy(HERE / "blood_cells.yaml", tmp_path))
    assert "mobilenet_v2" in str(study.check())
