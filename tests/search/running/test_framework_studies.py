"""Studies of the tasks of frameworks, end to end: the examples of docs/own-code.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from paretune.search.running.runner import Runner
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study_file.loading import load_study
from support.studies import record_of

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "frameworks"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def run(folder: Path, study: str) -> StudyRecord:
    """Runs an example in a copy of its folder, and returns its record."""
    file = folder / study
    Runner(load_study(file), lambda event: None).run()
    record = record_of(file)
    assert record.baseline is not None
    assert {trial.state for trial in record.trials} == {"complete"}, [
        (trial.state, trial.reason) for trial in record.trials
    ]
    return record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in EXAMPLES.glob("*.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path  # type: ignore[misc]
    for name in ("digits_module", "sentences"):
        sys.modules.pop(name, None)


def session_of(folder: Path, study: str, trial: TrialRecord) -> onnxruntime.InferenceSession:
    assert trial.artifact is not None
    return onnxruntime.InferenceSession(str(folder / Path(study).stem / trial.artifact["path"]))


def test_lightning_study_scores_its_files_as_validation_step_does(folder: Path) -> None:
    pytest.importorskip("lightning", reason="needs the extra lightning")
    pytest.importorskip("torchmetrics")
    record = run(folder, "lightning.yaml")

    from digits_module import Digits

    data = Digits()
    data.setup("fit")
    images, labels = (each.numpy() for each in data.parts[1].tensors)
    pruned = [trial for trial in record.trials if trial.number]
    kinds = {trial.params["quantization"] for trial in pruned}
    assert kinds == {"none", "static"}
    for trial in [record.baseline, *pruned]:
        session = session_of(folder, "lightning.yaml", trial)
        [logits] = session.run(None, {session.get_inputs()[0].name: images})
        accuracy = trial.measurements["val_acc"]
        assert accuracy.value == pytest.approx((logits.argmax(1) == labels).mean(), abs=1e-6)
        assert accuracy.low < accuracy.value < accuracy.high and accuracy.count == 300
        assert 0 < trial.measurements["val_f1"].value <= 1
    assert record.baseline.measurements["val_acc"].value > 0.5
    sizes = {trial.number: trial.measurements["size"].value for trial in record.trials}
    assert min(sizes.values()) < sizes[0] / 2


def test_transformers_study_scores_its_files_as_compute_metrics_does(folder: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra transformers")
    subprocess.run([sys.executable, "sentences.py"], check=True, cwd=folder, timeout=250)
    record = run(folder, "transformers.yaml")

    from sentences import collate, datasets

    batch = collate(datasets()["validation"][:200])
    labels = batch.pop("labels").numpy()
    inputs = {name: tensor.numpy() for name, tensor in batch.items()}
    shorter = {name: array[:3, :7] for name, array in inputs.items()}
    for trial in record.trials:
        session = session_of(folder, "transformers.yaml", trial)
        assert {each.name for each in session.get_inputs()} == {"input_ids", "attention_mask"}
        [logits] = session.run(None, inputs)
        assert logits.shape == (200, 3)
        assert session.run(None, shorter)[0].shape == (3, 3)  # the length is dynamic
        correct = trial.measurements["correct"]
        # Dynamic int8 rounds by the values of a batch, and the score is made in smaller batches.
        assert abs((logits.argmax(1) == labels).mean() - correct.value) < 0.05
        assert np.isfinite(logits).all() and correct.count == 200
    assert record.baseline.measurements["correct"].value > 0.5
    kinds = {(t.params["pruning"], t.params["quantization"]) for t in record.trials if t.number}
    assert {quantization for _, quantization in kinds} == {"none", "dynamic"}
    assert {pruning for pruning, _ in kinds} == {"none", "structured"}
