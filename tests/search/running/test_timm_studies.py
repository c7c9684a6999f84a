"""A timm model by name as the network of other tasks than classification, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from support.studies import record_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

STUDY = """\
task: {task}
data: {{npz: images.npz}}
baseline:
  architecture: {{timm: test_resnet}}
  pretrain: {{epochs: 6, batch_size: 32, optimizer: {{adam: {{lr: 3e-3}}}}}}
space:
  pruning: {{choice: [none, {{structured: {{ratio: 0.4}}}}]}}
  finetune: {{epochs: 1, batch_size: 32, optimizer: {{adam: {{lr: 1e-3}}}}}}
  quantization: {{choice: [none, static]}}
objectives: {{{metric}: {goal}, size: minimize}}
search: {{trials: 4, sampler: grid, format_variants: false}}
"""


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns images [N, 3, 32, 32], and the brightness of their three channels [N, 3]."""
    random = np.random.default_rng(seed)
    levels = random.random((count, 3)).astype(np.float32)
    noise = random.normal(0, 0.1, (count, 3, 32, 32))
    return (levels[:, :, None, None] + noise).astype(np.float32), levels


def run(folder: Path, task: str, metric: str, goal: str, targets: str) -> list[float]:
    """Runs a study, and returns the metric of each trial on the test part, the baseline first."""
    arrays = {}
    for part, count, seed in (("train", 192, 0), ("val", 96, 1), ("test", 96, 2)):
        arrays[f"x_{part}"], levels = images(count, seed)
        arrays[f"y_{part}"] = levels if targets == "levels" else (levels > 0.5).astype(np.int64)
    np.savez(folder / "images.npz", **arrays)
    file = folder / "study.yaml"
    file.write_text(STUDY.format(task=task, metric=metric, goal=goal))
    Runner(load_study(file), lambda event: None).run()
    record = record_of(file)
    assert record.baseline is not None
    assert {trial.state for trial in record.trials} == {"complete"}, [
        (trial.state, trial.reason) for trial in record.trials
    ]
    sizes = [trial.measurements["size"].value for trial in record.trials]
    assert min(sizes[1:]) < sizes[0] / 2
    return [trial.measurements[metric].value for trial in record.trials]


def test_timm_model_with_a_regression_head(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    errors = run(tmp_path, "regression", "rmse", "minimize", "levels")

    assert min(errors) < 0.2 < 0.29  # the spread of the targets: what a constant gives


def test_timm_model_with_labels(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    scores = run(tmp_path, "multilabel", "macro_f1", "maximize", "labels")

    assert max(scores) > 0.8
