"""Every benchmark runs, with sizes too small for useful figures, and prints its ratios."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

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
        *("--parts", "throughput", "locks", "--databases", "sqlite", "--workers", "2"),
        *("--each", "4", "--sleep", "0.1", "--seconds", "0.5"),
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


@pytest.mark.benchmark
@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("bench_*.py")))
def test_benchmark_prints_its_ratio(script: str, tmp_path: Path) -> None:
    files = noise_and_random_weights(tmp_path) if script == "bench_int8.py" else []
    done = subprocess.run(
        [sys.executable, str(HERE / script), *files, *SMALL[script]],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  RATIO .*: \d+\.\d+", done.stdout, re.MULTILINE), done.stdout
